package brokertest

import (
	"slices"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

var cancelStories = stories{
	"AReadyJobNeverStarts":                     cancelReady,
	"AScheduledJobNeverStarts":                 cancelScheduled,
	"AJobThatWaitsForItsRetryNeverStarts":      cancelRetry,
	"ARunningJobIsCancelledAndItsOutcomeLost":  cancelRunning,
	"TheOwnerIsToldAtOnce":                     cancelTold,
	"AFinishedJobKeepsItsState":                cancelFinished,
	"ASecondCancelChangesNothing":              cancelTwice,
	"WhoWaitsLearnsOfIt":                       cancelAwaited,
	"AReleasedAndClaimedAgainJobIsCancelled":   cancelReclaimed,
	"ACancelAmongManyJobsHitsOne":              cancelOne,
	"ABeatTellsOfACancelledAttemptUntilItEnds": cancelBeats,
	"ASuspectIsCancelled":                      cancelSuspect,
}

func cancelReady(s *stage) {
	id := s.post(call("f", ""))[0]
	if got := s.cancel(id); got != task.Cancelled {
		s.Errorf("Cancel returned %v", got)
	}
	s.join().idle("the job was cancelled")
	s.ticks(1)
	s.join().idle("the job was cancelled")
	if r := s.read(id); r.State != task.Cancelled || r.Finished.IsZero() || !r.Started.IsZero() || r.Worker != "" {
		s.Errorf("the record is %+v", r)
	}
}

func cancelScheduled(s *stage) {
	c := call("f", "")
	c.Spec.Delay = time.Millisecond
	id := s.post(c)[0]
	if got := s.cancel(id); got != task.Cancelled {
		s.Errorf("Cancel returned %v", got)
	}
	s.ticks(2)
	s.join().idle("the job was cancelled before its time")
	s.wantState(id, task.Cancelled)
}

func cancelRetry(s *stage) {
	id := s.post(call("f", ""))[0]
	w := s.join()
	o := outcome(w.one(), task.Retry, "x")
	o.Delay = time.Millisecond
	w.end(o)
	s.cancel(id)
	s.ticks(2)
	w.idle("the job was cancelled")
	if r := s.read(id); r.State != task.Cancelled || len(r.Failures) != 1 {
		s.Errorf("the record is %+v, want it cancelled after one failure", r)
	}
}

func cancelRunning(s *stage) {
	id := s.post(call("f", ""))[0]
	w := s.join()
	j := w.one()
	if got := s.cancel(id); got != task.Cancelled {
		s.Errorf("Cancel returned %v", got)
	}
	r := s.read(id)
	if r.State != task.Cancelled || r.Finished.IsZero() || r.Started.IsZero() || r.Worker == "" {
		s.Errorf("at once the record is %+v, want it cancelled, with its attempt", r)
	}
	revoked, err := s.b.Beat(s.ctx, w.id)
	if err != nil || !slices.Contains(revoked, j.Lease) {
		s.Errorf("Beat: %v, %v; want it to tell of %v", revoked, err, id)
	}
	err = s.b.Note(s.ctx, j.Lease, task.Note{})
	s.wantErr(err, task.ErrLeaseLost, "Note of a cancelled attempt")
	wantEqual(s, "lost", w.report(success(j, "too late")), []task.ID{id})
	s.wantState(id, task.Cancelled)
	s.ticks(1)
	w.idle("the job was cancelled")
}

func cancelTold(s *stage) {
	w := s.join()
	w.hears(task.SignalRevoked, func() task.ID {
		s.post(call("f", ""))
		j := w.one()
		s.cancel(j.ID)
		return j.ID
	})
}

func cancelBeats(s *stage) {
	ids := s.post(s.in(0, calls("f", 3)...)...)
	w := s.join()
	jobs := w.exchange(0, task.Exchange{Want: 3}).Jobs
	for n, id := range ids {
		s.cancel(id)
		revoked, err := s.b.Beat(s.ctx, w.id)
		if err != nil {
			s.Fatalf("Beat: %v", err)
		}
		for _, j := range jobs[:n+1] {
			if !slices.Contains(revoked, j.Lease) {
				s.Errorf("after %d cancellations Beat tells of %v, not of %v", n+1, revoked, j.Lease)
			}
		}
	}
	if revoked, err := s.b.Beat(s.ctx, s.join().id); err != nil || len(revoked) != 0 {
		s.Errorf("another session's Beat tells of %v (%v), want none", revoked, err)
	}
}

func cancelFinished(s *stage) {
	w := s.join()
	for v, want := range map[task.Verdict]task.State{
		task.Succeed: task.Succeeded, task.Fail: task.Failed, task.SkipJob: task.Skipped, task.CancelJob: task.Cancelled,
	} {
		id := s.post(call("f", ""))[0]
		w.end(outcome(w.one(), v, ""))
		before := s.read(id)
		if got := s.cancel(id); got != want {
			s.Errorf("Cancel of a job that is %v returned %v", want, got)
		}
		if after := s.read(id); after.State != want || !after.Finished.Equal(before.Finished) {
			s.Errorf("Cancel made %v of %v", after.State, before.State)
		}
	}
}

func cancelTwice(s *stage) {
	id := s.post(call("f", ""))[0]
	s.cancel(id)
	before := s.read(id)
	if got := s.cancel(id); got != task.Cancelled {
		s.Errorf("the second Cancel returned %v", got)
	}
	if after := s.read(id); !after.Finished.Equal(before.Finished) {
		s.Errorf("the second Cancel moved the end from %v to %v", before.Finished, after.Finished)
	}
}

func cancelAwaited(s *stage) {
	ids := s.post(calls("f", 2)...)
	waiting := s.awaiting(ids...)
	w := s.join()
	w.claim(1)
	s.cancel(ids[0])
	s.cancel(ids[1])
	for _, end := range s.receive(waiting) {
		if end.State != task.Cancelled {
			s.Errorf("who waited learnt %+v", end)
		}
		s.wantErr(end.Err(), task.ErrCancelled, "the end")
	}
}

func cancelReclaimed(s *stage) {
	id := s.post(call("f", ""))[0]
	first, second := s.join(), s.join()
	first.end(outcome(first.one(), task.Release, ""))
	j := second.one()
	s.cancel(id)
	wantEqual(s, "lost", second.report(success(j, "")), []task.ID{id})
	if revoked, err := s.b.Beat(s.ctx, first.id); err != nil || len(revoked) != 0 {
		s.Errorf("the former owner's Beat tells of %v (%v), want none", revoked, err)
	}
}

func cancelOne(s *stage) {
	ids := s.post(calls("f", 50)...)
	s.cancel(ids[25])
	w := s.join()
	var jobs []task.Job
	redistest.Eventually(s.T, patience, func() bool {
		jobs = append(jobs, w.claim(50)...)
		return len(jobs) >= 49
	}, "the others are claimed")
	for _, j := range jobs {
		if j.ID == ids[25] {
			s.Errorf("the cancelled job was claimed")
		}
	}
	w.succeed(jobs...)
	w.idle("49 jobs were left")
}

func cancelSuspect(s *stage) {
	id := s.suspect(call("f", ""))
	s.cancel(id)
	s.join().idle("the suspect was cancelled")
	s.post(call("f", "next"))
	if j := s.join().one(); string(j.Payload.Bytes) != "next" {
		s.Errorf("claimed %q", j.Payload.Bytes)
	}
}
