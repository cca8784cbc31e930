package runtime

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gomlq/mlq/task"
)

// Exchange implements [Leases], and notes what a worker must not do.
func (f *fake) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	for i, o := range x.Done {
		if f.maxResult > 0 && len(o.Result.Bytes) > f.maxResult {
			return task.Exchanged{}, &task.OutcomeError{Index: i, Err: task.ErrTooLarge}
		}
	}
	done := slices.Clone(x.Done)
	var got task.Exchanged
	var rings []func()
	err := f.call(ctx, "exchange", func() error {
		x.Done = done
		f.exchanges = append(f.exchanges, x)
		s := f.sessions[x.Session]
		if s == nil {
			return task.ErrGone
		}
		again, err := f.number(s, x)
		if err != nil {
			return err
		}
		if again {
			got = s.answer[lane(x)]
			return nil
		}
		got, rings = f.exchange(s, x)
		kept := got
		kept.Jobs = slices.Clone(got.Jobs) // the caller may use those for other things
		s.answer[lane(x)] = kept
		return nil
	})
	for _, ring := range rings {
		ring()
	}
	got.Jobs = slices.Clone(got.Jobs)
	return got, err
}

// lane numbers the fetchers of a session.
func lane(x task.Exchange) int { return x.Partition*task.MaxFetchers + x.Fetcher }

// number checks the number of x, and that a repeated exchange is unchanged.
func (f *fake) number(s *fakeSession, x task.Exchange) (again bool, err error) {
	if len(x.Done) > task.MaxDone || x.Want > task.MaxWant || x.Want < 0 || x.Held < 0 {
		f.problemf("exchange out of bounds: %d done, want %d, held %d", len(x.Done), x.Want, x.Held)
	}
	var leases []task.Lease
	for _, o := range x.Done {
		leases = append(leases, o.Lease)
	}
	switch last := s.last[lane(x)]; x.Number {
	case last:
		if !slices.Equal(leases, s.sent[lane(x)]) {
			f.problemf("exchange %d was repeated with other outcomes", x.Number)
		}
		return true, nil
	case last + 1:
		s.last[lane(x)], s.sent[lane(x)] = x.Number, leases
		return false, nil
	default:
		f.problemf("exchange %d follows %d", x.Number, last)
		return false, task.ErrInvalid
	}
}

func (f *fake) exchange(s *fakeSession, x task.Exchange) (got task.Exchanged, rings []func()) {
	for _, o := range x.Done {
		j := f.jobs[o.Lease.ID]
		if j.owner != o.Lease.Session || j.Lease.Epoch != o.Lease.Epoch || j.state != task.Running {
			got.Lost = append(got.Lost, j.ID)
			continue
		}
		rings = append(rings, f.apply(j, o))
	}
	p := x.Partition
	for len(got.Jobs) < x.Want && len(f.pend[p]) > 0 {
		j, ok := f.claim(x, len(got.Jobs) == 0)
		if !ok {
			break
		}
		got.Jobs = append(got.Jobs, j.Job)
		if j.Alone {
			break
		}
	}
	got.More = len(f.pend[p]) > 0 && len(got.Jobs) == x.Want
	s.idle[p] = x.Want > 0 && len(got.Jobs) < x.Want
	if got.More {
		rings = append(rings, f.ring(p))
	}
	held := 0
	for _, j := range f.jobs {
		if j.state == task.Running && j.owner == x.Session {
			held++
		}
	}
	held -= len(got.Jobs)
	if f.partitions == 1 && len(s.revoked) == 0 {
		const format = "exchange %d says it holds %d, but %d it is"
		switch {
		case x.Held > held && f.calls["join"] <= 1: // attempts of a former session count as long as they run
			f.problemf(format, x.Number, x.Held, held)
		case x.Held < held: // blocked ones do not count, and the worker gives their slots back before it says so
			f.unlessBlocked = append(f.unlessBlocked, fmt.Sprintf(format, x.Number, x.Held, held))
		}
	}
	if f.onExchange != nil {
		f.onExchange(x, &got)
	}
	return got, rings
}

// claim takes the next job of x's partition that x may have; a suspect only as
// the first.
func (f *fake) claim(x task.Exchange, first bool) (*fakeJob, bool) {
	p := x.Partition
	for i, id := range f.pend[p] {
		j := f.jobs[id]
		if j.state != task.Ready {
			continue
		}
		if x.Children && j.Parent.IsZero() || j.Alone && (x.Held > 0 || !first) {
			continue
		}
		f.pend[p] = slices.Delete(f.pend[p], i, i+1)
		j.state, j.owner = task.Running, x.Session
		j.Attempt++
		j.Lease = task.Lease{ID: id, Session: x.Session, Epoch: j.Lease.Epoch}
		return j, true
	}
	return nil, false
}

// apply moves j as o says and returns the bell to ring.
func (f *fake) apply(j *fakeJob, o task.Outcome) func() {
	j.outcomes = append(j.outcomes, o)
	if o.Failure.Kind != "" {
		j.fails = append(j.fails, o.Failure)
	}
	switch o.Verdict {
	case task.Succeed:
		f.finish(j, task.Succeeded, o)
	case task.Fail:
		f.finish(j, task.Failed, o)
	case task.CancelJob:
		f.finish(j, task.Cancelled, o)
	case task.SkipJob:
		f.finish(j, task.Skipped, o)
	case task.Retry, task.Postpone:
		if o.Verdict == task.Postpone {
			j.Attempt--
		}
		j.Lease.Epoch++
		j.state, j.owner, j.due = task.Scheduled, task.SessionID{}, time.Now().Add(o.Delay)
	case task.Release:
		j.Attempt--
		j.Lease.Epoch++
		return f.ready(j, true)
	default:
		f.problemf("an outcome of %v has verdict %v", j.ID, o.Verdict)
	}
	return func() {}
}
