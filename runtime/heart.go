package runtime

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/gomlq/mlq/task"
)

// join opens a session, trying again as long as again says so and ctx lasts.
// The session's context comes from calls. It returns nil and the last error if
// there is no session.
func (w *Worker) join(ctx, calls context.Context, again func(error) bool) (*session, error) {
	var p pause
	for {
		s := newSession(calls)
		s.can = w.functions.Load()
		id, err := w.b.Join(ctx, w.self(s.can), func(sig task.Signal) { w.signal(s, sig) })
		if err == nil {
			s.id = id
			w.log.Info("joined", "session", id.String())
			return s, nil
		}
		s.end()
		if !again(err) {
			return nil, err
		}
		w.complaints.about(ctx, "join", err)
		if !sleep(ctx, p.next(err)) {
			return nil, err
		}
	}
}

func newSession(calls context.Context) *session {
	s := &session{}
	s.ctx, s.end = context.WithCancel(calls)
	return s
}

// heart keeps the session alive, and joins again when it was lost, until the
// worker has ended; while it drains (ctx has ended) it does not join again.
func (w *Worker) heart(ctx, calls context.Context, s *session) {
	for {
		w.beats(s)
		if calls.Err() != nil || ctx.Err() != nil {
			return
		}
		w.log.Warn("session lost; joining again")
		s, _ = w.join(ctx, calls, func(err error) bool { return !w.deserted(err) })
		if s == nil {
			return // ctx has ended
		}
		w.open(calls, s)
	}
}

// beats gives a sign of life three times each LeaseTTL until s is over.
func (w *Worker) beats(s *session) {
	every := w.cfg.LeaseTTL / 3
	var p pause
	for wait := about(every); sleep(s.ctx, wait); {
		revoked, err := w.beat(s, every)
		switch {
		case err == nil:
			p, wait = pause{}, about(every)
			w.revoke(s, revoked)
		case errors.Is(err, task.ErrGone):
			w.lose(s)
			return
		case w.deserted(err):
			return
		default:
			wait = min(p.next(err), every)
			if s.ctx.Err() == nil {
				w.complaints.about(s.ctx, "beat", err)
			}
		}
	}
}

func (w *Worker) beat(s *session, timeout time.Duration) ([]task.Lease, error) {
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	return w.b.Beat(ctx, s.id)
}

// signal takes a hint from the broker. It does not block.
func (w *Worker) signal(s *session, sig task.Signal) {
	switch sig.Kind {
	case task.SignalBell:
		w.pool.bell(s, sig.Partition)
	case task.SignalRevoked:
		w.revoke(s, []task.Lease{sig.Lease})
	case task.SignalShutdown:
		if w.dismissed.CompareAndSwap(false, true) {
			w.log.Info("an operator has asked this worker to shut down")
		}
		w.end()
	}
}

// revoke ends attempts that were cancelled; not later ones of the same jobs.
func (w *Worker) revoke(s *session, leases []task.Lease) {
	if len(leases) > 0 {
		w.stop(w.pool.find(s, leases), task.ErrCancelled)
	}
}

// lose ends session s and its attempts: their jobs are others' now.
func (w *Worker) lose(s *session) {
	if lost, ok := w.pool.lose(s); ok {
		s.end()
		w.stop(lost, task.ErrLeaseLost)
	}
}

// deserted reports whether err says that the broker was closed, which ends the worker
// and at once its attempts: nothing can be reported any more.
func (w *Worker) deserted(err error) bool {
	if !errors.Is(err, task.ErrClosed) {
		return false
	}
	w.closed.Store(true)
	w.end()
	if s := w.pool.current(); s != nil {
		w.lose(s)
	}
	return true
}

// pace looks after safety claims about twice a second, not more often, until
// ctx ends.
func (w *Worker) pace(ctx context.Context) {
	for sleep(ctx, 500*time.Millisecond+rand.N(250*time.Millisecond)) {
		w.pool.pace(time.Now())
	}
}

// tick moves what has come due, once a second or so, until ctx ends.
func (w *Worker) tick(ctx, calls context.Context) {
	for sleep(ctx, 900*time.Millisecond+rand.N(200*time.Millisecond)) {
		t, err := w.b.Tick(calls)
		if err != nil && calls.Err() == nil && !w.deserted(err) {
			w.complaints.about(ctx, "tick", err)
		}
		if t.Sessions > 0 || t.Poisoned > 0 {
			w.log.Warn("took jobs back from lost workers", "workers", t.Sessions, "jobs", t.Lost, "poisoned", t.Poisoned)
		}
	}
}
