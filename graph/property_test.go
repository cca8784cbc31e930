package graph_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

// mixed is an input that holds Refs in every way there is.
type mixed struct {
	Plain []task.Ref[bool]
	Opts  map[string]task.Ref[task.Opt[bool]]
	Inner struct {
		Results [3]*task.Ref[task.Result[bool]]
	}
	Number int
}

var (
	takesMixed = task.Declare[mixed, bool]("mixed")
	takesTruth = task.Declare[bool, bool]("truth")
)

// drawing is a graph together with the edges that were drawn into it.
type drawing struct {
	t    *rapid.T
	g    *graph.Graph
	refs []task.Ref[bool]
	want []map[int]task.Accept
}

// strictness orders what edges accept, as the package comment does.
var strictness = []task.Accept{task.AcceptAny, task.AcceptSkip, task.AcceptSuccess, task.AcceptTrue, task.AcceptFalse}

// parent draws a parent for the next node and notes the edge.
func (d *drawing) parent(edges map[int]task.Accept, a task.Accept) task.Ref[bool] {
	p := rapid.IntRange(0, len(d.refs)-1).Draw(d.t, "parent")
	if old, ok := edges[p]; !ok || slices.Index(strictness, a) > slices.Index(strictness, old) {
		edges[p] = a
	}
	return d.refs[p]
}

func (d *drawing) some(what string, f func(i int)) {
	for i := range rapid.IntRange(0, 3).Draw(d.t, what) {
		f(i)
	}
}

func (d *drawing) input(edges map[int]task.Accept) mixed {
	in := mixed{Opts: map[string]task.Ref[task.Opt[bool]]{}}
	d.some("plain", func(int) { in.Plain = append(in.Plain, d.parent(edges, task.AcceptSuccess)) })
	d.some("opts", func(i int) { in.Opts[string(rune('a'+i))] = task.OptOf(d.parent(edges, task.AcceptSkip)) })
	d.some("results", func(i int) {
		r := task.ResultOf(d.parent(edges, task.AcceptAny))
		in.Inner.Results[i] = &r
	})
	return in
}

func (d *drawing) options(edges map[int]task.Accept) []graph.Option {
	var opts []graph.Option
	d.some("after", func(int) { opts = append(opts, graph.After(d.parent(edges, task.AcceptSuccess))) })
	if rapid.Bool().Draw(d.t, "condition") {
		opts = append(opts, graph.When(d.parent(edges, task.AcceptTrue)))
	}
	return opts
}

func (d *drawing) node() {
	edges := map[int]task.Accept{}
	g := d.g.Group(rapid.SampledFrom([]string{"", "a", "b"}).Draw(d.t, "group"))
	var ref task.Ref[bool]
	switch {
	case len(d.refs) == 0:
		ref = graph.Add(g, takesMixed, mixed{})
	case rapid.Bool().Draw(d.t, "then"):
		ref = graph.Then(g, takesTruth, d.parent(edges, task.AcceptSuccess), d.options(edges)...)
	default:
		in := d.input(edges)
		opts := d.options(edges)
		if soft := countSoft(edges); soft > 0 && rapid.Bool().Draw(d.t, "counted") {
			opts = append(opts, graph.AtLeast(rapid.IntRange(1, soft).Draw(d.t, "at least")))
		}
		ref = graph.Add(g, takesMixed, in, opts...)
	}
	d.refs, d.want = append(d.refs, ref), append(d.want, edges)
}

func countSoft(edges map[int]task.Accept) (n int) {
	for a := range maps.Values(edges) {
		if a.Soft() {
			n++
		}
	}
	return n
}

func TestPlansHaveExactlyTheEdgesThatWereDrawn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawing{t: t, g: graph.New("random")}
		for range rapid.IntRange(1, 20).Draw(t, "nodes") {
			d.node()
		}
		p, err := d.g.Plan()
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for i, n := range p.Nodes {
			got := map[int]task.Accept{}
			for _, e := range n.Parents {
				got[e.From] = e.Accept
			}
			if !maps.Equal(got, d.want[i]) || len(got) != len(n.Parents) {
				t.Errorf("node %d has the edges %v, want %v", i, n.Parents, d.want[i])
			}
			names[n.Name] = true
		}
		if len(names) != len(p.Nodes) || names[""] {
			t.Errorf("%d nodes have the names %v", len(p.Nodes), names)
		}
	})
}
