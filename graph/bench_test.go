package graph_test

import (
	"testing"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

const wide = 100_000

func BenchmarkAdd(b *testing.B) {
	for name, build := range map[string]func(*graph.Graph){
		"roots":   roots,
		"chain":   chain,
		"layers":  layers,
		"fan-in":  func(g *graph.Graph) { graph.Add(g, sum, Sum{Of: words(g)}) },
		"options": options,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				build(graph.New("bench"))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/wide, "ns/node")
		})
	}
}

func roots(g *graph.Graph) { words(g) }

func words(g *graph.Graph) []task.Ref[int] {
	refs := make([]task.Ref[int], wide)
	for i := range refs {
		refs[i] = graph.Add(g, length, "word")
	}
	return refs
}

func chain(g *graph.Graph) {
	last := graph.Add(g, double, 1)
	for range wide {
		last = graph.Then(g, double, last)
	}
}

// layers is 1,000 layers of 100 nodes, each with three parents.
func layers(g *graph.Graph) {
	last := make([]task.Ref[int], 100)
	for i := range last {
		last[i] = task.Value(i)
	}
	for range wide / len(last) {
		next := make([]task.Ref[int], len(last))
		for i := range next {
			next[i] = graph.Add(g, sum, Sum{Of: []task.Ref[int]{last[i], last[(i+1)%100], last[(i+2)%100]}})
		}
		last = next
	}
}

func options(g *graph.Graph) {
	last := graph.Add(g, takesTruth, true)
	for range wide {
		last = graph.Add(g.Group("a"), takesTruth, true, graph.After(last), graph.When(last))
	}
}

func BenchmarkPlan(b *testing.B) {
	g := graph.New("bench")
	layers(g)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Plan(); err != nil {
			b.Fatal(err)
		}
	}
}
