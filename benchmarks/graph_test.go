package benchmarks

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// The metrics of runs.
const (
	nodeRate  = "nodes/s"
	runTime   = "run-ms" // from before the submission until who waits for the run knows of its end
	perNode   = "us/node"
	redisNode = "redis-us/node"
	redisEdge = "redis-us/edge" // what a run costs Redis more than the same nodes without edges
	callsNode = "calls/node"
	blocked   = "B/blocked-node"
)

// shape is a plan made by hand: package graph, which would build it, is not
// what is measured here.
type shape struct {
	task.Plan
	edges int
	nodes int // those included that are not known before it runs
}

// newShape returns a plan of n nodes, which do nothing. parents says what a node
// waits for.
func newShape(n int, parents func(i int) []int) *shape {
	s := &shape{Plan: task.Plan{Name: "bench", Nodes: make([]task.Node, n)}, nodes: n}
	for i := range s.Nodes {
		es := task.After(parents(i)...)
		s.edges += len(es)
		s.Nodes[i] = task.Node{Call: noop.Call(input{N: i, Text: text}), Name: fmt.Sprintf("noop-%d", i+1), Parents: es}
	}
	return s
}

// loose returns the same nodes without edges.
func (s *shape) loose() *shape { return newShape(len(s.Nodes), func(int) []int { return nil }) }

// fanOut is a root, so many children of it, and a sink that waits for all of them.
func fanOut(width int) *shape {
	all := make([]int, width)
	for i := range all {
		all[i] = i + 1
	}
	return newShape(width+2, func(i int) []int {
		switch i {
		case 0:
			return nil
		case width + 1:
			return all
		default:
			return []int{0}
		}
	})
}

// chain is so many nodes, each of which waits for the one before.
func chain(length int) *shape {
	return newShape(length, func(i int) []int {
		if i == 0 {
			return nil
		}
		return []int{i - 1}
	})
}

// handedOn is a chain in which each node also has the result of the one before as
// its input.
func handedOn(length int) *shape {
	s := chain(length)
	for i := range s.Nodes[1:] {
		n := &s.Nodes[i+1]
		n.Call = relay.Call(0)
		n.Payload = task.NodeResult(i)
	}
	return s
}

// mapped is a node that gives a list, a map over it, and a sink that waits for the map.
func mapped(width int) *shape {
	s := chain(3)
	s.nodes += width
	s.Nodes[0].Call = listed.Call(input{N: width})
	s.Nodes[1].Payload = task.Data{Codec: task.CodecElement}
	s.Nodes[1].Map = &task.Map{Over: task.List{Form: task.ListNode, Node: 0}}
	return s
}

// listed returns so many small inputs: a list is one result, and those are bounded.
var listed = task.Define("listed", func(_ task.Context, in input) ([]input, error) {
	ins := make([]input, in.N)
	for i := range ins {
		ins[i].N = i
	}
	return ins, nil
})

// relay returns its input.
var relay = task.Define("relay", task.Plain(func(_ context.Context, n int) (int, error) { return n, nil }))

// layered is layers of so many nodes, each of which waits for three of the layer
// before.
func layered(layers, width int) *shape {
	return newShape(layers*width, func(i int) []int {
		if i < width {
			return nil
		}
		first := i - i%width - width
		return []int{first + i%width, first + (i+1)%width, first + (i+2)%width}
	})
}

// BenchmarkGraph runs whole graphs, one after the other, on one worker of 64 slots
// in this process.
func BenchmarkGraph(b *testing.B) {
	b.Run("FanOut", func(b *testing.B) {
		for _, c := range []struct{ width, runs int }{{1_000, 10}, {10_000, 2}, {100_000, 1}} {
			b.Run(fmt.Sprintf("width=%d", c.width), func(b *testing.B) { runs(b, fanOut(c.width), c.runs, true) })
		}
	})
	b.Run("Chain", func(b *testing.B) {
		for _, c := range []struct{ length, runs int }{{100, 10}, {1_000, 2}} {
			b.Run(fmt.Sprintf("length=%d", c.length), func(b *testing.B) { runs(b, chain(c.length), c.runs, false) })
		}
	})
	b.Run("HandedOn", func(b *testing.B) {
		b.Run("length=100", func(b *testing.B) { runs(b, handedOn(100), 10, false) })
	})
	b.Run("Layered", func(b *testing.B) {
		b.Run("100x100", func(b *testing.B) { runs(b, layered(100, 100), 2, true) })
	})
	b.Run("Map", func(b *testing.B) {
		for _, c := range []struct{ width, runs int }{{1_000, 10}, {10_000, 2}, {100_000, 1}} {
			b.Run(fmt.Sprintf("width=%d", c.width), func(b *testing.B) { runs(b, mapped(c.width), c.runs, false) })
		}
	})
	b.Run("Submit", func(b *testing.B) {
		for _, c := range []struct{ nodes, runs int }{{1_000, 20}, {10_000, 4}, {100_000, 1}} {
			b.Run(fmt.Sprintf("nodes=%d", c.nodes), func(b *testing.B) { submissions(b, fanOut(c.nodes-2), c.runs) })
		}
	})
}

// runs makes rounds of so many runs of s. apart: what the edges cost can be told,
// since the same nodes without edges are worked off alike.
func runs(b *testing.B, s *shape, n int, apart bool) {
	h := newBench(b)
	w := h.work(runtime.Config{Slots: 64}, noop, relay, listed)
	h.warm(w, noop)
	var loose *shape
	if apart {
		loose = s.loose()
	}
	times, ids := make([]time.Duration, n), make([]task.RunID, n)
	h.run(plan{
		prepare: func() { w.exchanges.Store(0); h.resetScripts() },
		work: func() int {
			for i := range n {
				start := time.Now()
				ids[i] = h.runOnce(s)
				times[i] = time.Since(start)
			}
			return n * s.nodes
		},
		finish: func(r *round) {
			r.ofNodes()
			r.metrics[runTime] = micros(percentile(times, 0.5)) / 1e3
			r.metrics[perExchange] = float64(r.jobs) / float64(w.exchanges.Load())
			h.scripts(r)
			h.verifyRuns(s, ids)
			if apart {
				before := h.gauge()
				h.runOnce(loose)
				without := micros(h.gauge().since(before).redis)
				r.metrics[redisEdge] = (micros(r.used.redis)/float64(n) - without) / float64(s.edges)
			}
		},
	})
}

// submissions makes rounds of so many submissions of s, which nobody runs.
func submissions(b *testing.B, s *shape, n int) {
	h := newBench(b)
	h.run(plan{
		prepare: h.sweep,
		work: func() int {
			for range n {
				h.submit(s)
			}
			return n * len(s.Nodes)
		},
		finish: func(r *round) {
			r.ofNodes()
			r.metrics[perNode] = r.metrics[perOp] / 1e3
			r.metrics[blocked] = r.used.memory / float64(r.jobs)
		},
	})
}

func (h *bench) submit(s *shape) task.Run {
	h.Helper()
	run, err := task.Submit(h.queue, s.Plan)
	if err != nil {
		h.Fatal(err)
	}
	return run
}

// runOnce submits s and waits until all of it has ended.
func (h *bench) runOnce(s *shape) task.RunID {
	h.Helper()
	run := h.submit(s)
	if err := run.Wait(h.queue); err != nil {
		h.Fatal(err)
	}
	return run.ID()
}

// verifyRuns checks that all nodes of the runs have succeeded, and that the sink has
// its result.
func (h *bench) verifyRuns(s *shape, ids []task.RunID) {
	h.Helper()
	last := len(s.Nodes) - 1
	for _, id := range ids {
		r, err := h.broker.Run(h.Context(), id)
		if err != nil {
			h.Fatal(err)
		}
		if r.State != task.Succeeded || r.Counts[task.Succeeded] != s.nodes {
			h.Fatalf("run %v has %v with %v, want %d nodes succeeded", id, r.State, r.Counts, s.nodes)
		}
		want := answer(last)
		if s.Nodes[last].Payload.Codec == task.CodecNode {
			want = answer(0)
		}
		if got, err := task.At[int](h.queue, id.Node(last)).Wait(h.queue); err != nil || got != want {
			h.Fatalf("the last node of run %v has the result %d, %v, want %d", id, got, err, want)
		}
	}
}

// ofNodes renames what was measured: a node is a job, too.
func (r *round) ofNodes() {
	for job, node := range map[string]string{rate: nodeRate, redisCPU: redisNode, calls: callsNode} {
		r.metrics[node] = r.metrics[job]
		delete(r.metrics, job)
	}
	delete(r.metrics, clientCPU)
}
