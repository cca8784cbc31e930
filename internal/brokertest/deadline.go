package brokertest

import (
	"errors"
	"time"

	"github.com/gomlq/mlq/task"
)

var deadlineStories = stories{
	"AJobThatIsClaimedTooLateSaysSo":          claimedLate,
	"AJobThatIsClaimedInTimeKeepsItsDeadline": claimedInTime,
}

// beginBy returns a call that may begin until a time.
func beginBy(at time.Time) task.Call {
	c := call("f", "")
	c.Spec.Deadline = at
	return c
}

func claimedLate(s *stage) {
	id := s.post(beginBy(time.Now().Add(-time.Hour)))[0]
	w := s.join()
	j := w.one()
	if j.ID != id || !errors.Is(j.Fault, task.ErrLate) {
		s.Fatalf("claimed %v with fault %v, want %v with ErrLate", j.ID, j.Fault, id)
	}
	w.end(task.Outcome{Lease: j.Lease, Verdict: task.SkipJob, Failure: task.Failure{Attempt: 1, Kind: task.FailureLate, Message: j.Fault.Error()}})
	if r := s.read(id); r.State != task.Skipped || len(r.Failures) != 1 || r.Failures[0].Kind != task.FailureLate {
		s.Errorf("the record is %+v", r)
	}
}

func claimedInTime(s *stage) {
	at := time.Now().Add(time.Hour)
	id := s.post(beginBy(at))[0]
	w := s.join()
	j := w.one()
	if j.ID != id || j.Fault != nil || j.Spec.Deadline.UnixMilli() != at.UnixMilli() {
		s.Errorf("claimed %v with fault %v and deadline %v, want %v with none and %v", j.ID, j.Fault, j.Spec.Deadline, id, at)
	}
	w.succeed(j)
	if r := s.read(id); r.Spec.Deadline.UnixMilli() != at.UnixMilli() {
		s.Errorf("the record has deadline %v, want %v", r.Spec.Deadline, at)
	}
}
