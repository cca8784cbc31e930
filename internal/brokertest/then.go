package brokertest

import (
	"github.com/gomlq/mlq/task"
)

var thenStories = stories{
	"AFollowerIsPostedWithItsOutcome":          follows,
	"AFollowerOfALostOutcomeIsNotPosted":       followsLost,
	"AFollowerOfARepeatedExchangeIsPostedOnce": followsOnce,
	"AFollowerIsNotPostedBeforeTheEnd":         followsEnd,
	"EachTerminalOutcomeHasItsOwnFollowers":    followsEach,
}

// with returns o with followers of those payloads.
func with(o task.Outcome, texts ...string) task.Outcome {
	for _, text := range texts {
		o.Then = append(o.Then, call("g", text))
	}
	return o
}

func follows(s *stage) {
	s.post(call("f", ""))
	w := s.join()
	o := with(success(w.one(), "r"), "callback")
	o.Then[0].Spec.Priority = task.High
	w.end(o)
	j := w.one()
	if string(j.Payload.Bytes) != "callback" || j.Spec.Priority != task.High || j.ID != o.Then[0].ID {
		s.Errorf("claimed %q as %v, want the follower %v", j.Payload.Bytes, j.ID, o.Then[0].ID)
	}
	w.succeed(j)
	s.wantState(j.ID, task.Succeeded)
}

func followsLost(s *stage) {
	s.post(call("f", ""))
	w := s.join()
	j := w.one()
	s.cancel(j.ID)
	wantEqual(s, "lost", w.report(with(success(j, ""), "callback")), []task.ID{j.ID})
	w.idle("the outcome was refused")
}

func followsOnce(s *stage) {
	s.post(s.in(0, call("f", ""))...)
	w := s.join()
	x := w.next(0, task.Exchange{Done: []task.Outcome{with(success(w.one(), ""), "a", "b")}})
	for range 3 {
		if _, err := w.try(x); err != nil {
			s.Fatalf("Exchange: %v", err)
		}
	}
	wantEqual(s, "followers", payloads(w.take(2)), []string{"a", "b"})
	w.idle("two were posted")
}

func followsEnd(s *stage) {
	s.post(call("f", ""))
	w := s.join()
	for _, v := range []task.Verdict{task.Retry, task.Release, task.Postpone} {
		w.end(with(outcome(w.one(), v, ""), v.String()))
	}
	j := w.one()
	if j.Functions[0] != "f" {
		s.Fatalf("claimed follower %q of an outcome that ended nothing", j.Payload.Bytes)
	}
	w.idle("the job has not ended")
	w.end(with(outcome(j, task.Fail, "x"), "end"))
	wantEqual(s, "followers", payloads(w.take(1)), []string{"end"})
}

func followsEach(s *stage) {
	s.post(s.in(0, calls("f", 4)...)...)
	w := s.join()
	jobs := w.exchange(0, task.Exchange{Want: 9}).Jobs
	jobs[1].Lease.Epoch++
	lost := w.exchange(0, task.Exchange{Done: []task.Outcome{
		with(success(jobs[0], ""), "0a", "0b"),
		with(success(jobs[1], ""), "1"),
		with(outcome(jobs[2], task.CancelJob, ""), "2"),
		with(outcome(jobs[3], task.SkipJob, ""), "3"),
	}}).Lost
	wantEqual(s, "lost", lost, []task.ID{jobs[1].ID})
	wantEqual(s, "followers", payloads(w.exchange(0, task.Exchange{Want: 9}).Jobs), []string{"0a", "0b", "2", "3"})
}
