package brokertest

import (
	"fmt"

	"github.com/gomlq/mlq/task"
)

var blockStories = stories{
	"AWaitForOneselfIsRefused":                cycle1,
	"TwoThatWaitForEachOtherAreRefused":       cycle2,
	"ThreeThatWaitInACircleAreRefused":        cycle3,
	"SeveralWaitsOfOneAttemptAddUp":           waitsAdd,
	"AfterUnblockNothingIsWaitedFor":          unblocked,
	"ARefusedWaitLeavesTheOthersNoted":        refusedAmongOthers,
	"ARefusedWaitIsNotNoted":                  refusedWait,
	"AnAttemptThatHasEndedWaitsForNothing":    endedWait,
	"AnAttemptThatWasLostWaitsForNothing":     lostWait,
	"WaitsMayNest64Deep":                      nesting,
	"OnlyTheOwnerOfAJobMayWait":               blockLost,
	"AWaitForMany":                            blockMany,
	"AWaitForARunOrAJobThatHasEndedIsNoCycle": blockRun,
	"ANodeThatWaitsForItsOwnRunIsRefused":     cycleRun,
	"ANodeThatWaitsForADependentIsRefused":    cycleDependent,
	"NodesThatWaitForDependentsOfEachOther":   cycleNodes,
	"ANodeMayWaitForAJoinThatNeedsOthersOnly": blockJoin,
	"AChildOfALargeRunIsFound":                cycleWide,
}

// running returns n jobs that run, in one session.
func (s *stage) running(n int) (*worker, []task.Job) {
	s.Helper()
	s.post(calls("f", n)...)
	w := s.join()
	jobs := w.take(n)
	return w, jobs
}

func (s *stage) block(j task.Job, on ...task.ID) {
	s.Helper()
	if err := s.b.Block(s.ctx, j, on); err != nil {
		s.Fatalf("Block of %v: %v", j.ID, err)
	}
}

func (s *stage) wantCycle(what string, j task.Job, on ...task.ID) {
	s.Helper()
	s.wantErr(s.b.Block(s.ctx, j, on), task.ErrCycle, "Block, %s", what)
}

func cycle1(s *stage) {
	w, js := s.running(1)
	s.wantCycle("for itself", js[0], js[0].ID)
	w.succeed(js...)
}

func cycle2(s *stage) {
	_, js := s.running(2)
	s.block(js[0], js[1].ID)
	s.wantCycle("the second for the first", js[1], js[0].ID)
	if err := s.b.Unblock(s.ctx, js[0]); err != nil {
		s.Fatalf("Unblock: %v", err)
	}
	s.block(js[1], js[0].ID)
	s.wantCycle("now the first for the second", js[0], js[1].ID)
}

func cycle3(s *stage) {
	_, js := s.running(3)
	s.block(js[0], js[1].ID)
	s.block(js[1], js[2].ID)
	s.wantCycle("the third for the first", js[2], js[0].ID)
	s.wantCycle("the third for the first and others", js[2], s.post(call("g", ""))[0], js[0].ID)
	s.wantCycle("the third for the second", js[2], js[1].ID)
}

func waitsAdd(s *stage) {
	_, js := s.running(3)
	s.block(js[0], js[1].ID)
	s.block(js[0], js[2].ID)
	s.wantCycle("for one whose first wait is for it", js[1], js[0].ID)
	s.wantCycle("for one whose second wait is for it", js[2], js[0].ID)
}

func unblocked(s *stage) {
	_, js := s.running(2)
	s.block(js[0], js[1].ID)
	for range 2 {
		if err := s.b.Unblock(s.ctx, js[0]); err != nil {
			s.Fatalf("Unblock: %v", err)
		}
	}
	s.block(js[1], js[0].ID)
}

func refusedWait(s *stage) {
	_, js := s.running(2)
	s.block(js[0], js[1].ID)
	s.wantCycle("the second for the first", js[1], js[0].ID)
	if err := s.b.Unblock(s.ctx, js[0]); err != nil {
		s.Fatalf("Unblock: %v", err)
	}
	s.block(js[0], js[1].ID) // js[1] waits for nothing
}

func refusedAmongOthers(s *stage) {
	_, js := s.running(3)
	s.block(js[0], js[1].ID)
	s.block(js[2], js[0].ID)
	s.wantCycle("for one that waits for it", js[0], js[2].ID)
	s.wantCycle("for one that still waits for it", js[1], js[0].ID)
	if err := s.b.Unblock(s.ctx, js[0]); err != nil {
		s.Fatalf("Unblock: %v", err)
	}
	s.block(js[1], js[2].ID)
}

// endedWait: an attempt may end without a word about its waits.
func endedWait(s *stage) {
	for v := range map[task.Verdict]bool{task.Retry: true, task.Release: true} {
		w, js := s.running(2)
		s.block(js[0], js[1].ID)
		w.end(outcome(js[0], v, ""))
		again := w.one()
		if again.ID != js[0].ID {
			s.Fatalf("claimed %v, want %v", again.ID, js[0].ID)
		}
		s.block(js[1], js[0].ID) // whose second attempt waits for nothing
		w.succeed(again, js[1])
	}
}

func lostWait(s *stage) {
	s.post(calls("f", 2)...)
	first, second := s.join(), s.join()
	a, b := first.one(), second.one()
	s.block(a, b.ID)
	first.crash()
	first = s.join()
	if again := first.one(); again.ID != a.ID {
		s.Fatalf("claimed %v, want %v", again.ID, a.ID)
	}
	s.block(b, a.ID)
}

// nesting: each job waits for a child that it has posted.
func nesting(s *stage) {
	w := s.join()
	s.post(call("f", "0"))
	j := w.one()
	for depth := 1; ; depth++ {
		c := call("f", fmt.Sprint(depth))
		c.Parent, c.Depth = j.ID, depth
		child := s.post(c)[0]
		err := s.b.Block(s.ctx, j, []task.ID{child})
		if depth > task.MaxWaitDepth {
			s.wantErr(err, task.ErrTooDeep, "Block at depth %d", depth)
			return
		}
		if err != nil {
			s.Fatalf("Block at depth %d: %v", depth, err)
		}
		if j = w.one(); j.ID != child {
			s.Fatalf("claimed %v, want %v", j.ID, child)
		}
	}
}

func blockLost(s *stage) {
	w, js := s.running(2)
	w.end(outcome(js[0], task.Retry, ""))
	s.wantErr(s.b.Block(s.ctx, js[0], []task.ID{js[1].ID}), task.ErrLeaseLost, "Block of an attempt that has ended")
	s.cancel(js[1].ID)
	s.wantErr(s.b.Block(s.ctx, js[1], []task.ID{js[0].ID}), task.ErrLeaseLost, "Block of a cancelled attempt")
	s.wantErr(s.b.Unblock(s.ctx, js[1]), task.ErrLeaseLost, "Unblock of a cancelled attempt")
}

func blockMany(s *stage) {
	_, js := s.running(2)
	ids := s.post(calls("g", 1200)...)
	s.block(js[0], append(ids, js[1].ID)...)
	s.wantCycle("for one that waits for many", js[1], js[0].ID)
}

func blockRun(s *stage) {
	id := s.submit(abc())
	w := s.join()
	nodes := w.take(2)
	s.post(call("f", "waiter"))
	j := w.one()
	s.block(j, id, nodes[0].ID)
	w.succeed(nodes...)
	s.block(j, nodes[1].ID)
	if err := s.b.Unblock(s.ctx, j); err != nil {
		s.Errorf("Unblock: %v", err)
	}
}

// chains is the plan a -> b -> c and x -> y.
func chains() task.Plan {
	return task.Plan{Name: "chains", Nodes: []task.Node{
		node("f", "a"), node("f", "x"), node("g", "b", 0), node("g", "c", 2), node("g", "y", 1),
	}}
}

func cycleRun(s *stage) {
	id, _, a, _ := s.begin()
	s.wantCycle("for its run", a, id)
	c := call("f", "child")
	c.Parent, c.ID = a.ID, s.in(id.Partition(), c)[0].ID
	s.post(c)
	child := s.join().one()
	s.block(a, child.ID)
	s.wantCycle("for a run of which a node waits for it", child, id.Node(2))
}

func cycleDependent(s *stage) {
	id := s.submit(chains())
	w := s.join()
	roots := w.take(2)
	a, x := roots[0], roots[1]
	s.wantCycle("for a child", a, id.Node(2))
	s.wantCycle("for a child of a child, among others", a, x.ID, id.Node(3))
	s.block(a, x.ID, id.Node(4)) // others it may wait for
	w.succeed(x)
	y := w.one()
	s.wantCycle("for what depends on one that waits for it", y, id.Node(3))
	if err := s.b.Unblock(s.ctx, a); err != nil {
		s.Fatalf("Unblock: %v", err)
	}
	s.block(y, id.Node(3))
	w.succeed(a)
	b := w.one()
	s.wantCycle("for one that waits for its child", b, y.ID)
}

func cycleNodes(s *stage) {
	id := s.submit(chains())
	roots := s.join().take(2)
	s.block(roots[0], id.Node(4))
	s.wantCycle("for what depends on one that waits for a dependent of it", roots[1], id.Node(3))
}

func blockJoin(s *stage) {
	id := s.submit(quorum(1))
	js := s.join().take(3)
	s.block(js[0], id.Node(3))
}

func cycleWide(s *stage) {
	p := task.Plan{Name: "wide", Nodes: []task.Node{node("f", "root")}}
	for i := range 1200 {
		p.Nodes = append(p.Nodes, node("g", fmt.Sprint(i), 0))
	}
	p.Nodes = append(p.Nodes, node("g", "last", len(p.Nodes)-1))
	id := s.submit(p)
	s.wantCycle("for the last", s.join().one(), id.Node(len(p.Nodes)-1))
}
