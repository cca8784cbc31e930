package graph_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

type ctx = context.Context

// hidden is an input with Refs that no worker would see.
type hidden struct {
	Untold task.Ref[int] `json:"-"`
	small  task.Ref[int]
}

// optional is an input with a Ref that may be absent.
type optional struct{ N *task.Ref[int] }

// loop is an input that may lead to itself.
type loop struct {
	N    task.Ref[int]
	Next *loop
}

var (
	takesHidden   = task.Declare[hidden, int]("hidden")
	takesOptional = task.Declare[optional, int]("optional")
	takesLoop     = task.Declare[*loop, int]("loop")
	takesFunc     = task.Declare[func(), int]("func")
	takesResult   = task.Declare[task.Result[int], int]("result")
	takesBool     = task.Declare[task.Ref[bool], int]("bool")
	badTask       = task.Declare[int, int]("bad name")
)

func TestPlanReportsWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	other, foreign := one()
	_ = other
	posted := task.At[int](t.Context(), task.NewID(1, task.KindLone, 1, 0, 0, 0)).Ref()
	for what, tt := range map[string]struct {
		build func(g *graph.Graph, n task.Ref[int])
		want  []string
	}{
		"a Ref of another graph": {
			func(g *graph.Graph, n task.Ref[int]) { graph.Add(g, sum, Sum{[]task.Ref[int]{n, foreign}}) },
			[]string{`node "sum", input.Of[1]: `, "another graph"},
		},
		"a Ref of a later node": {
			func(g *graph.Graph, n task.Ref[int]) {
				id, _, _ := n.Node()
				graph.Add(g, sum, Sum{[]task.Ref[int]{task.NodeRef[int](id, 1)}})
			},
			[]string{`node "sum", input.Of[0]: `, "not in the graph yet"},
		},
		"a zero Ref": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Add(g, maybe, Maybe{}) },
			[]string{`node "maybe", input.N: `, "forgotten"},
		},
		"a zero Ref as the input": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Add(g, takesBool, task.Ref[bool]{}) },
			[]string{`node "bool", input: `, "forgotten"},
		},
		"Refs that are not encoded": {
			func(g *graph.Graph, n task.Ref[int]) { graph.Add(g, takesHidden, hidden{Untold: n, small: n}) },
			[]string{`node "hidden", input.Untold: `, `node "hidden", input.small: `, "not encoded"},
		},
		"a map over a list that is too large to be carried along": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Map(g, square, task.Value(make([]int, 5000))) },
			[]string{`node "square", list: `, "let a task return it"},
		},
		"a map over nothing": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Map(g, square, task.Ref[[]int]{}) },
			[]string{`node "square", list: `, "forgotten"},
		},
		"a map over pairs of which one half is missing": {
			func(g *graph.Graph, _ task.Ref[int]) {
				graph.Map(g, add, task.Zip(graph.Add(g, upTo, 1), task.Ref[[]int]{}))
			},
			[]string{`node "add", list: `, "forgotten"},
		},
		"a map that does not use its element": {
			func(g *graph.Graph, n task.Ref[int]) {
				graph.MapWith(g, scale, graph.Add(g, upTo, 1), func(task.Ref[int]) Scale { return Scale{n, n} })
			},
			[]string{`node "scale", input: `, "would be alike"},
		},
		"an element of another map": {
			func(g *graph.Graph, n task.Ref[int]) {
				var first task.Ref[int]
				ns := graph.Add(g, upTo, 1)
				graph.MapWith(g, scale, ns, func(e task.Ref[int]) Scale { first = e; return Scale{e, n} })
				graph.MapWith(g, scale, ns, func(e task.Ref[int]) Scale { return Scale{e, first} })
				graph.Then(g, square, first)
			},
			[]string{`node "scale-2", input.By: `, `node "square", parent: `, "only known in its own input"},
		},
		"options of maps": {
			func(g *graph.Graph, _ task.Ref[int]) {
				ns := graph.Add(g, upTo, 1)
				graph.Map(g, square, ns, graph.MaxParallel(0))
				graph.MapSome(g, square, ns, graph.AllowFailures(-1), graph.AllowFailureRate(5), graph.MaxParallel(100_001))
			},
			[]string{`"square", MaxParallel: `, `"square-2", AllowFailures: `, `"square-2", AllowFailureRate: `, `"square-2", MaxParallel: `},
		},
		"a posted job": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Add(g, sum, Sum{[]task.Ref[int]{posted}}) },
			[]string{`node "sum", input.Of[0]: `, "wait for it first"},
		},
		"an input without end": {
			func(g *graph.Graph, n task.Ref[int]) {
				in := &loop{N: n}
				in.Next = in
				graph.Add(g, takesLoop, in)
			},
			[]string{`node "loop", input: `, "lead to itself"},
		},
		"an input that cannot be encoded": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Add(g, takesFunc, func() {}) },
			[]string{`node "func": `, "cannot encode func()"},
		},
		"a task with a bad name": {
			func(g *graph.Graph, n task.Ref[int]) {
				graph.Add(g, badTask, 1)
				graph.Then(g, badTask, n)
			},
			[]string{`node "bad name": `, `node "bad name-2": `, "the task name"},
		},
		"a zero task": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Add(g, task.Task[int, int]{}, 1) },
			[]string{`node "node": `, "a zero Decl or Task"},
		},
		"a task with bad options": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Add(g, double.With(task.MaxAttempts(-1)), 1) },
			[]string{`node "double": `, "MaxAttempts"},
		},
		"a name given twice": {
			func(g *graph.Graph, _ task.Ref[int]) {
				graph.Add(g, double, 1, graph.Name("same"))
				graph.Add(g, double, 1, graph.Name("same"))
			},
			[]string{`nodes 1 and 2 are both named "same"`},
		},
		"an empty name": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Add(g, double, 1, graph.Name("")) },
			[]string{`node "double", Name: `, "empty"},
		},
		"When and Unless of one condition": {
			func(g *graph.Graph, n task.Ref[int]) {
				is := graph.Then(g, long, n)
				graph.Add(g, double, 1, graph.When(is), graph.Unless(is), graph.When(is), graph.Unless(is))
			},
			[]string{`node "double": `, `the same condition, node "long": it can never run`},
		},
		"a condition that is known": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Add(g, double, 1, graph.Unless(task.Value(true))) },
			[]string{`node "double", Unless: `, "with an if"},
		},
		"a zero condition": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Add(g, double, 1, graph.When(task.Ref[bool]{})) },
			[]string{`node "double", When: `, "forgotten"},
		},
		"After something that is none": {
			func(g *graph.Graph, n task.Ref[int]) {
				graph.Add(g, double, 1, graph.After(n, nil, posted), graph.After(task.Ref[int]{}, foreign))
			},
			[]string{
				`node "double", After[1]: `, "it is <nil>, want a task.Ref", `node "double", After[2]: `, "posted job",
				`node "double", After[0]: `, "forgotten", `node "double", After[1]: task: invalid: the Ref is to node 0 of another graph`,
			},
		},
		"AtLeast of too few": {
			func(g *graph.Graph, n task.Ref[int]) {
				r := task.ResultOf(n)
				graph.Add(g, ended, Ended{[]task.Ref[task.Result[int]]{r, r}}, graph.AtLeast(2))
				graph.Add(g, ended, Ended{[]task.Ref[task.Result[int]]{r}}, graph.AtLeast(0))
				graph.Add(g, sum, Sum{[]task.Ref[int]{n}}, graph.AtLeast(1))
				graph.Add(g, ended, Ended{[]task.Ref[task.Result[int]]{r}}, graph.After(n), graph.AtLeast(1))
			},
			[]string{
				`node "ended", AtLeast: task: invalid: it is 2, want 1 to 1`, `node "ended-2", AtLeast: task: invalid: it is 0, want 1 to 1`,
				`node "sum", AtLeast: task: invalid: all parents must succeed`, `node "ended-3", AtLeast: task: invalid: all parents must succeed`,
			},
		},
		"Then of a value": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Then(g, double, task.Value(1)) },
			[]string{`node "double", parent: `, "graph.Add with the value"},
		},
		"Then of what may fail": {
			func(g *graph.Graph, n task.Ref[int]) { graph.Then(g, takesResult, task.ResultOf(n)) },
			[]string{`node "result", parent: `, "must succeed"},
		},
		"Then of nothing": {
			func(g *graph.Graph, _ task.Ref[int]) { graph.Then(g, double, task.Ref[int]{}) },
			[]string{`node "double", parent: `, "forgotten"},
		},
	} {
		g, n := one()
		tt.build(g, n)
		p, err := g.Plan()
		if !errors.Is(err, task.ErrInvalid) || len(p.Nodes) != 0 {
			t.Errorf("%s: plan of %d nodes, %v; want none, ErrInvalid", what, len(p.Nodes), err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in the report:\n%v", what, want, err)
			}
		}
	}
}

func TestPlanReportsEveryFaultOnceAndAtOnce(t *testing.T) {
	t.Parallel()
	g := graph.New("a graph", graph.Deadline(-time.Second))
	graph.Add(g, badTask, 1)
	graph.Add(g, maybe, Maybe{}, graph.AtLeast(3), graph.Name("x"))
	graph.Add(g, double, 1, graph.Name("x"))
	_, err := g.Plan()
	faults := leaves(err)
	for _, want := range []string{
		`node "bad name": `, `node "x", input.N: `, `node "x", AtLeast: `, `the graph name "a graph"`, "the deadline", `both named "x"`,
	} {
		found := 0
		for _, f := range faults {
			if strings.Contains(f.Error(), want) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%q is in the report %d times, want once:\n%v", want, found, err)
		}
	}
	for _, f := range faults {
		if !errors.Is(f, task.ErrInvalid) {
			t.Errorf("%v does not wrap ErrInvalid", f)
		}
	}
	if len(faults) != 6 {
		t.Errorf("%d faults, want 6:\n%v", len(faults), err)
	}
}

// leaves takes joined errors apart.
func leaves(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || !strings.Contains(err.Error(), "\n") {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, leaves(e)...)
	}
	return all
}

func TestGraphsWithoutNodesOrNameAreRefused(t *testing.T) {
	t.Parallel()
	if _, err := graph.New("empty").Submit(t.Context()); !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), "0 nodes") {
		t.Errorf("an empty graph: %v", err)
	}
	var zero graph.Graph
	graph.Add(zero.Group("part"), double, 1)
	graph.Add(&zero, double, 1)
	if _, err := zero.Plan(); !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), "a graph needs a name") {
		t.Errorf("the zero graph: %v", err)
	}
	g, _ := one()
	if _, err := g.Submit(t.Context()); !errors.Is(err, task.ErrNoPort) {
		t.Errorf("Submit where there is no queue: %v, want ErrNoPort", err)
	}
}

func TestNodesWithoutANameAreNumbered(t *testing.T) {
	t.Parallel()
	g := graph.New("g")
	graph.Add(g, double, 1)
	graph.Add(g, double, 1, graph.Name("double-2"))
	graph.Add(g, double, 1)
	fold := g.Group("fold")
	graph.Add(fold, double, 1)
	graph.Add(fold.Group("").Group("deep"), double, 1, graph.Name("two"))
	graph.Add(fold, double, 1)
	graph.Add(g, upper, "")
	graph.Add(g, double, 1)
	graph.Add(g, double, 1, graph.Name("upper")) // given names go first
	want := []string{
		"double", "double-2", "double-3", "fold/double", "fold/deep/two", "fold/double-2", "upper-2", "double-4", "upper",
	}
	p, err := g.Plan()
	got := make([]string, len(p.Nodes))
	for i, n := range p.Nodes {
		got[i] = n.Name
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("names %q, %v, want %q", got, err, want)
	}
}

func TestTheStrictestEdgeHolds(t *testing.T) {
	t.Parallel()
	g, n := one()
	is := graph.Then(g, long, n)
	any, skip := task.ResultOf(is), task.OptOf(is)
	for _, tt := range []struct {
		opts []graph.Option
		want task.Accept
	}{
		{[]graph.Option{graph.After(any)}, task.AcceptAny},
		{[]graph.Option{graph.After(any, skip)}, task.AcceptSkip},
		{[]graph.Option{graph.After(skip, any)}, task.AcceptSkip},
		{[]graph.Option{graph.After(any, is, skip)}, task.AcceptSuccess},
		{[]graph.Option{graph.When(is), graph.After(is, any), graph.When(is)}, task.AcceptTrue},
		{[]graph.Option{graph.After(skip, is), graph.Unless(is)}, task.AcceptFalse},
	} {
		graph.Add(g, note, tt.want.String(), tt.opts...)
		p, err := g.Plan()
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Nodes[len(p.Nodes)-1].Parents; !slices.Equal(got, []task.Edge{{From: 1, Accept: tt.want}}) {
			t.Errorf("edges %v, want one from 1 that accepts %v", got, tt.want)
		}
	}
}

func TestAbsentAndKnownInputsMakeNoEdges(t *testing.T) {
	t.Parallel()
	g, n := one()
	graph.Add(g, takesOptional, optional{})
	graph.Add(g, sum, Sum{[]task.Ref[int]{task.Value(1)}}, graph.After(task.Value("x")))
	graph.Add(g, takesOptional, optional{&n})
	p, err := g.Plan()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 0, 0, 1} {
		if got := len(p.Nodes[i].Parents); got != want {
			t.Errorf("node %d has %d parents, want %d", i, got, want)
		}
	}
}

func TestPlanCarriesTaskOptionsAndInput(t *testing.T) {
	t.Parallel()
	g := graph.New("g", graph.KeepGoing(), graph.Deadline(time.Hour))
	n := graph.Add(g, double.With(task.Queue("gpu"), task.MaxAttempts(2)), 21)
	graph.Then(g, double, n)
	before, err := g.Plan()
	if err != nil || !before.KeepGoing || before.Deadline != time.Hour {
		t.Fatalf("plan %v, %v, want one that keeps going for an hour", before, err)
	}
	var in int
	node := before.Nodes[0]
	if err := node.Payload.Decode(&in); err != nil || in != 21 || node.Spec.Queue != "gpu" || node.Spec.MaxAttempts != 2 {
		t.Errorf("node of %d on %q with %d attempts, %v", in, node.Spec.Queue, node.Spec.MaxAttempts, err)
	}
	if got, want := before.Nodes[1].Payload, task.NodeResult(0); got.Codec != want.Codec || !slices.Equal(got.Bytes, want.Bytes) {
		t.Errorf("the input of Then is %v, want %v", got, want)
	}
	graph.Add(g, double, 1)
	if len(before.Nodes) != 2 {
		t.Errorf("the plan has grown to %d nodes with its graph", len(before.Nodes))
	}
}

// picky cannot be encoded when it is zero.
type picky struct{ Ready bool }

func (p picky) MarshalText() ([]byte, error) {
	if !p.Ready {
		return nil, errors.New("not ready")
	}
	return []byte("ready"), nil
}

func (*picky) UnmarshalText([]byte) error { return nil }

func TestThenTakesTypesWhoseZeroCannotBeEncoded(t *testing.T) {
	t.Parallel()
	g := graph.New("g")
	graph.Then(g, task.Declare[picky, int]("takes"), graph.Add(g, task.Declare[int, picky]("makes"), 1))
	if _, err := g.Plan(); err != nil {
		t.Error(err)
	}
}
