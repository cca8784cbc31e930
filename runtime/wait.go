package runtime

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gomlq/mlq/task"
)

const (
	// unblockTimeout bounds the removal of an edge of the wait graph, which is
	// done even if the attempt's context has ended. One that stays points to a
	// job that has ended, or is removed with the waiter.
	unblockTimeout = 5 * time.Second
	// peekTimeout bounds a look at jobs that have most likely ended.
	peekTimeout = 50 * time.Millisecond
	// peekedAtOnce is how many jobs are read at once to see whether it was only the
	// look that took longer: whoever gives its slot up for parents that have ended may
	// wait for as long as a sibling runs.
	peekedAtOnce = 100
)

// Await implements [task.Port]. The attempt has no slot while it waits.
func (a *attempt) Await(ctx context.Context, ids []task.ID) ([]task.Settled, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if ends, ok := a.peek(ctx, ids); ok {
		return ends, nil
	}
	if err := a.block(ctx, ids); err != nil {
		a.goOn(ctx)
		return nil, err
	}
	ends, err := a.w.b.Await(ctx, ids)
	a.goOn(ctx)
	return ends, err
}

// peek looks at nodes of the job's own run, which are its ancestors most likely
// and so have ended: to give up the slot for them, and to note edges, would
// triple the round trips.
func (a *attempt) peek(ctx context.Context, ids []task.ID) ([]task.Settled, bool) {
	run := a.job.ID.Run()
	if run.IsZero() {
		return nil, false
	}
	for _, id := range ids {
		if id.Run() != run {
			return nil, false
		}
	}
	short, cancel := context.WithTimeout(ctx, peekTimeout)
	defer cancel()
	ends, err := a.w.b.Await(short, ids)
	if err != nil && ctx.Err() == nil && a.allEnded(ctx, ids) {
		ends, err = a.w.b.Await(ctx, ids) // it was the look that took so long
	}
	return ends, err == nil
}

// allEnded reports whether all jobs are known to have ended.
func (a *attempt) allEnded(ctx context.Context, ids []task.ID) bool {
	for some := range slices.Chunk(ids, peekedAtOnce) {
		records, err := a.w.b.Read(ctx, some)
		if err != nil || slices.ContainsFunc(records, func(r task.Record) bool { return !r.State.Terminal() }) {
			return false
		}
	}
	return true
}

// block gives the slot back and notes what the attempt waits for. An outage is
// waited for. Unless [attempt.goOn] follows, the attempt counts as blocked.
func (a *attempt) block(ctx context.Context, ids []task.ID) error {
	e := a.extra()
	e.edges.RLock()
	defer e.edges.RUnlock()
	a.w.pool.park(a)
	var p pause
	for {
		err := a.w.b.Block(ctx, a.job, ids)
		if errors.Is(err, task.ErrLeaseLost) {
			a.w.stop([]*attempt{a}, task.ErrLeaseLost)
		}
		if !errors.Is(err, task.ErrUnavailable) || a.w.deserted(err) {
			return err
		}
		a.w.complaints.about(ctx, "block", err)
		if !sleep(ctx, p.next(err)) {
			return ctx.Err()
		}
	}
}

// goOn ends one wait: when it was the last, the edges are removed and the slot
// is taken back, as soon as there is one. If ctx ends before, the attempt goes
// on without, and gets the slot all the same when its turn comes.
func (a *attempt) goOn(ctx context.Context) {
	if !a.w.pool.unpark(a) {
		return
	}
	a.unblock(ctx)
	resumed := a.w.pool.resume(a)
	if resumed == nil {
		return
	}
	select {
	case <-resumed:
	case <-ctx.Done():
	case <-a.ctx.Done():
	}
}

// unblock removes the edges, unless another goroutine of the attempt waits.
func (a *attempt) unblock(ctx context.Context) {
	e := a.extra()
	e.edges.Lock()
	defer e.edges.Unlock()
	if a.w.pool.waits(a) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unblockTimeout)
	defer cancel()
	if err := a.w.b.Unblock(ctx, a.job); err != nil && !errors.Is(err, task.ErrLeaseLost) {
		a.w.complaints.about(ctx, "unblock", err)
	}
}
