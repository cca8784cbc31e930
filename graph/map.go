package graph

import (
	"github.com/gomlq/mlq/task"
)

// Map adds a node that runs t once for each element of a list, and returns a Ref to the
// list of the results, in the order of the elements. How many elements there are is known
// when the run comes to it: none gives an empty list, and [task.MaxMapWidth] is the most.
//
//	grid := graph.Add(g, Grid, 10)       // task.Ref[[]Params]
//	scores := graph.Map(g, Fit, grid)    // task.Ref[[]Score]
//	best := graph.Then(g, Best, scores)
//
// The list is the result of a node, of another Map among others, or a small one that is
// known now, made by [task.Value]; [task.Zip] and [task.Cross] put two together.
//
// The map fails with the first of its jobs that does, and the others end; where that is
// not wanted there is [MapSome]. A job that is skipped or cancelled makes the map skipped.
// A graph that keeps going ([KeepGoing]) runs the other jobs of the map before it fails.
//
// Options of the node hold for the map; how its jobs are run is said of the task.
func Map[E, Out any](g *Graph, t task.Typed[E, Out], over task.Ref[[]E], opts ...MapOption) task.Ref[[]Out] {
	i := mapped(g, t, over, nil, task.Map{})
	finishMap(g, i, opts, MapOption.mapped)
	return task.NodeRef[[]Out](g.b.id, i)
}

// MapWith is [Map] for a task that takes more than the element: build makes the input of
// the jobs, which are alike but for the element. It is called once, with a Ref that is
// another element in each job.
//
//	fits := graph.MapWith(g, Fit, grid, func(p task.Ref[Params]) FitIn { return FitIn{data, p} })
func MapWith[E, In, Out any](g *Graph, t task.Typed[In, Out], over task.Ref[[]E], build func(task.Ref[E]) In, opts ...MapOption) task.Ref[[]Out] {
	i := mapped(g, t, over, build, task.Map{})
	finishMap(g, i, opts, MapOption.mapped)
	return task.NodeRef[[]Out](g.b.id, i)
}

// MapSome is [Map] for jobs of which some may fail: the result says of each how it
// ended. Without [AllowFailures] or [AllowFailureRate] all may. Those that were skipped
// do not count as failures, those that were cancelled do.
func MapSome[E, Out any](g *Graph, t task.Typed[E, Out], over task.Ref[[]E], opts ...SomeOption) task.Ref[[]task.Result[Out]] {
	i := mapped(g, t, over, nil, some())
	finishMap(g, i, opts, SomeOption.some)
	return task.NodeRef[[]task.Result[Out]](g.b.id, i)
}

// MapSomeWith is to [MapSome] what [MapWith] is to [Map].
func MapSomeWith[E, In, Out any](g *Graph, t task.Typed[In, Out], over task.Ref[[]E], build func(task.Ref[E]) In, opts ...SomeOption) task.Ref[[]task.Result[Out]] {
	i := mapped(g, t, over, build, some())
	finishMap(g, i, opts, SomeOption.some)
	return task.NodeRef[[]task.Result[Out]](g.b.id, i)
}

func some() task.Map {
	return task.Map{Some: true, MaxFailures: task.MaxMapWidth, MaxFailureRate: 1}
}

// mapped adds a node for m over a list. Without build the element is the input.
func mapped[E, In, Out any](g *Graph, t task.Typed[In, Out], over task.Ref[[]E], build func(task.Ref[E]) In, m task.Map) int {
	b := g.builder()
	i := len(b.plan.Nodes)
	var in In
	var needs []task.Need
	var deep error
	if build != nil {
		in = build(task.ElementRef[E](b.id, i))
		if needs, deep = task.Needs(in); deep != nil {
			var zero In
			in = zero
		}
	}
	c := t.Call(in)
	if build == nil {
		c = withoutInput(t, c)
		c.Payload = task.Data{Codec: task.CodecElement}
	}
	b.add(c, g.prefix)
	if deep != nil {
		b.fault(i, "input", deep)
	}
	list, err := task.ListOf(over)
	lists, _ := task.Needs(over) // a Ref has no depth
	faults := len(b.faults)
	for k := range lists {
		b.need(i, &lists[k], "list")
	}
	if err != nil && len(b.faults) == faults { // else it has been said better
		b.fault(i, "list", err)
	}
	m.Over = list
	b.plan.Nodes[i].Map = &m
	if build != nil {
		b.takeWith(i, needs)
	}
	return i
}

// takeWith makes edges of the Refs in the input of a map. One of them is its element.
func (b *builder) takeWith(i int, needs []task.Need) {
	used := false
	for k := range needs {
		if n := &needs[k]; n.Kind == task.NeedElement && n.Graph == b.id && n.Node == i && !n.Lost {
			used = true
		} else {
			b.need(i, n, "input")
		}
	}
	if !used {
		b.fault(i, "input", invalid("build does not use the element that it is given, so that all jobs would be alike; put the Ref into the input"))
	}
}

// finishMap applies the options of node i, each by apply, and puts its edges in order.
func finishMap[O any](g *Graph, i int, opts []O, apply func(O, *builder, int)) {
	for _, o := range opts {
		apply(o, g.b, i)
	}
	g.b.order(i)
}

// A MapOption goes with [Map] and [MapWith]; an [Option] is one too.
type MapOption interface {
	SomeOption
	mapped(b *builder, i int)
}

// A SomeOption goes with [MapSome] and [MapSomeWith]; a [MapOption] is one too.
type SomeOption interface{ some(b *builder, i int) }

type mapOption func(b *builder, i int)

func (f mapOption) mapped(b *builder, i int) { f(b, i) }
func (f mapOption) some(b *builder, i int)   { f(b, i) }

type someOption func(b *builder, i int)

func (f someOption) some(b *builder, i int) { f(b, i) }

// MaxParallel bounds how many jobs of a map are ready, delayed or running at a time: 1 to
// [task.MaxMapWidth]. Without it, [task.RunWindow] bounds the jobs of the whole run.
func MaxParallel(k int) MapOption {
	return mapOption(func(b *builder, i int) {
		if k < 1 || k > task.MaxMapWidth {
			b.fault(i, "MaxParallel", invalid("it is %d, want 1 to %d; leave the option out for the default", k, task.MaxMapWidth))
			return
		}
		b.plan.Nodes[i].Map.MaxParallel = k
	})
}

// AllowFailures lets up to k jobs of a map fail; with one more the map does. With
// [AllowFailureRate] too, both must hold.
func AllowFailures(k int) SomeOption {
	return someOption(func(b *builder, i int) {
		if k < 0 || k > task.MaxMapWidth {
			b.fault(i, "AllowFailures", invalid("it is %d, want 0 to %d; leave the option out if all may fail", k, task.MaxMapWidth))
			return
		}
		b.plan.Nodes[i].Map.MaxFailures = k
	})
}

// AllowFailureRate lets a part of the jobs of a map fail, from 0 to 1 of all, rounded
// down.
func AllowFailureRate(part float64) SomeOption {
	return someOption(func(b *builder, i int) {
		if !(part >= 0 && part <= 1) {
			b.fault(i, "AllowFailureRate", invalid("it is %v, want 0 to 1: 0.05 are five of a hundred", part))
			return
		}
		b.plan.Nodes[i].Map.MaxFailureRate = part
	})
}
