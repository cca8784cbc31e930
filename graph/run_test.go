package graph_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

var (
	number = task.Define("number", task.Plain(func(_ ctx, n int) (string, error) { return strconv.Itoa(n), nil }))
	lines  = task.Define("lines", task.Plain(func(_ ctx, s string) ([]string, error) { return strings.Fields(s), nil }))
	count  = task.Define("count", task.Plain(func(_ ctx, ss []string) (int, error) { return len(ss), nil }))
	fails  = task.Define("fails", task.Plain(func(ctx, int) (int, error) { return 0, task.Permanent(errors.New("out of paper")) }))
)

// queue returns a queue with a worker that runs the tasks of the tests, and more.
func queue(t *testing.T, more ...task.Handler) context.Context {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	b, err := broker.Open(t.Context(), "embedded://", broker.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	w, err := runtime.NewWorker(b, runtime.Config{Slots: 8, Logger: quiet},
		append(more, length, double, long, sum, list, upper, note, number, lines, count, fails)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, b.Close()); err != nil {
			t.Error(err)
		}
	})
	return runtime.NewClient(b).With(t.Context())
}

func submit(q context.Context, t *testing.T, g *graph.Graph) task.Run {
	t.Helper()
	run, err := g.Submit(q)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func TestThenHandsResultsOnByTheirType(t *testing.T) {
	t.Parallel()
	q := queue(t)
	g := graph.New("chain")
	words := graph.Then(g, lines, graph.Then(g, upper, graph.Add(g, upper, "to be or not to be")))
	n := graph.Then(g, count, words)
	is := graph.Then(g, long, graph.Then(g, double, n))
	run := submit(q, t, g)
	if got, err := task.Get(q, run, is); err != nil || !got {
		t.Errorf("twice six words: %v, %v, want more than 10", got, err)
	}
	if got, err := task.Get(q, run, words); err != nil || strings.Join(got, " ") != "TO BE OR NOT TO BE" {
		t.Errorf("the words are %q, %v", got, err)
	}
	if err := run.Wait(q); err != nil {
		t.Error(err)
	}
}

func TestALongChainIsRunInOrder(t *testing.T) {
	t.Parallel()
	q := queue(t)
	g := graph.New("powers")
	last := graph.Add(g, count, make([]string, 1))
	for range 60 {
		last = graph.Then(g, double, last)
	}
	if got, err := task.Get(q, submit(q, t, g), last); err != nil || got != 1<<60 {
		t.Errorf("2^60 is %d, %v", got, err)
	}
}

func TestFanInReadsAllInTheOrderOfItsInput(t *testing.T) {
	t.Parallel()
	const wide = 300
	q := queue(t)
	g := graph.New("fan")
	root := graph.Add(g, length, "word")
	refs, want := make([]task.Ref[string], wide), make([]string, wide)
	var ns []task.Ref[int]
	for i := range refs {
		want[wide-1-i] = strconv.Itoa(i)
		refs[wide-1-i] = graph.Add(g, number, i, graph.After(root)) // the input is the other way round
		ns = append(ns, graph.Then(g, double, root))
	}
	text := graph.Add(g, list, refs)
	total := graph.Add(g, sum, Sum{Of: append(ns, task.Value(-8), root)})
	run := submit(q, t, g)
	if got, err := task.Get(q, run, text); err != nil || got != strings.Join(want, " ") {
		t.Errorf("the list is %q, %v", got, err)
	}
	if got, err := task.Get(q, run, total); err != nil || got != 8*wide-4 {
		t.Errorf("the sum is %d, %v, want %d", got, err, 8*wide-4)
	}
}

func TestSubgraphsShareNodes(t *testing.T) {
	t.Parallel()
	q := queue(t)
	part := func(g *graph.Graph, n task.Ref[int], times int) task.Ref[int] {
		for range times {
			n = graph.Then(g, double, n)
		}
		return n
	}
	g := graph.New("parts")
	n := graph.Add(g, length, "word")
	total := graph.Add(g, sum, Sum{[]task.Ref[int]{part(g.Group("a"), n, 1), part(g.Group("b"), n, 3), task.Value(2)}})
	if got, err := task.Get(q, submit(q, t, g), total); err != nil || got != 8+32+2 {
		t.Errorf("sum %d, %v, want 42", got, err)
	}
}

func TestAFailureEndsTheRun(t *testing.T) {
	t.Parallel()
	q := queue(t)
	g := graph.New("fails", graph.KeepGoing())
	bad := graph.Add(g, fails, 1)
	after := graph.Then(g.Group("then"), double, bad)
	good := graph.Add(g, length, "word")
	run := submit(q, t, g)
	if err := run.Wait(q); !errors.Is(err, task.ErrFailed) || !strings.Contains(err.Error(), `node "fails": out of paper`) {
		t.Errorf("the run ended with %v, want the failure of its node", err)
	}
	if _, err := task.Get(q, run, bad); !errors.Is(err, task.ErrFailed) || !strings.Contains(err.Error(), `node "fails"`) {
		t.Errorf("the failed node: %v, want its name", err)
	}
	if _, err := task.Get(q, run, after); !errors.Is(err, task.ErrSkipped) || !strings.Contains(err.Error(), `node "then/double"`) {
		t.Errorf("the child of a failed node: %v, want ErrSkipped", err)
	}
	if n, err := task.Get(q, run, good); n != 4 || err != nil {
		t.Errorf("a node beside it: %d, %v, want 4", n, err)
	}
}

func TestTwoBranchesAreJoined(t *testing.T) {
	t.Parallel()
	q := queue(t)
	for word, want := range map[string]int{"short": 10, "a word of some length": 42} {
		g := graph.New("either")
		n := graph.Add(g, length, word)
		is := graph.Then(g, long, n)
		twice := graph.Then(g, double, n, graph.When(is))
		sums := graph.Add(g, sum, Sum{[]task.Ref[int]{n, n}}, graph.Unless(is))
		last := graph.Add(g, sum, Sum{[]task.Ref[int]{task.Either(twice, sums)}})
		run := submit(q, t, g)
		if got, err := task.Get(q, run, last); err != nil || got != want {
			t.Errorf("twice the length of %q: %d, %v, want %d", word, got, err, want)
		}
		if err := run.Wait(q); err != nil {
			t.Error(err)
		}
	}
}
