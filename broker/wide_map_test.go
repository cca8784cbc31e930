package broker

import (
	"maps"
	"testing"
	"time"

	"github.com/gomlq/mlq/task"
)

// mapped returns a plan of a map and a node that waits for it.
func mapped(keep bool) task.Plan {
	call := task.Call{Functions: []string{"f"}}
	over := &task.Map{Over: task.List{Form: task.ListValue, Value: []byte{0x90}}}
	return task.Plan{Name: "map", KeepGoing: keep, Nodes: []task.Node{{Call: call, Map: over}, {Call: call, Parents: task.After(0)}}}
}

// firstChild is the number of the first child of the first map of a small plan.
const firstChild = 256

// TestModelOfWideMaps works off maps that are wider than what one script does at once.
func TestModelOfWideMaps(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	for _, c := range []struct {
		name  string
		width task.Width
		keep  bool
		fail  int
		edits []edit
		state task.State
		want  map[task.State]int // nil where it depends
	}{
		{"all succeed", task.Width{N: 1500, First: 1}, false, -1, nil, task.Succeeded, map[task.State]int{task.Succeeded: 1502}},
		{"all succeed, slowly", task.Width{N: 300, First: 1}, false, -1, []edit{slowly}, task.Succeeded, map[task.State]int{task.Succeeded: 302}},
		{"few at a time", task.Width{N: 600, First: 1, MaxParallel: 7}, false, -1, nil, task.Succeeded, map[task.State]int{task.Succeeded: 602}},
		{"one may fail", task.Width{N: 600, First: 1, Some: true, MaxFailures: 1}, false, 300, nil, task.Succeeded, map[task.State]int{task.Succeeded: 601, task.Failed: 1}},
		{"one fails", task.Width{N: 5000, First: 1}, false, 300, nil, task.Failed, nil},
		{"one fails, slowly", task.Width{N: 500, First: 1}, false, 300, []edit{slowly}, task.Failed, nil},
		{"one fails, and the others go on", task.Width{N: 600, First: 1}, true, 300, nil, task.Failed, map[task.State]int{task.Succeeded: 599, task.Failed: 2, task.Skipped: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWide(t, mapped(c.keep), c.edits...)
			w.width = c.width
			for w.run(t).State == task.Running {
				w.step(t, c.fail)
			}
			got := w.run(t)
			maps.DeleteFunc(got.Counts, func(_ task.State, n int) bool { return n == 0 })
			total := 0
			for _, n := range got.Counts {
				total += n
			}
			if got.State != c.state || c.want != nil && !maps.Equal(got.Counts, c.want) || total != c.width.N+2 {
				t.Errorf("the run ended as %v with %v, want %v with %v", got.State, got.Counts, c.state, c.want)
			}
			if ran := total - got.Counts[task.Skipped]; c.want == nil && ran > 600 {
				t.Errorf("%d nodes ran, though one failed early", ran)
			}
		})
	}
}

// TestModelOfWideMapsThatAreResumed cancels maps half-way, or lets a child fail, and
// resumes them: what has succeeded is not run again.
func TestModelOfWideMapsThatAreResumed(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	for name, fail := range map[string]int{"cancelled": -1, "failed": firstChild + 250} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const width = 1200
			w := newWide(t, mapped(false))
			w.width = task.Width{N: width, First: 1}
			for i := 0; i < 5 && w.run(t).State == task.Running; i++ {
				w.step(t, fail)
			}
			if fail < 0 {
				if _, err := w.b.Cancel(t.Context(), w.id); err != nil {
					t.Fatal(err)
				}
			}
			w.resume(t)
			for w.run(t).State == task.Running {
				w.step(t, -1)
			}
			if got := w.run(t); got.State != task.Succeeded || got.Counts[task.Succeeded] != width+2 || got.Nodes != width+2 {
				t.Errorf("the run ended as %v with %v, want all succeeded", got.State, got.Counts)
			}
		})
	}
}

// TestModelOfWideMapsWhoseDeadLettersAreGone resumes a run whose failed map is not there
// any more: it stays failed, and so do its children, and the run ends.
func TestModelOfWideMapsWhoseDeadLettersAreGone(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	w := newWide(t, mapped(false))
	w.width = task.Width{N: 600, First: 1}
	for w.run(t).State == task.Running {
		w.step(t, firstChild+120)
	}
	w.b.cfg.DeadRetention = time.Millisecond
	for {
		left, err := w.b.rdb.ZCard(t.Context(), w.b.prefixes[0]+"dead").Result()
		if err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			break
		}
		w.tick(t)
	}
	w.resume(t)
	for w.run(t).State == task.Running {
		w.step(t, -1)
	}
	if got := w.run(t); got.State != task.Failed || got.Nodes != 602 {
		t.Errorf("the run ended as %v with %v, want failed", got.State, got.Counts)
	}
}

// TestANodeKeptAsideIsKeptThoughADeadlineIsDue lets one exchange come upon a node of a
// paused run and upon the deadline of another run.
func TestANodeKeptAsideIsKeptThoughADeadlineIsDue(t *testing.T) {
	t.Parallel()
	w := newWide(t, layers(1))
	late := layers(1)
	late.Deadline, late.Nodes[0].Functions = time.Millisecond, []string{"g"}
	other, err := w.b.Submit(t.Context(), late)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.b.Pause(t.Context(), w.id); err != nil {
		t.Fatal(err)
	}
	for { // until an exchange has seen to the deadline
		w.n++
		x, err := w.b.Exchange(t.Context(), task.Exchange{Session: w.s, Number: w.n, Want: 10})
		if err != nil || len(x.Jobs) > 0 {
			t.Fatalf("claimed %v of a paused run, %v", x.Jobs, err)
		}
		if r, err := w.b.Run(t.Context(), other); err != nil || r.State != task.Running {
			break
		}
	}
	w.resume(t)
	for w.run(t).State == task.Running {
		w.step(t, -1)
	}
}
