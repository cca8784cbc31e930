package runtime

import (
	"context"
	"errors"
	goruntime "runtime"
	"time"

	"github.com/gomlq/mlq/task"
)

// fetch exchanges with partition p until ctx ends: whenever there is something
// to say or to ask, one exchange at a time.
func (w *Worker) fetch(ctx context.Context, p *part) {
	for {
		goruntime.Gosched() // attempts about to end go into this exchange
		x, s, ok := w.pool.take(p)
		if !ok {
			select {
			case <-p.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		x.Into = p.jobs
		got, err := w.exchange(s, &x)
		if err == nil {
			w.start(s, p, &x, &got)
			p.jobs = got.Jobs[:0]
			clear(p.jobs[:len(got.Jobs)])
			continue
		}
		if errors.Is(err, task.ErrGone) {
			w.lose(s)
		}
		w.pool.fail(p, &x)
		if ctx.Err() != nil {
			return
		}
	}
}

// exchange sends x until it is answered. It is repeated unchanged, for the
// broker may have done it and only the answer was lost. The error is
// [task.ErrGone], or says that the session is over for other reasons.
func (w *Worker) exchange(s *session, x *task.Exchange) (task.Exchanged, error) {
	var p pause
	for {
		got, err := w.b.Exchange(s.ctx, *x)
		if err == nil || errors.Is(err, task.ErrGone) || w.deserted(err) || s.ctx.Err() != nil {
			return got, err
		}
		if w.refuse(x, err) {
			continue
		}
		w.complaints.about(s.ctx, "exchange", err)
		if !sleep(s.ctx, p.next(err)) {
			return got, err
		}
	}
}

// refuse makes a bare failure of the outcome that, as err says, cannot be sent:
// its result is too large most likely. Nothing of x was sent, so x may still be
// changed. It returns false if that is no remedy.
func (w *Worker) refuse(x *task.Exchange, err error) bool {
	oe, ok := errors.AsType[*task.OutcomeError](err)
	if !ok || oe.Index < 0 || oe.Index >= len(x.Done) {
		return false
	}
	o := &x.Done[oe.Index]
	f := task.Failure{Kind: task.FailureError, Message: oe.Err.Error(), Worker: w.cfg.Name, At: time.Now()}
	if errors.Is(err, task.ErrTooLarge) {
		f.Kind = task.FailureTooLarge
	}
	if f = f.Clip(); o.Verdict == task.Fail && o.Failure.Message == f.Message {
		return false // it is bare already
	}
	w.log.Error("an outcome was refused; its job fails", "job", o.Lease.ID.String(), "error", oe.Err)
	*o = task.Outcome{Lease: o.Lease, Verdict: task.Fail, Failure: f}
	return true
}

// start starts the jobs of the answer got to x.
func (w *Worker) start(s *session, p *part, x *task.Exchange, got *task.Exchanged) {
	if len(got.Lost) > 0 {
		w.log.Info("attempts ended when their jobs were not this worker's any more", "count", len(got.Lost), "first", got.Lost[0])
	}
	as := p.batch[:0]
	for i := range got.Jobs {
		as = append(as, w.newAttempt(s, p, &got.Jobs[i]))
	}
	started := w.pool.answer(p, s, x, got, as)
	w.remember(s, p, got.Next)
	for _, a := range as {
		if started {
			w.runners.start(a) // the pool counts it; the drain waits for it
		} else {
			a.release()
		}
	}
	clear(as)
	p.batch = as
}

// soon is how long before a delayed job is due a worker makes sure to ask for it;
// later ones are found by the safety claim before them.
const soon = 2 * time.Second

// remember has the fetcher of p ask when a delayed job is due, in d.
func (w *Worker) remember(s *session, p *part, d time.Duration) {
	if d <= 0 || d > soon {
		return
	}
	at := time.Now().Add(d)
	if !p.due.IsZero() && !p.due.After(at) && p.due.After(time.Now()) {
		return // a timer is set for it
	}
	p.due = at
	time.AfterFunc(d, func() { w.pool.bell(s, p.partition) })
}
