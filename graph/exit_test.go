package graph_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

// Farewell is the input of an exit job.
type Farewell struct {
	Words  task.Ref[task.Result[int]]
	Broken task.Ref[task.Result[int]]
}

func TestExitJobsKnowHowTheRunHasEnded(t *testing.T) {
	t.Parallel()
	said := make(chan string, 2)
	bye := task.Define("bye", task.Action(func(ctx task.Context, in Farewell) error {
		run, ok := task.RunOf(ctx)
		if !ok {
			return task.Permanent(errors.New("an exit job knows of no run"))
		}
		rec, err := run.Record(ctx)
		if err != nil {
			return err
		}
		words, err := in.Words.Get(ctx)
		if err != nil {
			return err
		}
		broken, err := in.Broken.Get(ctx)
		if err != nil {
			return err
		}
		if words.Value != 4 || broken.Err == nil {
			t.Errorf("an exit job reads %+v and %+v", words, broken)
		}
		said <- rec.State.String()
		return nil
	}))
	q := queue(t, bye)

	g := graph.New("leaves", graph.KeepGoing())
	words, broken := graph.Add(g, length, "word"), graph.Add(g, fails, 1)
	graph.Then(g, double, broken)
	graph.OnExit(g, bye, Farewell{task.ResultOf(words), task.ResultOf(broken)})
	run := submit(q, t, g)
	if err := run.Wait(q); err == nil {
		t.Error("the run has not failed")
	}
	if got := <-said; got != task.Failed.String() {
		t.Errorf("the exit job was told that the run is %s", got)
	}
}

func TestWrongExitJobsAreReported(t *testing.T) {
	t.Parallel()
	g, n := one()
	_, far := one()
	graph.OnExit(g, double, 1)
	graph.OnExit(g, sum, Sum{[]task.Ref[int]{n, far, {}}})
	_, err := g.Plan()
	if err == nil || !errors.Is(err, task.ErrInvalid) {
		t.Fatalf("Plan: %v", err)
	}
	for _, want := range []string{
		"exit job 1, input.Of[0]: task: invalid: the run may end otherwise than with a success of this node; take its result by task.ResultOf",
		"exit job 1, input.Of[1]: task: invalid: the Ref is to node 0 of another graph",
		"exit job 1, input.Of[2]: task: invalid: a zero Ref",
	} {
		if strings.Count(err.Error(), want) != 1 {
			t.Errorf("Plan does not say once %q, but\n%v", want, err)
		}
	}
	g, _ = one()
	for range task.MaxExits + 1 {
		graph.OnExit(g, double, 1)
	}
	if _, err := g.Plan(); err == nil || !strings.Contains(err.Error(), "17 exit jobs, want at most 16") {
		t.Errorf("Plan of 17 exit jobs: %v", err)
	}
}
