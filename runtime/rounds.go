package runtime

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlq/mlq/internal/timetable"
	"github.com/gomlq/mlq/task"
)

// rounds is a scheduler that runs. In each round it looks at the schedules if it is time
// to, fires what has come, and says when the next round is.
type rounds struct {
	*Scheduler
	complaints complaints

	kept    bool      // the schedules of the program are declared
	version uint64    // of the schedules that it knows, 0 for none
	looked  time.Time // when, by this machine's clock; zero to look at once
	entries []*entry

	clock time.Time // the broker's,
	heard time.Time // when this machine's clock was at that
}

// entry is a schedule that is not paused.
type entry struct {
	task.ScheduleRecord
	table timetable.Table
	next  time.Time // before it there is nothing to do; zero if that is not known
	gone  bool      // it was changed: not fired until it was looked at again
}

// recheck is how soon it is looked again once a fire was refused because its schedule
// was changed: soon, but with a pause, should that be damage.
const recheck = 50 * time.Millisecond

// now is the broker's time. Where this machine's clock stands does not matter, only that
// it goes.
func (r *rounds) now() time.Time { return r.clock.Add(time.Since(r.heard)) }

// hear sets the clock.
func (r *rounds) hear(now time.Time) { r.clock, r.heard = now, time.Now() }

// round does one round, and returns how long to wait for the next.
func (r *rounds) round(ctx context.Context) (time.Duration, error) {
	if !r.kept && len(r.own) > 0 {
		if err := r.b.KeepSchedules(ctx, r.own); err != nil {
			return 0, err
		}
	}
	r.kept = true
	if time.Since(r.looked) >= r.cfg.Look {
		if err := r.look(ctx); err != nil || !r.kept {
			return 0, err
		}
	}
	fires, of, next := r.due(r.now())
	for from := 0; from < len(fires); from += fireBatch {
		to := min(from+fireBatch, len(fires))
		if err := r.fire(ctx, fires[from:to], of[from:to]); err != nil {
			return 0, err
		}
	}
	if len(fires) > 0 {
		return 0, ctx.Err() // which took a while: more may have come
	}
	wait := r.cfg.Look - time.Since(r.looked)
	if !next.IsZero() {
		wait = min(wait, next.Sub(r.now()))
	}
	return max(wait, 0), ctx.Err()
}

// fireBatch is how many times are fired in one call: some 1 ms of Redis' time.
const fireBatch = 100

// look reads the schedules, if they were changed.
func (r *rounds) look(ctx context.Context) error {
	a, err := r.b.Agenda(ctx, r.version)
	if err != nil {
		return err
	}
	r.hear(a.Now)
	r.looked = r.heard
	if a.Version < r.version {
		r.cfg.Logger.Warn("the broker has lost schedules; declaring those of this program again")
		r.kept, r.version, r.looked = false, 0, time.Time{}
		return nil
	}
	if a.Schedules == nil {
		return nil
	}
	if a.Fault != nil {
		r.complaints.about(ctx, "read schedules", a.Fault)
	}
	r.version, r.entries = a.Version, r.entries[:0]
	for _, rec := range a.Schedules {
		if rec.Paused {
			continue
		}
		t, err := timetable.New(rec.Schedule)
		if err != nil { // a zone that this machine lacks, or what a later version has put
			r.complaints.about(ctx, "read schedule "+rec.Name, err)
			continue
		}
		r.entries = append(r.entries, &entry{ScheduleRecord: rec, table: t})
	}
	return nil
}

// due returns what is to be fired at now, of which entries, and when to look again,
// zero if there is nothing to wait for.
func (r *rounds) due(now time.Time) (fires []task.Fire, of []*entry, next time.Time) {
	for _, e := range r.entries {
		if e.gone {
			continue
		}
		if !now.Before(e.next) {
			var times []time.Time
			var pass time.Time
			times, pass, e.next = due(e.table, e.CatchUp, e.Mark, now)
			if !pass.IsZero() {
				fires, of = append(fires, task.Fire{Schedule: e.Schedule, Revision: e.Revision, At: pass, Pass: true}), append(of, e)
			}
			for _, at := range times {
				fires, of = append(fires, task.Fire{Schedule: e.Schedule, Revision: e.Revision, At: at}), append(of, e)
			}
		}
		if next.IsZero() || !e.next.IsZero() && e.next.Before(next) {
			next = e.next
		}
	}
	return fires, of, next
}

// fire fires, and notes what became of it.
func (r *rounds) fire(ctx context.Context, fires []task.Fire, of []*entry) error {
	got, err := r.b.Fire(ctx, fires)
	if err != nil {
		for _, e := range of {
			e.next = time.Time{} // fired or not
		}
		return err
	}
	if len(got.Outcomes) != len(fires) || len(got.IDs) != len(fires) {
		return fmt.Errorf("%w: %d outcomes for %d times", task.ErrDamaged, len(got.Outcomes), len(fires))
	}
	r.hear(got.Now)
	if got.Version != r.version {
		r.looked = time.Time{}
	}
	for i, o := range got.Outcomes {
		e, f := of[i], fires[i]
		e.next = time.Time{}
		switch o {
		case task.FirePosted, task.FireDone, task.FireOverlap:
			if f.At.After(e.Mark) {
				e.Mark = f.At
			}
		case task.FireChanged:
			e.gone, r.version = true, 0
			r.looked = time.Now().Add(recheck - r.cfg.Look)
		default: // it was early: the clock was set
		}
		r.tell(f, o, got.IDs[i], got.Now)
	}
	return nil
}

// tell tells the observer of a time that this scheduler was first with.
func (r *rounds) tell(f task.Fire, o task.FireOutcome, id task.ID, now time.Time) {
	if o != task.FirePosted && o != task.FireOverlap {
		return
	}
	if f.Pass {
		r.cfg.Logger.Warn("times of a schedule were missed", "schedule", f.Schedule.Name, "until", f.At)
	}
	if r.cfg.Observe != nil {
		r.cfg.Observe(Firing{Schedule: f.Schedule.Name, At: f.At, Late: now.Sub(f.At), Outcome: o, Job: id, Missed: f.Pass})
	}
}
