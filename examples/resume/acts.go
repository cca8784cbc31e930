package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/gomlq/mlq/task"
)

// killed starts the first worker, and kills it when it hangs at count-3.
func (t *story) killed(q context.Context) error {
	w, err := t.start(q, "-hang")
	if err != nil {
		return err
	}
	err = t.ledger.await(q, "count-3")
	err = errors.Join(err, w.Process.Kill()) // SIGKILL
	_ = w.Wait()                             // that it was killed is no news
	if err != nil {
		return err
	}
	lost, err := t.note(q, "was running when worker 1 was killed")
	fmt.Fprintln(t.Out, "worker 1 was killed while it had", strings.Join(lost, " and "))
	return err
}

// failed lets the second worker go on, until the run fails by its bug. It gets
// what the first one had when the lease of that is over.
func (t *story) failed(q context.Context) (err error) {
	w, err := t.start(q, "-bug")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(w)) }()
	end := t.run.Wait(q)
	if end == nil {
		return errors.New("the run succeeded, in spite of the bug")
	}
	failed, ok := errors.AsType[*task.JobError](end)
	if !ok {
		return end
	}
	fmt.Fprintln(t.Out, "worker 2 went on; the run failed:", failed.Failure.Message)
	_, err = t.note(q, "had not succeeded when the run failed")
	return err
}

// resumed has the run go on with code that was mended.
func (t *story) resumed(q context.Context) (err error) {
	w, err := t.start(q)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(w)) }()
	if _, err := t.run.Resume(q); err != nil {
		return err
	}
	total, err := task.Get(q, t.run, t.total)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "worker 3 was mended, and the run resumed: %d primes below %d\n", total, below)
	return nil
}

// start starts this program again, as a worker.
func (t *story) start(ctx context.Context, more ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"-worker", "-redis", t.redis, "-namespace", t.namespace, "-ledger", string(t.ledger)}
	w := exec.CommandContext(ctx, self, append(args, more...)...)
	w.Stdout, w.Stderr = t.Out, t.Err
	if err := w.Start(); err != nil {
		return nil, err
	}
	t.pids = append(t.pids, w.Process.Pid)
	return w, nil
}

// stop tells a worker to end, and waits until it has.
func stop(w *exec.Cmd) error {
	return errors.Join(w.Process.Signal(os.Interrupt), w.Wait())
}
