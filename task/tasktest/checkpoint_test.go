package tasktest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gomlq/mlq/task"
	"github.com/gomlq/mlq/task/tasktest"
)

func TestAFunctionGoesOnFromTheCheckpointThatTheTestGives(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t, tasktest.Attempt(2))
	if v, ok, err := task.LastCheckpoint[int](ctx); v != 0 || ok || err != nil {
		t.Errorf("without one: %d, %t, %v", v, ok, err)
	}
	if err := rec.SetCheckpoint(41); err != nil {
		t.Fatal(err)
	}
	from, ok, err := task.LastCheckpoint[int](ctx)
	if from != 41 || !ok || err != nil {
		t.Fatalf("the checkpoint is %d, %t, %v", from, ok, err)
	}
	if err := ctx.Checkpoint(from + 1); err != nil {
		t.Fatal(err)
	}
	var last int
	if ok, err := rec.Checkpoint(&last); last != 42 || !ok || err != nil {
		t.Errorf("the test sees %d, %t, %v, want 42", last, ok, err)
	}
	if err := rec.SetCheckpoint(strings.Repeat("x", task.MaxCheckpoint+1)); !errors.Is(err, task.ErrTooLarge) {
		t.Errorf("one that is too large: %v", err)
	}
	rec.Stop(task.ErrLeaseLost)
	if err := ctx.Checkpoint(43); !errors.Is(err, task.ErrLeaseLost) {
		t.Errorf("by a lost attempt: %v", err)
	}
	if ok, err := rec.Checkpoint(&last); last != 42 || !ok || err != nil {
		t.Errorf("after that the test sees %d, %t, %v, want 42", last, ok, err)
	}
}
