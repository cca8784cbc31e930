package brokertest

import (
	"fmt"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

var edgeStories = stories{
	"AFailureStopsTheRun":                           failsFast,
	"AFailureThatAllChildrenTakeStopsNothing":       failureTaken,
	"AFailureThatOneChildDoesNotTakeStopsTheRun":    failureNotTaken,
	"ASkippedParentIsTakenByWhoCan":                 skipTaken,
	"AConditionDecidesWhichChildRuns":               conditions,
	"AConditionThatIsNoBoolRunsNeither":             noCondition,
	"WhoIsContentWithTwoStartsWithTheSecond":        atLeast,
	"WhoCannotHaveEnoughIsSkipped":                  tooFew,
	"ARunThatTakesTooLongFails":                     deadline,
	"ARunThatEndsInTimeHasNoDeadlineAnyMore":        inTime,
	"ALargePlanComesInParts":                        parts,
	"ARetryOfAStoppedRunDoesNotStart":               stoppedRetry,
	"AFailedRunGoesOnFromWhereItWas":                resumed,
	"ACancelledRunGoesOn":                           resumedAfterCancel,
	"ARunThatSucceededIsNotResumed":                 resumedInVain,
	"LaterStagesGoBeforeSiblingsThatHaveNotStarted": depthFirst,
}

// edge returns node fn of a plan, whose payload is its name, after others.
func edge(fn, name string, parents ...task.Edge) task.Node {
	return task.Node{Call: call(fn, name), Name: name, Parents: parents}
}

func accept(from int, a task.Accept) task.Edge { return task.Edge{From: from, Accept: a} }

// truth is an end with a result that a condition can be made of.
func truth(j task.Job, v bool) task.Outcome {
	o := success(j, "")
	o.Result = task.Data{Codec: task.CodecMsgpack, Bytes: []byte{0xc2}}
	if v {
		o.Result.Bytes[0] = 0xc3
	}
	return o
}

func failsFast(s *stage) {
	var id task.RunID
	var jobs []task.Job
	var waiting <-chan awaited
	w := s.join()
	w.hears(task.SignalRevoked, func() task.ID { // it may not be listening yet
		id = s.submit(task.Plan{Name: "fast", Nodes: []task.Node{
			node("f", "a"), node("f", "b"), node("f", "c"), node("g", "d", 1),
		}})
		jobs = w.take(2)
		waiting = s.awaiting(id)
		w.end(outcome(jobs[0], task.Fail, "broken"))
		return jobs[1].ID
	})
	s.wantRun(id, task.Failed)
	for i, want := range []task.State{task.Failed, task.Cancelled, task.Skipped, task.Skipped} {
		s.wantState(id.Node(i), want)
	}
	w.idle("nothing new starts")
	wantEqual(s, "lost", w.report(success(jobs[1], "")), []task.ID{jobs[1].ID})
	if end := s.receive(waiting)[0]; end.State != task.Failed || end.Failure.Message != "broken" {
		s.Errorf("who waits for the run learns %+v", end)
	}
}

func failureTaken(s *stage) {
	id := s.submit(task.Plan{Name: "taken", Nodes: []task.Node{
		node("f", "a"), node("f", "b"), edge("g", "c", accept(0, task.AcceptAny), accept(1, task.AcceptSuccess)),
	}})
	w := s.join()
	jobs := w.take(2)
	w.end(outcome(jobs[0], task.Fail, "broken"))
	s.wantState(id.Node(2), task.Blocked)
	w.succeed(jobs[1])
	w.succeed(w.one())
	if r := s.run(id); r.State != task.Succeeded || r.Counts[task.Failed] != 1 {
		s.Errorf("the run is %+v, want succeeded with one failure", r)
	}
}

func failureNotTaken(s *stage) {
	id := s.submit(task.Plan{Name: "not-taken", Nodes: []task.Node{
		node("f", "a"), edge("g", "b", accept(0, task.AcceptAny)), edge("g", "c", accept(0, task.AcceptSkip)),
	}})
	w := s.join()
	w.end(outcome(w.one(), task.Fail, "broken"))
	s.wantRun(id, task.Failed)
	s.wantState(id.Node(1), task.Skipped)
}

func skipTaken(s *stage) {
	id := s.submit(task.Plan{Name: "skipped", Nodes: []task.Node{
		node("f", "a"), edge("f", "b", accept(0, task.AcceptSkip)), edge("g", "c", accept(0, task.AcceptSuccess)),
	}})
	w := s.join()
	w.end(outcome(w.one(), task.SkipJob, ""))
	s.wantState(id.Node(2), task.Skipped)
	b := w.one()
	if b.ID != id.Node(1) {
		s.Errorf("claimed %q, want b", b.Payload.Bytes)
	}
	w.succeed(b)
	s.wantRun(id, task.Succeeded)
}

func conditions(s *stage) {
	for _, v := range []bool{true, false} {
		id := s.submit(task.Plan{Name: "if", Nodes: []task.Node{
			node("f", "a"), edge("g", "then", accept(0, task.AcceptTrue)), edge("g", "else", accept(0, task.AcceptFalse)),
			edge("g", "merge", accept(1, task.AcceptSkip), accept(2, task.AcceptSkip)),
		}})
		w := s.join()
		w.end(truth(w.one(), v))
		j := w.one()
		if want := map[bool]string{true: "then", false: "else"}[v]; string(j.Payload.Bytes) != want {
			s.Errorf("claimed %q, want %q", j.Payload.Bytes, want)
		}
		w.succeed(j)
		w.succeed(w.one())
		if r := s.run(id); r.State != task.Succeeded || r.Counts[task.Skipped] != 1 {
			s.Errorf("the run is %+v, want succeeded, one skipped", r)
		}
	}
}

func noCondition(s *stage) {
	id := s.submit(task.Plan{Name: "neither", Nodes: []task.Node{
		node("f", "a"), edge("g", "then", accept(0, task.AcceptTrue)), edge("g", "else", accept(0, task.AcceptFalse)),
	}})
	w := s.join()
	w.end(success(w.one(), "maybe"))
	if r := s.run(id); r.State != task.Succeeded || r.Counts[task.Skipped] != 2 {
		s.Errorf("the run is %+v, want succeeded, two skipped", r)
	}
}

// quorum is a plan whose last node waits for k of three.
func quorum(k int) task.Plan {
	last := edge("g", "vote", accept(0, task.AcceptAny), accept(1, task.AcceptAny), accept(2, task.AcceptAny))
	last.AtLeast = k
	return task.Plan{Name: "quorum", Nodes: []task.Node{node("f", "a"), node("f", "b"), node("f", "c"), last}}
}

func atLeast(s *stage) {
	id := s.submit(quorum(2))
	w := s.join()
	jobs := w.take(3)
	w.succeed(jobs[0])
	s.wantState(id.Node(3), task.Blocked)
	w.succeed(jobs[1])
	vote := w.one()
	if vote.ID != id.Node(3) {
		s.Errorf("claimed %q, want the vote", vote.Payload.Bytes)
	}
	w.end(outcome(jobs[2], task.Fail, "late"))
	w.succeed(vote)
	s.wantRun(id, task.Succeeded)
}

func tooFew(s *stage) {
	id := s.submit(quorum(2))
	w := s.join()
	jobs := w.take(3)
	w.end(outcome(jobs[0], task.Fail, "broken"), outcome(jobs[1], task.SkipJob, ""))
	s.wantState(id.Node(3), task.Skipped)
	w.succeed(jobs[2])
	w.idle("too few have succeeded")
	if r := s.run(id); !r.State.Terminal() {
		s.Errorf("the run is %+v, want it to be over", r)
	}
}

func deadline(s *stage) {
	p := abc()
	p.Deadline = time.Second
	id := s.submit(p)
	w := s.join()
	a := w.claim(1)
	s.settled(id)
	if end := s.await(id); end.State != task.Failed || end.Failure.Kind != task.FailureTimeout {
		s.Errorf("the end of the run is %+v, want failed, of kind %s", end, task.FailureTimeout)
	}
	s.wantState(id.Node(0), task.Cancelled)
	s.wantState(id.Node(2), task.Skipped)
	w.report(success(a[0], ""))
	w.idle("the run was stopped")
}

func inTime(s *stage) {
	p := abc()
	p.Deadline = time.Hour
	id := s.submit(p)
	w := s.join()
	w.succeed(w.take(2)...)
	w.succeed(w.one())
	s.wantRun(id, task.Succeeded)
}

func parts(s *stage) {
	const n = 1300
	p := task.Plan{Name: "parts"}
	var all []int
	for i := range n {
		p.Nodes = append(p.Nodes, node("f", fmt.Sprint(i)))
		all = append(all, i)
	}
	p.Nodes = append(p.Nodes, node("g", "sink", all...))
	id := s.submit(p)
	w := s.join()
	done := map[task.ID]bool{}
	redistest.Eventually(s.T, patience, func() bool {
		jobs := w.claim(100)
		for _, j := range jobs {
			if done[j.ID] {
				s.Fatalf("node %v runs twice", j.ID)
			}
			done[j.ID] = true
		}
		w.succeed(jobs...)
		return s.run(id).State.Terminal()
	}, "the run ends")
	if r := s.run(id); r.State != task.Succeeded || r.Counts[task.Succeeded] != n+1 || len(done) != n+1 {
		s.Errorf("the run is %+v after %d jobs", r, len(done))
	}
}

func stoppedRetry(s *stage) {
	id := s.submit(task.Plan{Name: "retry", Nodes: []task.Node{node("f", "a"), node("f", "b")}})
	w := s.join()
	jobs := w.take(2)
	w.end(outcome(jobs[0], task.Retry, "again"), outcome(jobs[1], task.Fail, "broken"))
	w.idle("the run was stopped")
	s.wantRun(id, task.Failed)
	s.wantState(id.Node(0), task.Skipped)
}

func resumed(s *stage) {
	id := s.submit(task.Plan{Name: "resumed", Nodes: []task.Node{
		node("f", "a"), node("f", "b"), edge("g", "c", accept(0, task.AcceptSuccess), accept(1, task.AcceptSuccess)), node("g", "d", 2),
	}})
	w := s.join()
	jobs := w.take(2)
	w.succeed(jobs[0])
	w.end(outcome(jobs[1], task.Fail, "broken"))
	s.wantRun(id, task.Failed)
	for range 2 { // the second time there is nothing to resume
		if state, err := s.b.Resume(s.ctx, id); err != nil || state != task.Running {
			s.Fatalf("Resume: %v, %v; want running", state, err)
		}
	}
	s.wantState(id.Node(0), task.Succeeded)
	s.wantState(id.Node(2), task.Blocked)
	b := w.one()
	if b.ID != id.Node(1) || b.Attempt != 1 {
		s.Errorf("claimed %q, attempt %d, want b for the first time", b.Payload.Bytes, b.Attempt)
	}
	w.idle("a has succeeded")
	waiting := s.awaiting(id)
	w.succeed(b)
	w.succeed(w.one())
	w.succeed(w.one())
	s.wantRun(id, task.Succeeded)
	if end := s.receive(waiting)[0]; end.State != task.Succeeded {
		s.Errorf("who waits for the resumed run learns %+v", end)
	}
	if r := s.read(b.ID); len(r.Failures) != 1 || r.Failures[0].Message != "broken" {
		s.Errorf("b has the failures %+v, want the one of before", r.Failures)
	}
	wantEqual(s, "lost", w.report(success(jobs[1], "late")), []task.ID{jobs[1].ID})
}

func resumedAfterCancel(s *stage) {
	id := s.submit(abc())
	w := s.join()
	jobs := w.take(2)
	w.succeed(jobs[0])
	s.cancel(id)
	s.settled(id)
	if state, err := s.b.Resume(s.ctx, id); err != nil || state != task.Running {
		s.Fatalf("Resume: %v, %v; want running", state, err)
	}
	b := w.one()
	if b.ID != id.Node(1) || b.Lease.Epoch == jobs[1].Lease.Epoch {
		s.Errorf("claimed %v under epoch %d, want b under a new one", b.ID, b.Lease.Epoch)
	}
	w.succeed(b)
	w.succeed(w.one())
	s.wantRun(id, task.Succeeded)
}

func resumedInVain(s *stage) {
	id := s.submit(task.Plan{Name: "one", Nodes: []task.Node{node("f", "a")}})
	w := s.join()
	w.succeed(w.one())
	if state, err := s.b.Resume(s.ctx, id); err != nil || state != task.Succeeded {
		s.Errorf("Resume: %v, %v; want succeeded", state, err)
	}
	w.idle("all has succeeded")
	_, err := s.b.Resume(s.ctx, task.NewID(1, task.KindRun, 1, 2, 0, 0))
	s.wantErr(err, task.ErrExpired, "Resume of a run that nobody knows any more")
}

func depthFirst(s *stage) {
	s.submit(task.Plan{Name: "deep", Nodes: []task.Node{
		node("f", "a"), node("f", "b"), node("f", "after a", 0),
	}})
	w := s.join()
	a := w.claim(1)[0]
	w.succeed(a)
	if j := w.claim(1)[0]; string(j.Payload.Bytes) != "after a" {
		s.Errorf("claimed %q, want what comes after a", j.Payload.Bytes)
	}
}
