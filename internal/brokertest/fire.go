package brokertest

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

var fireStories = stories{
	"ATimeHasOneJob":                          firesOnce,
	"ATimeHasOneJobHoweverManyFireIt":         firesOnceForMany,
	"ATimeThatIsPassedOverIsNotFired":         firesPass,
	"ATimeThatHasNotComeIsEarly":              firesEarly,
	"AJobOfAScheduleHasItsOptions":            firesWithOptions,
	"ATimeIsLeftOutWhileTheLastJobLives":      overlaps,
	"AScheduleIsTriggeredWhateverItSays":      triggers,
	"AScheduleMadeAnewDoesNotFireWhatItFired": firesAfterDelete,
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
	sc.StartWithin = time.Hour
	s.put(sc)
	if got := s.scheduled("s"); got.StartWithin != time.Hour || got.Call.Spec.MaxAttempts != 3 || got.Call.Spec.Headers["a"] != "b" || got.Every != sc.Every || got.Next.Before(got.Mark) {
		s.Errorf("the schedule is kept as %+v", got)
	}
	id := s.wantFire(s.scheduled("s"), 1, task.FirePosted)
	w := s.join()
	j := w.one()
	want := sc.Call.Spec
	want.Headers = nil
	h := j.Spec.Headers
	if j.Spec.Headers = nil; j.ID != id || string(j.Payload.Bytes) != "s" || h["a"] != "b" || j.Spec.MaxAttempts != 3 ||
		j.Spec.Timeout != want.Timeout || j.Spec.Priority != want.Priority || j.Spec.BackoffMax != want.BackoffMax || !j.Spec.Deadline.Equal(s.scheduled("s").Last.Add(time.Hour)) || j.ID.Class() != task.ClassFor(time.Hour) {
		s.Errorf("the job is %+v with headers %v, want %+v", j, h, want)
	}
	w.succeed(j)
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
