package runtime

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlq/mlq/task"
)

// stop ends the contexts of attempts with cause. Those that have not returned
// when AbandonAfter has passed are abandoned.
func (w *Worker) stop(as []*attempt, cause error) {
	w.pool.hurry(as, time.Now().Add(w.cfg.AbandonAfter))
	for _, a := range as {
		a.cancel(cause)
	}
}

// watchdog abandons the attempts that go on after their contexts have ended,
// until ctx ends. It sleeps unless there is a deadline.
func (w *Worker) watchdog(ctx context.Context) {
	t := time.NewTimer(time.Hour)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.pool.look:
		case <-t.C:
		}
		due, next := w.pool.overdue(time.Now())
		for _, a := range due {
			w.abandon(a)
		}
		t.Stop()
		if !next.IsZero() {
			t.Reset(time.Until(next))
		}
	}
}

// abandon gives a up: it is reported as if its function had returned why its
// context ended, and its slot is freed.
func (w *Worker) abandon(a *attempt) {
	cause := context.Cause(a.ctx)
	if cause == nil {
		cause = task.ErrTimeout // due this very moment
		a.cancel(cause)
	}
	w.abandoned.Add(1)
	if !a.end(task.Data{}, fmt.Errorf("%w; the task function went on for %v", cause, w.cfg.AbandonAfter)) {
		w.abandoned.Add(-1) // it has just returned
		return
	}
	a.logger().Error("attempt abandoned: the task function ignores its context", "cause", cause, "after", w.cfg.AbandonAfter)
}

// hurry gives attempts a deadline, unless they have an earlier one.
func (q *pool) hurry(as []*attempt, deadline time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range as {
		if a.deadline.IsZero() || deadline.Before(a.deadline) {
			a.deadline = deadline
			q.watch(deadline)
		}
	}
}

// watch lets the watchdog look at the time of deadline. It wants the lock.
func (q *pool) watch(deadline time.Time) {
	if q.nextDue.IsZero() || deadline.Before(q.nextDue) {
		q.nextDue = deadline
		poke(q.look)
	}
}

// overdue returns the attempts whose deadline has passed, and the earliest
// deadline of the others, zero if they have none.
func (q *pool) overdue(now time.Time) (due []*attempt, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range q.attempts {
		switch {
		case a.deadline.IsZero():
		case !a.deadline.After(now):
			due = append(due, a)
		case next.IsZero() || a.deadline.Before(next):
			next = a.deadline
		}
	}
	q.nextDue = next
	return due, next
}
