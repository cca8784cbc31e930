package graph_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

func TestEventsTellTheStateOfEachNode(t *testing.T) {
	servers(t, func(t *testing.T, q context.Context) {
		g := graph.New("watched", graph.Events(), graph.KeepGoing())
		ns := graph.Add(g, upTo, 30)
		graph.Then(g, total, graph.Map(g, square, ns, graph.MaxParallel(4)))
		graph.Then(g, good, graph.MapSome(g, even, ns))
		run := submit(q, t, g)
		states, seq, over := map[int]task.State{}, uint64(0), task.State(0)
		for e, err := range run.Events(q, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if seq++; e.Seq != seq || e.At.IsZero() {
				t.Fatalf("event %d is %+v", seq, e)
			}
			if e.OfRun() {
				over = e.State
			} else {
				states[e.Node] = e.State
			}
		}
		rec, err := run.Record(q)
		if err != nil {
			t.Fatal(err)
		}
		counts := map[task.State]int{}
		for _, s := range states {
			counts[s]++
		}
		if over != rec.State || len(states) != rec.Nodes || counts[task.Succeeded] != rec.Counts[task.Succeeded] || counts[task.Failed] != rec.Counts[task.Failed] {
			t.Errorf("by its events the run is %v with %v, by its record %v with %v", over, counts, rec.State, rec.Counts)
		}
		for e, err := range run.Events(q, seq-1) {
			if err != nil || e.Seq != seq || !e.OfRun() {
				t.Errorf("the last event is %+v, %v", e, err)
			}
		}
	})
}

func TestARunWithoutEventsSaysHowToHaveThem(t *testing.T) {
	t.Parallel()
	q := queue(t)
	g, _ := one()
	n := 0
	for _, err := range submit(q, t, g).Events(q, 0) {
		if n++; !errors.Is(err, task.ErrInvalid) {
			t.Errorf("it has an event, %v", err)
		}
	}
	if n != 1 {
		t.Errorf("%d events and errors, want one error", n)
	}
}

func TestAPausedRunGoesOnWhenItIsResumed(t *testing.T) {
	servers(t, func(t *testing.T, q context.Context) {
		g := graph.New("paused")
		last := graph.Then(g, total, graph.Map(g, square, graph.Add(g, upTo, 500)))
		run := submit(q, t, g)
		state, err := run.Pause(q)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := run.Record(q)
		if err != nil || state == task.Running && !rec.Paused && rec.State == task.Running {
			t.Errorf("it was paused, and its record is %+v, %v", rec, err)
		}
		if _, err := run.Resume(q); err != nil {
			t.Fatal(err)
		}
		want := 0
		for i := range 500 {
			want += i * i
		}
		if got, err := task.Get(q, run, last); err != nil || got != want {
			t.Errorf("the sum is %d, %v, want %d", got, err, want)
		}
	})
}
