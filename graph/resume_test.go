package graph_test

import (
	"errors"
	"testing"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

// A large run is resumed in steps. A node that one of them skips, since its condition
// does not hold, was taken by a later one for a failure that had been deleted.
func TestAResumeSkipsWhatIsSkippedOnce(t *testing.T) {
	t.Parallel()
	q := queue(t)
	g := graph.New("again", graph.KeepGoing())
	no := graph.Add(g, long, 3)
	for i := range 2000 {
		if i%20 == 0 {
			graph.Add(g, double, 2, graph.When(no))
		}
		graph.Add(g, double, 1)
	}
	graph.Add(g, fails, 1)
	run := submit(q, t, g)
	for times := range 3 {
		je, ok := errors.AsType[*task.JobError](run.Wait(q))
		if !ok || je.State != task.Failed || je.Failure.Message != "out of paper" {
			t.Errorf("resumed %d times, the run ended with %v, want the failure of its last node", times, je)
		}
		rec, err := run.Record(q)
		if err != nil || rec.Counts[task.Skipped] != 100 || rec.Counts[task.Failed] != 1 {
			t.Errorf("resumed %d times, the run is %+v, %v; want 100 nodes skipped and one failed", times, rec, err)
		}
		if _, err := run.Resume(q); err != nil {
			t.Fatal(err)
		}
	}
}
