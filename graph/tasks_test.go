package graph_test

import (
	"strings"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

// The tasks of the tests and examples.
var (
	length = task.Define("length", task.Plain(func(_ ctx, s string) (int, error) { return len(s), nil }))
	double = task.Define("double", task.Plain(func(_ ctx, n int) (int, error) { return 2 * n, nil }))
	long   = task.Define("long", task.Plain(func(_ ctx, n int) (bool, error) { return n > 10, nil }))
	sum    = task.Define("sum", func(ctx task.Context, in Sum) (int, error) {
		ns, err := task.All(ctx, in.Of)
		total := 0
		for _, n := range ns {
			total += n
		}
		return total, err
	})
	list = task.Define("list", func(ctx task.Context, in []task.Ref[string]) (string, error) {
		ss, err := task.All(ctx, in)
		return strings.Join(ss, " "), err
	})
	upper = task.Define("upper", task.Plain(func(_ ctx, s string) (string, error) { return strings.ToUpper(s), nil }))
	note  = task.Define("note", task.Action(func(task.Context, string) error { return nil }))
	ended = task.Declare[Ended, int]("ended")
	maybe = task.Declare[Maybe, int]("maybe")
)

// Sum is the input of a fan-in: all of them must succeed.
type Sum struct{ Of []task.Ref[int] }

// Ended takes jobs however they end.
type Ended struct {
	Of []task.Ref[task.Result[int]]
}

// Maybe takes a job that may be skipped.
type Maybe struct{ N task.Ref[task.Opt[int]] }

// one returns a graph with one node of a number.
func one() (*graph.Graph, task.Ref[int]) {
	g := graph.New("g")
	return g, graph.Add(g, length, "word")
}
