package brokertest

import (
	"fmt"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

var wideStories = stories{
	"ADiamondMeetsAgain":                            diamond,
	"AFanIsReleasedAndGathered":                     fanOut,
	"OfAWideFanSomeAreUnderWayAtATime":              fanWide,
	"AWideRunDoesNotKeepASmallOneWaiting":           fanFair,
	"AFanWhoseRootFailsIsSkipped":                   fanFails,
	"AChainRunsInOrder":                             chain,
	"LayersWithMoreEdgesThanOneStepFollowsAllRun":   layers,
	"LayersWithMoreEdgesThanOneStepSkipsAreSkipped": layersFail,
}

func diamond(s *stage) {
	id := s.submit(task.Plan{Name: "diamond", Nodes: []task.Node{
		node("f", "top"), node("f", "left", 0), node("g", "right", 0), node("f", "bottom", 1, 2),
	}})
	w := s.join()
	w.succeed(w.one())
	for i, j := range w.take(2) {
		s.wantState(id.Node(3), task.Blocked)
		w.succeed(j)
		if i == 0 {
			w.idle("one side of the diamond still runs")
		}
	}
	if j := w.one(); string(j.Payload.Bytes) != "bottom" {
		s.Errorf("claimed %q, want the bottom", j.Payload.Bytes)
	} else {
		w.succeed(j)
	}
	s.wantRun(id, task.Succeeded)
}

func fanOut(s *stage) {
	const n = 200
	id := s.submit(fan(n))
	w := s.join()
	root := w.one()
	w.idle("all others wait for the root")
	w.succeed(root)
	jobs := w.take(n)
	w.idle("the sink waits for all others")
	seen := map[task.ID]bool{}
	for _, j := range jobs {
		if seen[j.ID] {
			s.Fatalf("node %v was released twice", j.ID)
		}
		seen[j.ID] = true
	}
	w.succeed(jobs[1:]...)
	w.idle("one is missing")
	s.wantState(id.Node(n+1), task.Blocked)
	w.succeed(jobs[0])
	sink := w.one()
	if sink.ID != id.Node(n+1) {
		s.Errorf("claimed %v, want the sink", sink.ID)
	}
	w.succeed(sink)
	if r := s.run(id); r.State != task.Succeeded || r.Counts[task.Succeeded] != n+2 {
		s.Errorf("the run is %+v", r)
	}
}

func fanWide(s *stage) {
	const n = 3 * task.RunWindow / 2
	id := s.submit(fan(n))
	w := s.join()
	w.succeed(w.one())
	jobs := w.take(task.RunWindow)
	w.idle("as many are under way as may be")
	s.wantState(id.Node(n), task.Blocked)
	for range n {
		w.succeed(jobs[0])
		jobs = append(jobs[1:], w.claim(9)...)
		if len(jobs) > task.RunWindow {
			s.Fatalf("%d nodes are under way, want at most %d", len(jobs), task.RunWindow)
		}
	}
	if len(jobs) != 1 || jobs[0].ID != id.Node(n+1) {
		s.Fatalf("at the end there are %q, want the sink", payloads(jobs))
	}
	w.succeed(jobs...)
	s.wantRun(id, task.Succeeded)
}

func fanFair(s *stage) {
	wide := s.submit(fan(2 * task.RunWindow))
	w := s.join()
	w.succeed(w.one())
	first := w.take(10)
	plan := task.Plan{Name: "small", Nodes: []task.Node{node("f", "small")}}
	small := s.submit(plan)
	for small.Partition() != wide.Partition() {
		s.cancel(small)
		small = s.submit(plan)
	}
	rest := w.take(task.RunWindow - len(first) + 1)
	if last := rest[len(rest)-1]; last.ID != small.Node(0) {
		s.Errorf("the last of what may run is %q, want the small run's node", last.Payload.Bytes)
	}
}

func fanFails(s *stage) {
	const n = 300
	id := s.submit(fan(n))
	w := s.join()
	w.end(outcome(w.one(), task.Fail, "broken"))
	s.settled(id)
	if r := s.run(id); r.State != task.Failed || r.Counts[task.Skipped] != n+1 {
		s.Errorf("the run is %+v, want %d nodes skipped", r, n+1)
	}
	w.idle("all were skipped")
	s.wantState(id.Node(n+1), task.Skipped)
}

func chain(s *stage) {
	const n = 30
	p := task.Plan{Name: "chain"}
	for i := range n {
		p.Nodes = append(p.Nodes, node("f", fmt.Sprint(i)))
		if i > 0 {
			p.Nodes[i].Parents = task.After(i - 1)
		}
	}
	id := s.submit(p)
	w := s.join()
	j := w.one()
	for i := range n {
		if j.ID != id.Node(i) {
			s.Fatalf("step %d is %v, want %v", i, j.ID, id.Node(i))
		}
		got := w.exchange(j.ID.Partition(), task.Exchange{Done: []task.Outcome{success(j, "")}, Want: 9}).Jobs
		if len(got) != min(1, n-1-i) {
			s.Fatalf("after step %d there are %q", i, payloads(got))
		}
		if len(got) == 1 {
			j = got[0]
		}
	}
	s.wantRun(id, task.Succeeded)
}

const layer = 45 // squared, it is more edges than one step follows

// mesh is the plan of two layers in which each node of the second waits for all
// of the first.
func mesh() task.Plan {
	p := task.Plan{Name: "mesh"}
	var all []int
	for i := range layer {
		p.Nodes = append(p.Nodes, node("f", fmt.Sprint("first ", i)))
		all = append(all, i)
	}
	for i := range layer {
		p.Nodes = append(p.Nodes, node("g", fmt.Sprint("second ", i), all...))
	}
	return p
}

// settled waits until a run has ended, which ticks help to.
func (s *stage) settled(id task.RunID) {
	s.Helper()
	redistest.Eventually(s.T, patience, func() bool {
		if _, err := s.b.Tick(s.ctx); err != nil {
			s.Fatalf("Tick: %v", err)
		}
		return s.run(id).State.Terminal()
	}, "run %v ends", id)
}

func layers(s *stage) {
	id := s.submit(mesh())
	w := s.join()
	first := w.take(layer)
	w.idle("the second layer waits for the first")
	w.succeed(first...) // in one exchange
	var second []task.Job
	redistest.Eventually(s.T, patience, func() bool {
		second = append(second, w.claim(layer)...)
		if _, err := s.b.Tick(s.ctx); err != nil {
			s.Fatalf("Tick: %v", err)
		}
		return len(second) >= layer
	}, "the second layer is released")
	w.idle("all have been released")
	w.succeed(second...)
	if r := s.run(id); r.State != task.Succeeded || r.Counts[task.Succeeded] != 2*layer {
		s.Errorf("the run is %+v", r)
	}
}

func layersFail(s *stage) {
	id := s.submit(mesh())
	w := s.join()
	var done []task.Outcome
	for _, j := range w.take(layer) {
		done = append(done, outcome(j, task.Fail, "broken"))
	}
	w.end(done...)
	s.settled(id)
	if r := s.run(id); r.State != task.Failed || r.Counts[task.Failed] != layer || r.Counts[task.Skipped] != layer {
		s.Errorf("the run is %+v, want one layer failed and one skipped", r)
	}
	s.ticks(1)
	w.idle("none may run")
}
