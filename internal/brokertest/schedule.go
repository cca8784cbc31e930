package brokertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

// Schedules is how schedules are kept and fired.
type Schedules interface {
	PutSchedule(ctx context.Context, s task.Schedule) error
	KeepSchedules(ctx context.Context, ss []task.Schedule) error
	PauseSchedule(ctx context.Context, name string) error
	ResumeSchedule(ctx context.Context, name string) error
	DeleteSchedule(ctx context.Context, name string) error
	TriggerSchedule(ctx context.Context, name string) (task.ID, error)
	Schedules(ctx context.Context) ([]task.ScheduleRecord, error)
	Agenda(ctx context.Context, seen uint64) (task.Agenda, error)
	Fire(ctx context.Context, fs []task.Fire) (task.Fired, error)
}

var scheduleStories = stories{
	"ATimeHasOneJob":                          firesOnce,
	"ATimeHasOneJobHoweverManyFireIt":         firesOnceForMany,
	"ATimeThatIsPassedOverIsNotFired":         firesPass,
	"ATimeThatHasNotComeIsEarly":              firesEarly,
	"AJobOfAScheduleHasItsOptions":            firesWithOptions,
	"APausedScheduleIsNotFired":               pausedSchedule,
	"AChangedScheduleIsNotFiredAsItWas":       changedSchedule,
	"ATimeIsLeftOutWhileTheLastJobLives":      overlaps,
	"AScheduleIsTriggeredWhateverItSays":      triggers,
	"ADeletedScheduleIsGone":                  deletesSchedule,
	"WhatIsDeclaredAgainKeepsItsChanges":      declares,
	"SchedulesThatCannotBeKeptAreRefused":     refusesSchedules,
	"AnAgendaThatWasSeenIsNotRead":            seenAgenda,
	"AScheduleMadeAnewDoesNotFireWhatItFired": firesAfterDelete,
}

// rarely returns a schedule whose times do not come during a test, as a rule.
func rarely(name string) task.Schedule {
	return task.Schedule{Name: name, Every: task.MaxEvery, Call: call("f", name)}
}

func (s *stage) put(sc task.Schedule) {
	s.Helper()
	if err := s.b.PutSchedule(s.ctx, sc); err != nil {
		s.Fatalf("PutSchedule %q: %v", sc.Name, err)
	}
}

// scheduled returns what is known of a schedule.
func (s *stage) scheduled(name string) task.ScheduleRecord {
	s.Helper()
	rs, err := s.b.Schedules(s.ctx)
	if err != nil {
		s.Fatalf("Schedules: %v", err)
	}
	i := slices.IndexFunc(rs, func(r task.ScheduleRecord) bool { return r.Name == name })
	if i < 0 {
		s.Fatalf("there is no schedule %q among %+v", name, rs)
	}
	return rs[i]
}

// fireAt fires a schedule as r has it for the time that is ms after its mark then, once
// that has come, and returns the outcome and the job.
func (s *stage) fireAt(r task.ScheduleRecord, ms int) (task.FireOutcome, task.ID) {
	s.Helper()
	f := task.Fire{Schedule: r.Schedule, Revision: r.Revision, At: r.Mark.Add(time.Duration(ms) * time.Millisecond)}
	for {
		got, err := s.b.Fire(s.ctx, []task.Fire{f})
		if err != nil || len(got.Outcomes) != 1 || len(got.IDs) != 1 {
			s.Fatalf("Fire %v of %q: %+v, %v", f.At, r.Name, got, err)
		}
		if got.Outcomes[0] != task.FireEarly {
			return got.Outcomes[0], got.IDs[0]
		}
	}
}

// wantFire fires a time and asks for an outcome. It returns the job.
func (s *stage) wantFire(r task.ScheduleRecord, ms int, want task.FireOutcome) task.ID {
	s.Helper()
	got, id := s.fireAt(r, ms)
	if got != want {
		s.Fatalf("fired %d ms after its mark, %q is %v, want %v", ms, r.Name, got, want)
	}
	return id
}

func firesOnce(s *stage) {
	s.put(rarely("s"))
	r := s.scheduled("s")
	id := s.wantFire(r, 2, task.FirePosted)
	if again := s.wantFire(r, 2, task.FireDone); again != id {
		s.Errorf("fired again it would be job %v, want %v", again, id)
	}
	s.wantFire(r, 1, task.FireDone) // what was before it is over
	w := s.join()
	j := w.one()
	if name, at, ok := j.Fire(); j.ID != id || name != "s" || !at.Equal(r.Mark.Add(2*time.Millisecond)) || !ok {
		s.Errorf("the job is %v of %q at %v (%t)", j.ID, name, at, ok)
	}
	w.succeed(j)
	s.wantFire(r, 2, task.FireDone) // though its job has ended
	w.idle("the time was fired before")
	if got := s.scheduled("s"); !got.Mark.Equal(r.Mark.Add(2*time.Millisecond)) || !got.Last.Equal(got.Mark) || got.LastJob != id {
		s.Errorf("the schedule is %+v", got)
	}
}

func firesOnceForMany(s *stage) {
	const schedulers, times = 5, 40
	s.put(rarely("s"))
	r := s.scheduled("s")
	var fs []task.Fire
	for i := range times {
		fs = append(fs, task.Fire{Schedule: r.Schedule, Revision: r.Revision, At: r.Mark.Add(time.Duration(i+1) * time.Millisecond)})
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	posted := map[task.ID]int{}
	for range schedulers {
		wg.Go(func() {
			for left := fs; len(left) > 0; {
				got, err := s.b.Fire(s.ctx, left[:1])
				if err != nil {
					s.Errorf("Fire: %v", err)
					return
				}
				if got.Outcomes[0] == task.FireEarly {
					continue
				}
				if got.Outcomes[0] == task.FirePosted {
					mu.Lock()
					posted[got.IDs[0]]++
					mu.Unlock()
				}
				left = left[1:]
			}
		})
	}
	wg.Wait()
	w := s.join()
	jobs := w.take(times)
	w.idle("each time has one job")
	for id, n := range posted {
		if n != 1 {
			s.Errorf("job %v was posted %d times", id, n)
		}
	}
	if len(posted) != times {
		s.Errorf("%d times were posted, want %d", len(posted), times)
	}
	w.succeed(jobs...)
}

func firesPass(s *stage) {
	s.put(rarely("s"))
	r := s.scheduled("s")
	f := task.Fire{Schedule: r.Schedule, Revision: r.Revision, At: r.Mark.Add(2 * time.Millisecond), Pass: true}
	for o := task.FireEarly; o == task.FireEarly; {
		got, err := s.b.Fire(s.ctx, []task.Fire{f})
		if err != nil {
			s.Fatalf("Fire: %v", err)
		}
		if o = got.Outcomes[0]; o != task.FireEarly && (o != task.FirePosted || !got.IDs[0].IsZero()) {
			s.Errorf("passed over it is %v with job %v, want posted, without a job", o, got.IDs[0])
		}
	}
	s.wantFire(r, 1, task.FireDone)
	s.wantFire(r, 2, task.FireDone)
	if got := s.scheduled("s"); !got.Last.IsZero() || !got.LastJob.IsZero() {
		s.Errorf("nothing was posted, but the schedule is %+v", got)
	}
	s.join().idle("nothing was posted")
}

func firesEarly(s *stage) {
	s.put(rarely("s"))
	r := s.scheduled("s")
	got, err := s.b.Fire(s.ctx, []task.Fire{{Schedule: r.Schedule, Revision: r.Revision, At: r.Mark.Add(time.Hour)}})
	if err != nil || got.Outcomes[0] != task.FireEarly {
		s.Fatalf("fired an hour too early: %+v, %v", got, err)
	}
	if !got.Now.Before(r.Mark.Add(time.Hour)) || got.Now.Before(r.Mark) {
		s.Errorf("it was made at %v, and it is %v", r.Mark, got.Now)
	}
	if now := s.scheduled("s"); !now.Mark.Equal(r.Mark) {
		s.Errorf("its mark went from %v to %v", r.Mark, now.Mark)
	}
	s.join().idle("the time has not come")
}

func firesWithOptions(s *stage) {
	sc := rarely("s")
	sc.Call.Spec = task.Spec{
		Queue: "default", MaxAttempts: 3, Timeout: time.Minute, BackoffMin: time.Second, BackoffMax: time.Minute,
		Priority: task.High, Delay: time.Millisecond, Retention: time.Hour, Headers: map[string]string{"a": "b"},
	}
	s.put(sc)
	if got := s.scheduled("s"); got.Call.Spec.MaxAttempts != 3 || got.Call.Spec.Headers["a"] != "b" || got.Every != sc.Every || got.Next.Before(got.Mark) {
		s.Errorf("the schedule is kept as %+v", got)
	}
	id := s.wantFire(s.scheduled("s"), 1, task.FirePosted)
	w := s.join()
	j := w.one()
	want := sc.Call.Spec
	want.Headers = nil
	h := j.Spec.Headers
	if j.Spec.Headers = nil; j.ID != id || string(j.Payload.Bytes) != "s" || h["a"] != "b" || j.Spec.MaxAttempts != 3 ||
		j.Spec.Timeout != want.Timeout || j.Spec.Priority != want.Priority || j.Spec.BackoffMax != want.BackoffMax || j.ID.Class() != task.ClassFor(time.Hour) {
		s.Errorf("the job is %+v with headers %v, want %+v", j, h, want)
	}
	w.succeed(j)
}

func pausedSchedule(s *stage) {
	s.put(rarely("s"))
	r := s.scheduled("s")
	for range 2 { // the second time it is paused already
		if err := s.b.PauseSchedule(s.ctx, "s"); err != nil {
			s.Fatalf("PauseSchedule: %v", err)
		}
	}
	s.wantFire(r, 1, task.FireChanged)
	paused := s.scheduled("s")
	if !paused.Paused || !paused.Next.IsZero() {
		s.Errorf("the paused schedule is %+v", paused)
	}
	s.wantFire(paused, 1, task.FireChanged) // with its revision too
	if err := s.b.ResumeSchedule(s.ctx, "s"); err != nil {
		s.Fatalf("ResumeSchedule: %v", err)
	}
	on := s.scheduled("s")
	if on.Paused || !on.Mark.After(r.Mark) {
		s.Errorf("the resumed schedule is %+v, and was %+v", on, r)
	}
	on.Mark = r.Mark
	s.wantFire(on, 1, task.FireDone) // what would have fired meanwhile is not missed
	for what, err := range map[string]error{"Pause": s.b.PauseSchedule(s.ctx, "none"), "Resume": s.b.ResumeSchedule(s.ctx, "none")} {
		if !errors.Is(err, task.ErrUnknown) {
			s.Errorf("%s of a schedule that does not exist: %v, want ErrUnknown", what, err)
		}
	}
}

func changedSchedule(s *stage) {
	s.put(rarely("s"))
	r := s.scheduled("s")
	id := s.wantFire(r, 1, task.FirePosted)
	c := rarely("s")
	c.Call = call("f", "another")
	s.put(c)
	s.wantFire(r, 2, task.FireChanged)
	now := s.scheduled("s")
	if string(now.Call.Payload.Bytes) != "another" || !now.Mark.Equal(r.Mark.Add(time.Millisecond)) || now.LastJob != id {
		s.Errorf("the changed schedule is %+v, want its mark and last job as they were", now)
	}
	s.put(c) // the same again
	if same := s.scheduled("s"); same.Revision != now.Revision {
		s.Errorf("put as it was it has revision %d, and had %d", same.Revision, now.Revision)
	}
	c.Every /= 2
	s.wantFire(now, 1, task.FirePosted)
	s.put(c)
	if other := s.scheduled("s"); !other.Mark.After(now.Mark) || other.LastJob == id {
		s.Errorf("with other times its mark is %v and its last job %v, and they were %v and %v", other.Mark, other.LastJob, now.Mark, id)
	}
}

func overlaps(s *stage) {
	sc := rarely("s")
	sc.Overlap = task.OverlapSkip
	s.put(sc)
	r := s.scheduled("s")
	w := s.join()
	s.wantFire(r, 1, task.FirePosted)
	s.wantFire(r, 2, task.FireOverlap) // ready
	j := w.one()
	s.wantFire(r, 3, task.FireOverlap) // running
	s.wantFire(r, 3, task.FireDone)    // left out for good
	w.succeed(j)
	s.wantFire(r, 4, task.FirePosted)
	w.end(outcome(w.one(), task.Fail, "broken"))
	s.wantFire(r, 5, task.FirePosted) // a dead letter does not live
	if got := s.scheduled("s"); !got.Last.Equal(r.Mark.Add(5*time.Millisecond)) || !got.Mark.Equal(got.Last) {
		s.Errorf("the schedule is %+v", got)
	}
	sc.Overlap = task.OverlapAllow
	s.put(sc)
	r.Revision = s.scheduled("s").Revision
	r.Overlap = task.OverlapAllow
	s.wantFire(r, 6, task.FirePosted)
	w.succeed(w.take(2)...)
}

func triggers(s *stage) {
	sc := rarely("s")
	sc.Overlap = task.OverlapSkip
	s.put(sc)
	if err := s.b.PauseSchedule(s.ctx, "s"); err != nil {
		s.Fatalf("PauseSchedule: %v", err)
	}
	before := s.scheduled("s")
	var ids []task.ID
	for range 2 {
		id, err := s.b.TriggerSchedule(s.ctx, "s")
		if err != nil {
			s.Fatalf("TriggerSchedule: %v", err)
		}
		ids = append(ids, id)
	}
	if err := s.b.ResumeSchedule(s.ctx, "s"); err != nil {
		s.Fatalf("ResumeSchedule: %v", err)
	}
	after := s.scheduled("s")
	if !after.Last.IsZero() || after.LastJob != ids[1] || after.Mark.Before(before.Mark) {
		s.Errorf("the schedule was %+v, and is %+v", before, after)
	}
	s.wantFire(after, 1, task.FireOverlap)
	w := s.join()
	for _, j := range w.take(2) {
		if name, _, ok := j.Fire(); !slices.Contains(ids, j.ID) || name != "s" || !ok {
			s.Errorf("a job is %v of %q, want one of %v", j.ID, name, ids)
		}
		w.succeed(j)
	}
	if _, err := s.b.TriggerSchedule(s.ctx, "none"); !errors.Is(err, task.ErrUnknown) {
		s.Errorf("TriggerSchedule of none: %v, want ErrUnknown", err)
	}
}

func deletesSchedule(s *stage) {
	s.put(rarely("s"))
	r := s.scheduled("s")
	for range 2 {
		if err := s.b.DeleteSchedule(s.ctx, "s"); err != nil {
			s.Fatalf("DeleteSchedule: %v", err)
		}
	}
	s.wantFire(r, 1, task.FireChanged)
	if rs, err := s.b.Schedules(s.ctx); err != nil || len(rs) != 0 {
		s.Errorf("Schedules: %+v, %v; want none", rs, err)
	}
	s.join().idle("the schedule was deleted")
}

func firesAfterDelete(s *stage) {
	s.put(rarely("s"))
	r := s.scheduled("s")
	s.wantFire(r, 1, task.FirePosted)
	if err := s.b.DeleteSchedule(s.ctx, "s"); err != nil {
		s.Fatalf("DeleteSchedule: %v", err)
	}
	s.put(rarely("s"))
	again := s.scheduled("s")
	again.Mark = r.Mark
	s.wantFire(again, 1, task.FireDone)
}

func declares(s *stage) {
	keep := func(ss ...task.Schedule) {
		s.Helper()
		if err := s.b.KeepSchedules(s.ctx, ss); err != nil {
			s.Fatalf("KeepSchedules: %v", err)
		}
	}
	code := rarely("s")
	keep(code, rarely("t"))
	first := s.scheduled("s")
	if err := s.b.PauseSchedule(s.ctx, "s"); err != nil {
		s.Fatalf("PauseSchedule: %v", err)
	}
	edited := code
	edited.Every /= 2
	s.put(edited)
	keep(code, rarely("t")) // the program is started again
	if got := s.scheduled("s"); got.Every != edited.Every || !got.Paused {
		s.Errorf("declared as before the schedule is %+v, want it as it was put", got)
	}
	code.Every /= 4
	keep(code) // with other code
	if got := s.scheduled("s"); got.Every != code.Every || !got.Paused || got.Mark.Before(first.Mark) {
		s.Errorf("declared anew the schedule is %+v, want it so, and paused", got)
	}
	if rs, err := s.b.Schedules(s.ctx); err != nil || len(rs) != 2 {
		s.Errorf("Schedules: %+v, %v; want two", rs, err)
	}
}

func refusesSchedules(s *stage) {
	large := rarely("large")
	large.Call.Payload.Bytes = make([]byte, task.MaxScheduleBytes)
	if err := s.b.PutSchedule(s.ctx, large); !errors.Is(err, task.ErrTooLarge) {
		s.Errorf("PutSchedule with a large input: %v, want ErrTooLarge", err)
	}
	bad := rarely("bad")
	bad.Every, bad.Cron = 0, "61 * * * *"
	if err := s.b.PutSchedule(s.ctx, bad); !errors.Is(err, task.ErrInvalid) {
		s.Errorf("PutSchedule with minute 61: %v, want ErrInvalid", err)
	}
	if err := s.b.KeepSchedules(s.ctx, []task.Schedule{rarely("good"), bad}); !errors.Is(err, task.ErrInvalid) {
		s.Errorf("KeepSchedules with minute 61: %v, want ErrInvalid", err)
	}
	many := make([]task.Schedule, task.MaxSchedules)
	for i := range many {
		many[i] = rarely("s" + task.NewID(0, 0, 0, 0, uint32(i), 0).String())
	}
	if err := s.b.KeepSchedules(s.ctx, many); err != nil {
		s.Errorf("KeepSchedules of %d: %v", len(many), err)
	}
	if err := s.b.PutSchedule(s.ctx, rarely("more")); !errors.Is(err, task.ErrTooLarge) {
		s.Errorf("PutSchedule of one more: %v, want ErrTooLarge", err)
	}
	if err := s.b.PutSchedule(s.ctx, many[7]); err != nil {
		s.Errorf("PutSchedule of one that is there: %v", err)
	}
	if rs, err := s.b.Schedules(s.ctx); err != nil || len(rs) != task.MaxSchedules {
		s.Errorf("there are %d schedules, %v; want %d", len(rs), err, task.MaxSchedules)
	}
}

func seenAgenda(s *stage) {
	s.put(rarely("s"))
	look := func(seen uint64) task.Agenda {
		s.Helper()
		a, err := s.b.Agenda(s.ctx, seen)
		if err != nil {
			s.Fatalf("Agenda: %v", err)
		}
		return a
	}
	first := look(0)
	if len(first.Schedules) != 1 || first.Version == 0 || first.Fault != nil {
		s.Fatalf("the first look brings %+v", first)
	}
	if a := look(first.Version); a.Schedules != nil || a.Version != first.Version || a.Now.Before(first.Now) {
		s.Errorf("a look at what was seen brings %+v", a)
	}
	s.wantFire(first.Schedules[0], 1, task.FirePosted)
	if a := look(first.Version); a.Schedules != nil {
		s.Errorf("a fire is no change, but a look brings %+v", a)
	}
	if err := s.b.DeleteSchedule(s.ctx, "s"); err != nil {
		s.Fatalf("DeleteSchedule: %v", err)
	}
	if a := look(first.Version); a.Schedules == nil || len(a.Schedules) != 0 || a.Version <= first.Version {
		s.Errorf("after the deletion of all a look brings %+v", a)
	}
}
