package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomlq/mlq/task"
)

// How long the last words of a worker may take: to report what has ended, and
// to leave. After that the reaper tells the others.
const (
	flushTimeout = 5 * time.Second
	leaveTimeout = 2 * time.Second
)

// drain lets the attempts end, in the end by force, and reports them.
func (w *Worker) drain() error {
	w.pool.drain()
	running := w.pool.running()
	w.log.Info("draining", "running", running, "grace", w.cfg.Grace)
	idle := func() bool { return w.pool.running() == 0 }
	if !w.pool.await(idle, w.cfg.Grace) {
		w.stop(w.pool.all(), task.ErrShutdown)
		w.pool.await(idle, w.cfg.AbandonAfter+flushTimeout) // the watchdog sees to it
	}
	w.pool.await(w.pool.flushed, flushTimeout)
	var errs []error
	if n := w.Abandoned(); n > 0 {
		errs = append(errs, fmt.Errorf("runtime: worker %q left %d attempts behind whose functions ignore their context", w.cfg.Name, n))
	}
	if n := w.pool.unreported(); n > 0 {
		errs = append(errs, fmt.Errorf("runtime: worker %q could not report %d attempts; their jobs run again when its lease is over", w.cfg.Name, n))
	}
	return errors.Join(errs...)
}

// leave ends the session, if there is one.
func (w *Worker) leave() {
	s := w.pool.current()
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(w.base, leaveTimeout)
	defer cancel()
	if err := w.b.Leave(ctx, s.id); err != nil && !errors.Is(err, task.ErrGone) && !w.deserted(err) {
		w.complaints.about(ctx, "leave", err)
	}
}

// await waits until done, but not longer than limit, and returns what done
// says in the end. Something must poke changed when that may have changed.
func (q *pool) await(done func() bool, limit time.Duration) bool {
	t := time.NewTimer(limit)
	defer t.Stop()
	for !done() {
		select {
		case <-q.changed:
		case <-t.C:
			return done()
		}
	}
	return true
}

// running returns how many attempts run or are blocked.
func (q *pool) running() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.attempts)
}

// unreported returns how many attempts have ended of which the broker may not
// know.
func (q *pool) unreported() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held - len(q.attempts)
}

// flushed reports whether all is reported, and no job can come any more.
func (q *pool) flushed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held == len(q.attempts) && q.reserved == 0
}

// all returns the attempts that run or are blocked.
func (q *pool) all() []*attempt {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]*attempt(nil), q.attempts...)
}

// current returns the session, nil if there is none.
func (q *pool) current() *session {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.session
}
