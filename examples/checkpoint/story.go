package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// A story is a job and what is done to its workers.
type story struct {
	options
	*show.Screen
	b   *broker.Broker
	job task.Handle[int]
}

// tell posts the job, kills its first worker half-way, lets a second one end it, and
// prints what the job has logged.
func tell(ctx context.Context, o options, s *show.Screen) (err error) {
	own, workers, err := show.Queues(ctx, o.redis)
	if err != nil {
		return err
	}
	b, err := broker.Open(ctx, own, broker.Config{Namespace: o.namespace, Logger: s.Logger(slog.LevelWarn)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	o.redis = workers
	q := runtime.NewClient(b).With(ctx)
	h, err := count.Post(q, task.None{})
	if err != nil {
		return err
	}
	t := &story{o, s, b, h}
	for _, act := range []func(context.Context) error{t.killed, t.ended, t.log} {
		if err := act(q); err != nil {
			return err
		}
	}
	return nil
}

// killed starts the first worker, and kills it when it has done half of the job, and the
// broker has what the job has logged.
func (t *story) killed(q context.Context) error {
	w, err := t.start(q, 1, "-hang", fmt.Sprint(parts/2))
	if err != nil {
		return err
	}
	err = t.await(q, parts/2)
	err = errors.Join(err, w.Process.Kill()) // SIGKILL
	_ = w.Wait()                             // that it was killed is no news
	if err != nil {
		return err
	}
	r, err := t.job.Record(q)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "worker 1 was killed at %v%%, after %s\n", r.Progress, r.Note)
	return nil
}

// ended lets the second worker go on, which gets the job when the lease of the first one
// is over.
func (t *story) ended(q context.Context) (err error) {
	w, err := t.start(q, 2)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Process.Signal(os.Interrupt), w.Wait()) }()
	n, err := t.job.Wait(q)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "worker 2 has ended the job: %d primes below %d\n\nwhat the job has logged:\n", n, below)
	return t.await(q, parts)
}

// await waits until the job has logged so many parts. Lines arrive within a second.
func (t *story) await(q context.Context, parts int) error {
	want := fmt.Sprintf(" number=%d", parts)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		lines, err := t.lines(q)
		if err != nil {
			return err
		}
		if n := len(lines); n > 0 && strings.HasSuffix(lines[n-1].Attrs, want) {
			return nil
		}
		select {
		case <-tick.C:
		case <-q.Done():
			return context.Cause(q)
		}
	}
}

// lines returns all lines that the job has logged.
func (t *story) lines(q context.Context) (all []task.LogLine, err error) {
	for after := uint64(0); ; after = all[len(all)-1].Seq {
		some, err := t.b.Logs(q, t.job.ID(), after)
		if err != nil || len(some) == 0 {
			return all, err
		}
		all = append(all, some...)
	}
}

// log prints what the job has logged, and its short result.
func (t *story) log(q context.Context) error {
	lines, err := t.lines(q)
	if err != nil {
		return err
	}
	for _, l := range lines {
		fmt.Fprintf(t.Out, "%3d  %s  %-5s  %s\n", l.Seq, l.Time.Format(time.TimeOnly), l.Message, l.Attrs)
	}
	r, err := t.job.Record(q)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "\nshort result: %s; %d worker was lost with it\n", r.ShortResult, r.Losses)
	return nil
}

// start starts this program again, as a worker.
func (t *story) start(ctx context.Context, number int, more ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"-worker", fmt.Sprint(number), "-redis", t.redis, "-namespace", t.namespace}
	w := exec.CommandContext(ctx, self, append(args, more...)...)
	w.Stdout, w.Stderr = t.Out, t.Err
	err = w.Start()
	return w, err
}
