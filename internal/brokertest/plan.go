package brokertest

import (
	"fmt"
	"strings"

	"github.com/gomlq/mlq/task"
)

var planStories = stories{
	"AChildStartsWhenBothItsParentsHaveSucceeded": join2,
	"ParentsMayEndInOneExchange":                  joinAtOnce,
	"AParentThatEndsTwiceReleasesItsChildOnce":    joinRepeated,
	"AParentThatIsRetriedReleasesNothing":         joinRetried,
	"AParentThatWasLostReleasesItsChildOnce":      joinLost,
	"AFailureSkipsWhatDependsOnIt":                planFails,
	"ASkippedNodeSkipsWhatDependsOnIt":            planSkips,
	"ACancelledNodeSkipsWhatDependsOnIt":          planNodeCancelled,
	"ACancelledRunStartsNothingMore":              planCancelled,
	"WhoWaitsForARunLearnsOfItsEnd":               planAwaited,
	"ARunOfOneNodeEndsWithIt":                     planOfOne,
	"AFinishedRunKeepsItsState":                   planKeeps,
	"ANodeIsReadAndAwaitedLikeAJob":               planNodes,
	"APlanIsRefusedWhole":                         planRefused,
	"RunsDoNotMeet":                               planTwice,
	"ACancelledRunOf300NodesIsAllCancelled":       planWideCancelled,
	"AFailureWithSeveralFailuresEndsTheRunOnce":   planFailsTwice,
}

// node returns node fn of a plan, whose payload is its name.
func node(fn, name string, parents ...int) task.Node {
	return task.Node{Call: call(fn, name), Name: name, Parents: task.After(parents...)}
}

// abc is the plan in which c waits for a and b.
func abc() task.Plan {
	return task.Plan{Name: "abc", Nodes: []task.Node{node("f", "a"), node("f", "b"), node("g", "c", 0, 1)}}
}

// begin submits the plan abc and claims a and b.
func (s *stage) begin() (id task.RunID, w *worker, a, b task.Job) {
	s.Helper()
	id = s.submit(abc())
	w = s.join()
	jobs := w.take(2)
	wantEqual(s, "first claim", payloads(jobs), []string{"a", "b"})
	wantEqual(s, "their IDs", ids(jobs), []task.ID{id.Node(0), id.Node(1)})
	return id, w, jobs[0], jobs[1]
}

func join2(s *stage) {
	for _, backward := range []bool{false, true} {
		id, w, first, second := s.begin()
		if backward {
			first, second = second, first
		}
		s.wantState(id.Node(2), task.Blocked)
		w.succeed(first)
		s.wantState(id.Node(2), task.Blocked)
		w.idle("one of two parents still runs")
		s.wantRun(id, task.Running)
		w.succeed(second)
		s.wantState(id.Node(2), task.Ready)
		c := w.one()
		if c.ID != id.Node(2) {
			s.Errorf("claimed %v, want %v", c.ID, id.Node(2))
		}
		w.idle("the child was released once")
		s.wantRun(id, task.Running)
		w.succeed(c)
		r := s.run(id)
		if r.State != task.Succeeded || r.Name != "abc" || r.Nodes != 3 || r.Counts[task.Succeeded] != 3 {
			s.Errorf("the run is %+v", r)
		}
		if r.Started.IsZero() || r.Finished.Before(r.Started) {
			s.Errorf("the run began at %v and ended at %v", r.Started, r.Finished)
		}
	}
}

func joinAtOnce(s *stage) {
	id, w, a, b := s.begin()
	got := w.exchange(a.ID.Partition(), task.Exchange{Done: []task.Outcome{success(b, ""), success(a, "")}, Want: 5})
	wantEqual(s, "claimed in the same step", payloads(got.Jobs), []string{"c"})
	w.succeed(got.Jobs...)
	s.wantRun(id, task.Succeeded)
}

func joinRepeated(s *stage) {
	id, w, a, b := s.begin()
	x := w.next(a.ID.Partition(), task.Exchange{Done: []task.Outcome{success(a, "")}})
	for range 3 {
		if _, err := w.try(x); err != nil {
			s.Fatalf("Exchange: %v", err)
		}
	}
	wantEqual(s, "lost", w.report(success(a, "")), []task.ID{a.ID})
	s.wantState(id.Node(2), task.Blocked)
	w.idle("b still runs")
	w.succeed(b)
	wantEqual(s, "lost", w.report(success(a, ""), success(b, "")), []task.ID{a.ID, b.ID})
	c := w.one()
	w.idle("the child was released once")
	w.succeed(c)
	wantEqual(s, "lost", w.report(success(b, ""), success(c, "")), []task.ID{b.ID, c.ID})
	if r := s.run(id); r.State != task.Succeeded || r.Counts[task.Succeeded] != 3 {
		s.Errorf("the run is %+v", r)
	}
}

func joinRetried(s *stage) {
	id, w, a, b := s.begin()
	w.succeed(b)
	for _, v := range []task.Verdict{task.Retry, task.Release, task.Postpone} {
		w.end(outcome(a, v, ""))
		s.wantState(id.Node(2), task.Blocked)
		a = w.one()
	}
	w.idle("a runs again")
	w.succeed(a)
	w.succeed(w.one())
	s.wantRun(id, task.Succeeded)
}

func joinLost(s *stage) {
	id, w, a, b := s.begin()
	w.succeed(a)
	w.crash()
	s.wantState(id.Node(2), task.Blocked)
	w = s.join()
	wantEqual(s, "lost", w.report(success(b, "")), []task.ID{b.ID})
	w.succeed(w.one())
	c := w.one()
	if c.ID != id.Node(2) {
		s.Errorf("claimed %v, want %v", c.ID, id.Node(2))
	}
	w.succeed(c)
	s.wantRun(id, task.Succeeded)
}

func planFails(s *stage) {
	plan := abc()
	plan.KeepGoing = true
	plan.Nodes = append(plan.Nodes, node("g", "d", 2), node("f", "e", 1)) // d below c, e below b alone
	id := s.submit(plan)
	w := s.join()
	jobs := w.take(2)
	waiting := s.awaiting(id)
	w.end(outcome(jobs[0], task.Fail, "broken"))
	s.wantState(id.Node(2), task.Skipped)
	s.wantState(id.Node(3), task.Skipped)
	s.wantState(id.Node(4), task.Blocked)
	s.wantRun(id, task.Running)
	w.succeed(jobs[1])
	s.wantState(id.Node(2), task.Skipped)
	e := w.one()
	if e.ID != id.Node(4) {
		s.Errorf("claimed %q, want e, which does not depend on the failure", e.Payload.Bytes)
	}
	w.idle("c and d were skipped")
	w.succeed(e)
	r := s.run(id)
	if r.State != task.Failed || r.Counts[task.Failed] != 1 || r.Counts[task.Skipped] != 2 || r.Counts[task.Succeeded] != 2 {
		s.Errorf("the run is %+v", r)
	}
	for when, end := range map[string]task.Settled{"before": s.receive(waiting)[0], "after": s.await(id)} {
		if end.State != task.Failed || end.Failure.Message != "broken" {
			s.Errorf("who waited for the run from %s its end learnt %+v", when, end)
		}
	}
	if end := s.await(id.Node(3)); end.State != task.Skipped {
		s.Errorf("the end of d is %+v", end)
	}
}

func planFailsTwice(s *stage) {
	id, w, a, b := s.begin()
	w.end(outcome(a, task.Fail, "first"), outcome(b, task.Fail, "second"))
	r := s.run(id)
	if r.State != task.Failed || r.Counts[task.Failed] != 2 || r.Counts[task.Skipped] != 1 {
		s.Errorf("the run is %+v, want two failures and one node skipped", r)
	}
	if end := s.await(id); end.Failure.Message != "first" {
		s.Errorf("the end of the run is %+v, want the first failure", end)
	}
}

func planSkips(s *stage) {
	id, w, a, b := s.begin()
	w.end(outcome(a, task.SkipJob, ""))
	s.wantState(id.Node(2), task.Skipped)
	w.succeed(b)
	w.idle("c was skipped")
	if r := s.run(id); !r.State.Terminal() || r.Counts[task.Skipped] != 2 || r.Counts[task.Succeeded] != 1 {
		s.Errorf("the run is %+v", r)
	}
}

func planNodeCancelled(s *stage) {
	id, w, a, b := s.begin()
	if got := s.cancel(a.ID); got != task.Cancelled {
		s.Errorf("Cancel of a running node returned %v", got)
	}
	wantEqual(s, "lost", w.report(success(a, "")), []task.ID{a.ID})
	s.wantState(id.Node(2), task.Skipped)
	w.succeed(b)
	w.idle("c was skipped")
	s.wantRun(id, task.Cancelled)
	id, w, a, b = s.begin()
	s.cancel(id.Node(2)) // blocked
	w.succeed(a, b)
	w.idle("c was cancelled")
	s.wantState(id.Node(2), task.Cancelled)
	s.wantRun(id, task.Cancelled)
}

func planCancelled(s *stage) {
	id, w, a, b := s.begin()
	waiting := s.awaiting(id)
	w.end(outcome(b, task.Release, ""))
	if got := s.cancel(id); got != task.Cancelled {
		s.Errorf("Cancel of a run returned %v", got)
	}
	w.idle("the run was cancelled")
	wantEqual(s, "lost", w.report(success(a, "")), []task.ID{a.ID})
	for i := range 3 {
		if st := s.read(id.Node(i)).State; st != task.Cancelled && st != task.Skipped {
			s.Errorf("node %d is %v", i, st)
		}
	}
	s.wantErr(s.receive(waiting)[0].Err(), task.ErrCancelled, "the wait for the run")
	if got := s.cancel(id); got != task.Cancelled {
		s.Errorf("a second Cancel of the run returned %v", got)
	}
	s.ticks(1)
	w.idle("the run was cancelled")
}

func planWideCancelled(s *stage) {
	id := s.submit(fan(300))
	w := s.join()
	w.one()
	s.cancel(id)
	w.idle("the run was cancelled")
	r := s.run(id)
	if r.State != task.Cancelled || r.Counts[task.Cancelled]+r.Counts[task.Skipped] != 302 {
		s.Errorf("the run is %+v, want all 302 nodes cancelled or skipped", r)
	}
}

func planAwaited(s *stage) {
	id, w, a, b := s.begin()
	var waits []<-chan awaited
	for range 10 {
		waits = append(waits, s.awaiting(id), s.awaiting(id.Node(2), id))
	}
	w.succeed(a, b)
	w.succeed(w.one())
	for i, c := range waits {
		ends := s.receive(c)
		if end := ends[i%2]; end.ID != id || end.State != task.Succeeded {
			s.Errorf("a wait for the run ended with %+v", ends)
		}
	}
	if end := s.await(id); end.State != task.Succeeded || end.Err() != nil {
		s.Errorf("a wait after the end got %+v", end)
	}
}

func planOfOne(s *stage) {
	id := s.submit(task.Plan{Name: "one", Nodes: []task.Node{node("f", "only")}})
	s.wantRun(id, task.Running)
	w := s.join()
	w.succeed(w.one())
	s.wantRun(id, task.Succeeded)
}

func planKeeps(s *stage) {
	id, w, a, b := s.begin()
	w.succeed(a, b)
	w.succeed(w.one())
	if got := s.cancel(id); got != task.Succeeded {
		s.Errorf("Cancel of a run that has succeeded returned %v", got)
	}
	s.wantRun(id, task.Succeeded)
	for i := range 3 {
		s.wantState(id.Node(i), task.Succeeded)
	}
}

func planNodes(s *stage) {
	id, w, a, b := s.begin()
	waiting := s.awaiting(id.Node(0), id.Node(2))
	if a.Name != "a" || b.Name != "b" || s.read(id.Node(2)).Name != "c" {
		s.Errorf("the nodes a, b and c are called %q, %q and %q", a.Name, b.Name, s.read(id.Node(2)).Name)
	}
	w.succeed(a)
	w.end(outcome(b, task.Retry, "once"))
	w.succeed(w.one())
	w.end(success(w.one(), "result"))
	ends := s.receive(waiting)
	if string(ends[0].Result.Bytes) != "a" || string(ends[1].Result.Bytes) != "result" {
		s.Errorf("the ends are %+v", ends)
	}
	if r := s.read(id.Node(1)); r.State != task.Succeeded || r.Attempt != 2 || len(r.Failures) != 1 {
		s.Errorf("the record of b is %+v", r)
	}
}

func planRefused(s *stage) {
	for what, spoil := range map[string]func(*task.Plan){
		"a bad function":         func(p *task.Plan) { p.Nodes[1].Functions = []string{"not a name"} },
		"a parent that is later": func(p *task.Plan) { p.Nodes[1].Parents = task.After(2) },
		"no nodes":               func(p *task.Plan) { p.Nodes = nil },
		"a key":                  func(p *task.Plan) { p.Nodes[2].Spec.UniqueKey = "k" },
		"a bad name":             func(p *task.Plan) { p.Name = "{}" },
		"too large a payload": func(p *task.Plan) {
			p.Nodes[2].Payload.Bytes = []byte(strings.Repeat("x", 8<<20+1))
		},
	} {
		p := abc()
		spoil(&p)
		want := task.ErrInvalid
		if strings.Contains(what, "large") {
			want = task.ErrTooLarge
		}
		_, err := s.b.Submit(s.ctx, p)
		s.wantErr(err, want, "Submit with %s", what)
	}
	s.join().idle("no node of a refused plan is stored")
}

func planTwice(s *stage) {
	plan := abc()
	first, second := s.submit(plan), s.submit(plan)
	if first == second {
		s.Fatalf("both runs are %v", first)
	}
	w := s.join()
	for _, j := range w.take(4) {
		if j.ID.Run() == first {
			w.succeed(j)
		}
	}
	c := w.one()
	if c.ID != first.Node(2) {
		s.Errorf("claimed %v, want %v", c.ID, first.Node(2))
	}
	w.succeed(c)
	s.wantRun(first, task.Succeeded)
	s.wantRun(second, task.Running)
	s.wantState(second.Node(2), task.Blocked)
}

// fan is the plan in which n nodes wait for the first, and the last for them.
func fan(n int) task.Plan {
	p := task.Plan{Name: "fan", Nodes: []task.Node{node("f", "root")}}
	var middle []int
	for i := range n {
		p.Nodes = append(p.Nodes, node("f", fmt.Sprint(i), 0))
		middle = append(middle, i+1)
	}
	p.Nodes = append(p.Nodes, node("g", "sink", middle...))
	return p
}
