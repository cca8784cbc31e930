package broker

import (
	"maps"
	"testing"

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
