package broker

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// layers returns a plan of layers, each of whose nodes waits for all of the layer
// before it.
func layers(widths ...int) task.Plan {
	p := task.Plan{Name: "layers"}
	before := 0
	for _, width := range widths {
		var parents []int
		for i := range before {
			parents = append(parents, len(p.Nodes)-before+i)
		}
		for range width {
			p.Nodes = append(p.Nodes, task.Node{Call: task.Call{Functions: []string{"f"}}, Parents: task.After(parents...)})
		}
		before = width
	}
	return p
}

// TestModelOfWideRuns works off runs whose edges fill several chunks and more than
// one script may follow, and asks on the way that all adds up.
func TestModelOfWideRuns(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	for _, c := range []struct {
		name  string
		plan  task.Plan
		fail  int // the node that fails, -1 for none
		edits []edit
		want  map[task.State]int
	}{
		{"fan-out and fan-in", layers(1, 700, 1), -1, nil, map[task.State]int{task.Succeeded: 702}},
		{"fan-out and fan-in, slowly", layers(1, 300, 1), -1, []edit{slowly}, map[task.State]int{task.Succeeded: 302}},
		{"the first fails", layers(1, 700, 1), 0, nil, map[task.State]int{task.Failed: 1, task.Skipped: 701}},
		{"the first fails, slowly", layers(1, 300, 1), 0, []edit{slowly}, map[task.State]int{task.Failed: 1, task.Skipped: 301}},
		{"one of many fails", layers(1, 300, 1), 150, nil, map[task.State]int{task.Succeeded: 300, task.Failed: 1, task.Skipped: 1}},
		{"dense", layers(60, 60, 60), -1, nil, map[task.State]int{task.Succeeded: 180}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.plan.KeepGoing = true
			w := newWide(t, c.plan, c.edits...)
			for w.run(t).State == task.Running {
				w.step(t, c.fail)
			}
			got := w.run(t).Counts
			maps.DeleteFunc(got, func(_ task.State, n int) bool { return n == 0 })
			if !maps.Equal(got, c.want) {
				t.Errorf("the run ended with %v, want %v", got, c.want)
			}
		})
	}
}

// TestModelOfWideRunsThatFail asks that nothing new starts after a failure, and that
// the nodes of a run which is too large for one script end all the same.
func TestModelOfWideRunsThatFail(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	w := newWide(t, layers(1, 1000, 1))
	for w.run(t).State == task.Running {
		w.step(t, 50)
	}
	got := w.run(t)
	ran := got.Counts[task.Succeeded] + got.Counts[task.Failed] + got.Counts[task.Cancelled]
	if got.State != task.Failed || got.Counts[task.Failed] != 1 || ran > 400 || ran+got.Counts[task.Skipped] != 1002 {
		t.Errorf("the run ended as %v with %v, want failed, and most of it skipped", got.State, got.Counts)
	}
}

// TestModelOfWideRunsThatAreCancelled cancels while edges are still to be followed.
func TestModelOfWideRunsThatAreCancelled(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	w := newWide(t, layers(1, 100, 100, 100))
	w.step(t, -1)
	w.step(t, -1)
	if state, err := w.b.Cancel(t.Context(), w.id); err != nil {
		t.Fatalf("cancel: %v, %v", state, err)
	}
	for w.run(t).State == task.Running {
		w.step(t, -1)
	}
	if got := w.run(t); got.State != task.Cancelled || got.Counts[task.Succeeded] != 1 {
		t.Errorf("the run ended as %v with %v, want cancelled after one node", got.State, got.Counts)
	}
}

// TestModelOfWideRunsThatAreResumed resumes runs that are too large for one script, and
// stops them again on the way: what is left of an earlier stop or resume must not
// meddle with a later one.
func TestModelOfWideRunsThatAreResumed(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	const nodes = 700
	widths := make([]int, nodes)
	for i := range widths {
		widths[i] = 1
	}
	for name, p := range map[string]task.Plan{"a chain": layers(widths...), "a fan": layers(1, nodes-2, 1)} {
		for _, between := range []int{0, 1, 3} { // ticks between resume and cancel
			t.Run(fmt.Sprintf("%s, %d ticks", name, between), func(t *testing.T) {
				t.Parallel()
				w := newWide(t, p)
				for range 5 {
					w.step(t, -1)
				}
				for range 2 {
					if _, err := w.b.Cancel(t.Context(), w.id); err != nil {
						t.Fatal(err)
					}
					w.resume(t)
					for range between {
						w.tick(t)
					}
				}
				for w.run(t).State == task.Running {
					w.step(t, -1)
				}
				if got := w.run(t); got.State != task.Succeeded || got.Counts[task.Succeeded] != nodes {
					t.Errorf("the run ended as %v with %v, want all succeeded", got.State, got.Counts)
				}
			})
		}
	}
}

// wide is one run, and the worker that works it off.
type wide struct {
	b     *Broker
	id    task.RunID
	s     task.SessionID
	n     uint64
	done  []task.Outcome
	ticks int
	width task.Width // of maps
}

func newWide(t *testing.T, p task.Plan, edits ...edit) *wide {
	t.Helper()
	b, err := Open(t.Context(), redistest.Shared(t).URL(), Config{Namespace: redistest.Namespace(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	w := &wide{b: b}
	if err := b.edit(edits); err != nil {
		t.Fatal(err)
	}
	if w.id, err = b.Submit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	worker := task.Worker{Queues: []string{"default"}, Functions: []string{"f"}, LeaseTTL: time.Hour}
	if w.s, err = b.Join(t.Context(), worker, func(task.Signal) {}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *wide) run(t *testing.T) task.RunRecord {
	t.Helper()
	r, err := w.b.Run(t.Context(), w.id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// step reports what was claimed before, claims more, and ticks if there is nothing.
func (w *wide) step(t *testing.T, fail int) {
	t.Helper()
	w.n++
	ended := len(w.done)
	x, err := w.b.Exchange(t.Context(), task.Exchange{Session: w.s, Number: w.n, Want: 100, Done: w.done})
	if err != nil {
		t.Fatal(err)
	}
	w.done = nil
	for i := range x.Jobs {
		o := task.Outcome{Lease: x.Jobs[i].Lease, Verdict: task.Succeed}
		if x.Jobs[i].Map != nil && x.Jobs[i].Element == nil {
			o.Verdict, o.Width = task.Expand, &w.width
		}
		if x.Jobs[i].ID.Number() == fail {
			o.Verdict, o.Failure = task.Fail, task.Failure{Message: "failed"}
		}
		w.done = append(w.done, o)
	}
	if ended > 0 || w.n%20 == 0 {
		if f, err := w.b.Fsck(t.Context(), FsckConfig{Reaped: true}); err != nil || len(f.Broken) > 0 {
			t.Fatalf("after exchange %d: %v, %v", w.n, f.Broken, err)
		}
	}
	if len(w.done) > 0 {
		return
	}
	if w.ticks++; w.ticks > 1000 {
		t.Fatalf("the run stands still with %v", w.run(t).Counts)
	}
	w.tick(t)
}

// resume resumes the run as soon as it has stopped.
func (w *wide) resume(t *testing.T) {
	t.Helper()
	for {
		state, err := w.b.Resume(t.Context(), w.id)
		switch {
		case err == nil && state == task.Running:
			return
		case !errors.Is(err, task.ErrUnavailable):
			t.Fatalf("resume: %v, %v", state, err)
		}
		w.tick(t)
	}
}

func (w *wide) tick(t *testing.T) {
	t.Helper()
	if _, _, err := w.b.tickOnce(t.Context(), 0, true); err != nil {
		t.Fatal(err)
	}
}
