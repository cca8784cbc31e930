package brokertest

import (
	"slices"

	"github.com/gomlq/mlq/task"
)

var exitStories = stories{
	"ExitJobsAreReadyWhenTheRunHasEnded":   exits,
	"ExitJobsFollowEveryEnd":               exitsAnyway,
	"AnExitJobThatFailsLeavesTheRunAsItIs": exitFails,
	"AResumedRunHasExitJobsOfItsOwn":       exitsAgain,
}

// closing is abc with two jobs that follow its end.
func closing() task.Plan {
	p := abc()
	p.OnExit = []task.Call{call("g", "tell"), call("f", "clean")}
	return p
}

// exitsOf returns the exit jobs of a run, and asks that they are ready.
func (s *stage) exitsOf(id task.RunID, n int) []task.ID {
	s.Helper()
	r := s.run(id)
	if len(r.Exits) != n {
		s.Fatalf("the run, %v, has the exit jobs %v, want %d", r.State, r.Exits, n)
	}
	for _, x := range r.Exits {
		s.wantState(x, task.Ready)
	}
	return r.Exits
}

func exits(s *stage) {
	id := s.submit(closing())
	w := s.join()
	w.succeed(w.take(2)...)
	c := w.one()
	s.exitsOf(id, 0)
	w.idle("the run has not ended")
	waiting := s.awaiting(id)
	w.succeed(c)
	s.wantRun(id, task.Succeeded)
	if end := s.receive(waiting)[0]; end.State != task.Succeeded {
		s.Errorf("who waits for the run learns %+v", end)
	}
	want := s.exitsOf(id, 2)
	jobs := w.take(2)
	got := ids(jobs)
	slices.SortFunc(got, func(a, b task.ID) int { return a.Number() - b.Number() })
	wantEqual(s, "the exit jobs", got, want)
	for _, j := range jobs {
		if j.Parent != id || j.Attempt != 1 {
			s.Errorf("exit job %v is of %v, attempt %d; want %v, 1", j.ID, j.Parent, j.Attempt, id)
		}
	}
	w.succeed(jobs...)
	s.wantState(want[0], task.Succeeded)
	w.idle("they are posted once")
}

func exitsAnyway(s *stage) {
	failed, cancelled := s.submit(closing()), s.submit(closing())
	s.cancel(cancelled)
	s.wantRun(cancelled, task.Cancelled)
	s.exitsOf(cancelled, 2)
	w := s.join()
	for s.run(failed).State == task.Running {
		var done []task.Outcome
		for _, j := range w.claim(1) {
			v := task.Fail
			if j.Parent == cancelled {
				v = task.Succeed
			}
			done = append(done, outcome(j, v, ""))
		}
		w.end(done...)
	}
	s.wantRun(failed, task.Failed)
	s.exitsOf(failed, 2)
}

func exitFails(s *stage) {
	id := s.submit(closing())
	w := s.join()
	w.succeed(w.take(2)...)
	w.succeed(w.one())
	tell := s.exitsOf(id, 2)[0]
	for _, j := range w.take(2) {
		w.end(outcome(j, task.Fail, ""))
	}
	s.wantState(tell, task.Failed)
	s.wantRun(id, task.Succeeded)
}

func exitsAgain(s *stage) {
	id := s.submit(closing())
	s.cancel(id)
	first := s.exitsOf(id, 2)
	if state, err := s.b.Resume(s.ctx, id); err != nil || state != task.Running {
		s.Fatalf("Resume: %v, %v; want running", state, err)
	}
	s.exitsOf(id, 0)
	s.cancel(id)
	second := s.exitsOf(id, 2)
	for i := range first {
		if first[i] == second[i] {
			s.Errorf("both ends have exit job %v", first[i])
		}
		s.wantState(first[i], task.Ready)
	}
}
