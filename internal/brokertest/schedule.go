package brokertest

import (
	"context"
	"errors"
	"slices"
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
	"APausedScheduleIsNotFired":           pausedSchedule,
	"AChangedScheduleIsNotFiredAsItWas":   changedSchedule,
	"ADeletedScheduleIsGone":              deletesSchedule,
	"WhatIsDeclaredAgainKeepsItsChanges":  declares,
	"SchedulesThatCannotBeKeptAreRefused": refusesSchedules,
	"AnAgendaThatWasSeenIsNotRead":        seenAgenda,
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
	if other := s.scheduled("t"); other.Revision > first.Revision+1 {
		s.Errorf("the schedule that nobody has changed is %+v", other)
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
