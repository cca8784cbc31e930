package broker

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

func TestCountsFollowEveryMove(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		b := open(t, redistest.Shared(t).URL(), Config{Partitions: partitions})
		ctx := t.Context()
		s, err := play(ctx, b)
		must(t, err)
		got, err := b.Counts(ctx)
		must(t, err)
		want := Counts{}
		for _, name := range s.names() {
			r, err := b.Read(ctx, []task.ID{s.ids[name]})
			must(t, err)
			want[r[0].State]++
		}
		for _, state := range task.States() {
			if got[state] != want[state] {
				t.Errorf("%v: counted %d, there are %d", state, got[state], want[state])
			}
		}
		if got.Live() != 0 {
			t.Errorf("%d jobs are live after all have ended", got.Live())
		}
		empty, err := b.Counts(ctx, "elsewhere")
		must(t, err)
		for state, n := range empty {
			if n != 0 {
				t.Errorf("a queue without jobs has %d that are %v", n, state)
			}
		}
		one, err := b.Counts(ctx, "elsewhere", task.DefaultQueue)
		must(t, err)
		if !maps.Equal(one, got) {
			t.Errorf("the default queue has %v, all together have %v", one, got)
		}
	}
}

func TestWaitIdleEndsWithTheLastJob(t *testing.T) {
	t.Parallel()
	b := open(t, redistest.Shared(t).URL(), Config{Partitions: 2})
	ctx := t.Context()
	must(t, b.WaitIdle(ctx))
	far := fCall("")
	far.Spec.Queue, far.Spec.Delay = "far", time.Hour
	_, err := b.Post(ctx, []task.Call{fCall(""), far})
	must(t, err)
	idle := make(chan error, 1)
	go func() { idle <- b.WaitIdle(ctx, task.DefaultQueue) }()
	h := newHand(t, b)
	jobs, err := h.claim(ctx, 5)
	must(t, err)
	select {
	case err := <-idle:
		t.Errorf("WaitIdle returned (%v) while a job runs", err)
	default:
	}
	must(t, h.finish(ctx, jobs...))
	select {
	case err := <-idle:
		must(t, err)
	case <-time.After(soon):
		t.Fatal("WaitIdle does not return, though no job is left")
	}
	short, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	wantErr(t, "WaitIdle of all queues", b.WaitIdle(short), context.DeadlineExceeded)
}

func TestWorkersAreThoseThatLive(t *testing.T) {
	t.Parallel()
	b := open(t, redistest.Shared(t).URL(), Config{Partitions: 2})
	ctx := t.Context()
	stays, goes := newHand(t, b), newHand(t, b)
	ws, err := b.Workers(ctx)
	must(t, err)
	if len(ws) != 2 {
		t.Errorf("there are %d workers, want 2: %+v", len(ws), ws)
	}
	must(t, b.Leave(ctx, goes.id))
	ws, err = b.Workers(ctx)
	must(t, err)
	if len(ws) != 1 || ws[0].Session != stays.id || ws[0].Name != "hand" {
		t.Errorf("the workers are %+v, want %v alone", ws, stays.id)
	}
}
