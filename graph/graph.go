// Package graph builds graphs of typed tasks. A node is a task with its input, an
// edge is a [task.Ref] in that input, so the compiler checks that what a parent gives
// is what its child takes:
//
//	g := graph.New("sweep")
//	data := graph.Add(g, Load, "digits.csv") // a task.Ref[Dataset]
//	model := graph.Add(g, Train, TrainIn{Data: data, Depth: 3})
//	report := graph.Then(g, Report, model) // Report takes a Model itself
//	run, err := g.Submit(ctx)
//	text, err := task.Get(ctx, run, report)
//
// # Edges
//
// What the Ref stands for says when the child starts:
//
//   - task.Ref[T]: when the parent has succeeded.
//   - task.Ref[task.Opt[T]], made by [task.OptOf]: also when it was skipped.
//   - task.Ref[task.Result[T]], made by [task.ResultOf]: when it has ended in any way.
//
// With any other end of the parent the child is skipped. [After] makes the same edges
// without data, [When] and [Unless] make a node depend on a condition. Where a node
// has several edges to the same parent, the strictest holds: a condition before
// success, success before [task.OptOf], that before [task.ResultOf].
//
// # Sub-graphs
//
// A sub-graph is a function that takes a *Graph, and Refs where it begins, and returns
// Refs where it ends. [Graph.Group] keeps the names of its nodes apart:
//
//	for i := range 5 {
//		scores = append(scores, fold(g.Group(fmt.Sprint("fold-", i)), data, i))
//	}
//
// # Drawing
//
// [Graph.Plan] checks the graph and needs no queue; [DOT], [Mermaid] and [JSON] draw
// the plan.
package graph

import (
	"context"
	"sync/atomic"

	"github.com/gomlq/mlq/task"
)

// Graph is a graph that is being built. Make one with [New], add nodes with [Add] and
// [Then], then [Graph.Submit] it. Nothing is posted before that, and what is wrong is
// kept for [Graph.Plan], which tells all of it at once.
//
// The zero Graph has no name, so Plan refuses it. A Graph is not safe for concurrent
// use; neither are a Graph and its groups.
type Graph struct {
	b      *builder
	prefix string // of names: empty, or ending in a slash
}

// builder is what a graph and its groups share.
type builder struct {
	id     uint64 // tells Refs to its nodes from those of other graphs
	plan   task.Plan
	wishes []wish // one for each of plan.Nodes
	faults []fault
}

// wish is what was said of a node beside what is in the plan.
type wish struct {
	prefix  string
	named   bool // by Name: Node.Name is not to be made up
	counted bool // by AtLeast
}

// lastID is the ID of the newest graph of this process.
var lastID atomic.Uint64

// New returns an empty graph. The name is one of metrics and of the web page, so it
// should say what the graph does and not vary from run to run; [task.CheckName] has
// the rules, and Plan reports a name that breaks them.
func New(name string, opts ...RunOption) *Graph {
	b := newBuilder(name)
	for _, o := range opts {
		o.run(&b.plan)
	}
	return &Graph{b: b}
}

func newBuilder(name string) *builder {
	return &builder{id: lastID.Add(1), plan: task.Plan{Name: name}}
}

func (g *Graph) builder() *builder {
	if g.b == nil {
		g.b = newBuilder("")
	}
	return g.b
}

// Group returns a view of g that puts prefix and a slash in front of the names of the
// nodes added through it. It is the same graph: Refs pass freely between groups, and
// Plan and Submit are about all of it. Groups nest; an empty prefix adds nothing.
func (g *Graph) Group(prefix string) *Graph {
	if prefix != "" {
		prefix += "/"
	}
	return &Graph{b: g.builder(), prefix: g.prefix + prefix}
}

// Add adds a node that runs t with the input in, and returns a Ref to its result. Its
// parents are the nodes that Refs in the input stand for, wherever [task.Needs] finds
// them. The task gets them with Get or [task.All].
//
// Queue, attempts, timeout and priority of a node are those of its task; t.With gives
// it others: Add(g, Train.With(task.Queue("gpu")), in).
//
// The input is encoded at once: to change it later changes nothing.
func Add[In, Out any](g *Graph, t task.Typed[In, Out], in In, opts ...Option) task.Ref[Out] {
	b := g.builder()
	needs, err := task.Needs(in)
	if err != nil {
		var zero In
		in = zero // the other one has no end, and cannot be encoded
	}
	i := b.add(t.Call(in), g.prefix)
	if err != nil {
		b.fault(i, "input", err)
	}
	b.take(i, needs)
	b.finish(i, opts)
	return task.NodeRef[Out](b.id, i)
}

// Then adds a node that runs t when a has succeeded, with the result of a as its
// input, and returns a Ref to its own result. To pass more than one result, or one
// that need not succeed, use [Add] with a Ref in the input.
func Then[A, B any](g *Graph, t task.Typed[A, B], a task.Ref[A], opts ...Option) task.Ref[B] {
	b := g.builder()
	var zero A
	i := b.add(withoutInput(t, t.Call(zero)), g.prefix)
	needs, _ := task.Needs(a) // a Ref has no depth
	if len(needs) == 1 {
		b.hand(i, &needs[0])
	} else {
		b.fault(i, "parent", invalid("a list that is put together is the result of no node; use graph.Add, with the Ref in the input"))
	}
	b.finish(i, opts)
	return task.NodeRef[B](b.id, i)
}

// Submit checks the graph and starts it as a run, whole or not at all. ctx must lead
// to a queue (see [task.ErrNoPort]). The errors are those of [Graph.Plan] and of
// [task.Submit]. Submitted again, the graph is another run.
func (g *Graph) Submit(ctx context.Context) (task.Run, error) {
	p, err := g.Plan()
	if err != nil {
		return task.Run{}, err
	}
	return task.Submit(ctx, p)
}
