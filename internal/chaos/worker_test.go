package chaos

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// lease is short, so that the jobs of a killed worker come back soon.
const lease = time.Second

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

// worked is what a job of the task work returns: who ran it.
type worked struct {
	Session string
	Attempt int
	Square  int
}

var work = task.Declare[int, worked]("work", task.MaxAttempts(3))

// doWork takes a few milliseconds, so that a kill finds jobs running.
func doWork(ctx task.Context, n int) (worked, error) {
	select {
	case <-time.After(time.Duration(n%5) * time.Millisecond):
	case <-ctx.Done():
		return worked{}, context.Cause(ctx)
	}
	j := ctx.Job()
	return worked{Session: j.Lease.Session.String(), Attempt: j.Attempt, Square: n * n}, nil
}

// Names of the variables that tell the test binary to be a worker.
const envURL, envNamespace = "MLQ_CHAOS_URL", "MLQ_CHAOS_NAMESPACE"

func TestMain(m *testing.M) {
	if url := os.Getenv(envURL); url != "" {
		if err := beWorker(url, os.Getenv(envNamespace)); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(redistest.Main(m))
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// beWorker works until it is told to end.
func beWorker(url, namespace string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	b, err := open(ctx, url, namespace)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	w, err := runtime.NewWorker(b, runtime.Config{Slots: 8, LeaseTTL: lease, Grace: 5 * time.Second, Logger: silent()},
		append(handlers(), work.Handle(doWork), stir.Handle(doStir), coin.Handle(doCoin), pass.Handle(doPass))...)
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// open opens a broker that has the patience to see a Redis restart, and does not blame
// jobs for the workers that are killed.
func open(ctx context.Context, url, namespace string) (*broker.Broker, error) {
	return broker.Open(ctx, url, broker.Config{Namespace: namespace, RetryFor: time.Minute, Poison: 100, Logger: silent()})
}

// process is a worker in a process of its own.
type process struct{ cmd *exec.Cmd }

func startWorker(t *testing.T, url, namespace string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envURL+"="+url, envNamespace+"="+namespace)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("start a worker: %v", err)
	}
	p := &process{cmd}
	t.Cleanup(p.kill)
	return p
}

// kill ends the process at once, whatever it is doing.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal a worker: %v", err)
	}
}

// times returns n, or as many times n as the variable CHAOS says.
func times(n int) int {
	if f, err := strconv.Atoi(os.Getenv("CHAOS")); err == nil && f > 0 {
		return n * f
	}
	return n
}
