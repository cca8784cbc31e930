package broker

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// localNamespace is that of all brokers on one local server.
const localNamespace = "local"

// pidLog remembers the process that a local broker has told of.
type pidLog struct {
	slog.Handler
	mu  sync.Mutex
	pid int
}

func (l *pidLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *pidLog) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "pid" {
			l.mu.Lock()
			l.pid = int(a.Value.Int64())
			l.mu.Unlock()
		}
		return true
	})
	return nil
}

// openLocalDir opens dir and returns the broker and its server's process.
func openLocalDir(t *testing.T, dir string) (b *Broker, pid int) {
	t.Helper()
	redistest.RequireServer(t)
	l := &pidLog{Handler: slog.DiscardHandler}
	b = open(t, "local://"+dir, Config{Namespace: localNamespace, Logger: slog.New(l), RetryFor: soon})
	if l.pid == 0 {
		t.Fatal("the log does not tell the server's process")
	}
	return b, l.pid
}

// ends fails the test unless the process ends.
func ends(t *testing.T, pid int) {
	t.Helper()
	redistest.Eventually(t, soon, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, state, _ := strings.Cut(string(stat), ") ")
		return err != nil || strings.HasPrefix(state, "Z") // ended, perhaps not waited for
	}, "process %d ends", pid)
}

func TestALocalServerKeepsItsJobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, pid := openLocalDir(t, dir)
	ids, err := b.Post(t.Context(), fCalls(3))
	must(t, err)
	h := newHand(t, b)
	jobs, err := h.claim(t.Context(), 1)
	must(t, err)
	must(t, h.finish(t.Context(), jobs...))
	must(t, b.Close())
	ends(t, pid)

	b, pid = openLocalDir(t, dir)
	for i, want := range []task.State{task.Succeeded, task.Ready, task.Ready} {
		if r, err := b.Read(t.Context(), ids[i:i+1]); err != nil || r[0].State != want {
			t.Errorf("after Close and Open job %d is %v (%v), want %v", i, r, err, want)
		}
	}
	process, err := os.FindProcess(pid)
	must(t, err)
	must(t, process.Kill())
	ends(t, pid)
	if err := b.Close(); err != nil {
		t.Errorf("Close after the server was killed: %v", err)
	}

	b, _ = openLocalDir(t, dir)
	h = newHand(t, b)
	if jobs, err = h.claim(t.Context(), 5); err != nil || len(jobs) != 2 {
		t.Errorf("after the server was killed and started again there are %d jobs (%v), want 2", len(jobs), err)
	}
	must(t, h.finish(t.Context(), jobs...))
}

func TestALocalDirectoryHasOneServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, _ := openLocalDir(t, dir)
	began := time.Now()
	_, err := Open(t.Context(), "local://"+dir, quietly(t, Config{}))
	wantErr(t, "a second Open", err, task.ErrUnavailable)
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("the error does not name the directory: %v", err)
	}
	if took := time.Since(began); took > soon {
		t.Errorf("the second Open took %v", took)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), localChildEnv+"="+dir)
	if out, err := child.CombinedOutput(); err == nil || !strings.Contains(string(out), dir) {
		t.Errorf("another process opened the directory: %v, it said:\n%s", err, out)
	}
	if _, err := post1(t.Context(), b); err != nil {
		t.Errorf("Post of the first: %v", err)
	}
	must(t, b.Close())
	openLocalDir(t, dir)
}

const localChildEnv = "MLQ_TEST_LOCAL_CHILD"

// localChild is the process that TestALocalServerEndsWithItsProcess kills: it posts
// a job and tells it, and the server's process.
func localChild(dir string) int {
	l := &pidLog{Handler: slog.DiscardHandler}
	b, err := Open(context.Background(), "local://"+dir, Config{Namespace: localNamespace, Logger: slog.New(l)})
	if err == nil {
		var id task.ID
		if id, err = post1(context.Background(), b); err == nil {
			fmt.Println(l.pid, id)
			_, _ = b.Await(context.Background(), []task.ID{id}) // until it is killed
		}
	}
	fmt.Println(err)
	return 1
}

func TestALocalServerEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	redistest.RequireServer(t)
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), localChildEnv+"="+dir)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	var pid int
	var id string
	if _, err := fmt.Sscan(line, &pid, &id); err != nil {
		t.Errorf("the child said %q: %v", line, err)
	}
	must(t, err)
	must(t, child.Process.Kill())
	if err := child.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	if t.Failed() {
		return
	}
	ends(t, pid)
	b, _ := openLocalDir(t, dir)
	posted, err := task.ParseID(id)
	must(t, err)
	if r, err := b.Read(t.Context(), []task.ID{posted}); err != nil || r[0].State != task.Ready {
		t.Errorf("the job of the process that was killed is %v (%v), want ready", r, err)
	}
}

func TestALocalSocketIsElsewhereWhereItsPathIsTooLong(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 30))
	b, _ := openLocalDir(t, dir)
	if _, err := post1(t.Context(), b); err != nil {
		t.Errorf("Post: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "appendonlydir")); err != nil {
		t.Errorf("the data is not in the directory: %v", err)
	}
}

func TestALocalServerThatCannotStartSaysWhere(t *testing.T) {
	t.Parallel()
	redistest.RequireServer(t)
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "appendonlydir"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "appendonlydir", "appendonly.aof.manifest"), []byte("nonsense\n"), 0o600))
	_, err := Open(t.Context(), "local://"+dir, quietly(t, Config{RetryFor: brief}))
	wantErr(t, "Open", err, task.ErrUnavailable)
	if !strings.Contains(fmt.Sprint(err), filepath.Join(dir, "redis.log")) {
		t.Errorf("the error does not name the server's log: %v", err)
	}
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	_, err = Open(t.Context(), "local://"+file, quietly(t, Config{}))
	wantErr(t, "Open of a file", err, task.ErrInvalid)
}

func TestALocalServerNeedsAProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Open(t.Context(), "local://"+t.TempDir(), quietly(t, Config{}))
	wantErr(t, "Open without redis-server", err, ErrNoServer)
}
