package runtime

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/gomlq/mlq/task"
)

func TestARetriedAttemptGoesOnFromTheCheckpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var begun []int
		count := task.Define("count", func(c task.Context, n int) (int, error) {
			from, _, err := task.LastCheckpoint[int](c)
			if err != nil {
				return 0, err
			}
			begun = append(begun, from)
			for i := from; i < n; i++ {
				if i == from+3 {
					return 0, errors.New("three are enough at once")
				}
				if err := c.Checkpoint(i + 1); err != nil {
					return 0, err
				}
			}
			return n, nil
		})
		r := start(t, f, Config{}, count)
		id := f.post(t, count.Call(8))
		if end := f.wait(t, id); end.State != task.Succeeded {
			t.Errorf("the job has %v", end)
		}
		if len(begun) != 3 || begun[1] != 3 || begun[2] != 6 {
			t.Errorf("attempts began at %v, want 0, 3, 6", begun)
		}
		for _, o := range f.job(id).outcomes {
			if o.Note != (task.Note{}) {
				t.Errorf("an outcome has note %+v; a checkpoint does not belong there", o.Note)
			}
		}
		r.ok()
	})
}

func TestANoteDoesNotSendTheCheckpointAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		say := task.Define("say", func(c task.Context, _ int) (int, error) {
			return 0, errors.Join(c.UpdateProgress(10, "one"), c.Checkpoint("here"), c.SetShortResult("short"))
		})
		r := start(t, f, Config{}, say)
		f.wait(t, f.post(t, say.Call(1)))
		if n := f.notes; len(n) != 3 || n[0].Checkpoint != nil || n[1].Checkpoint == nil || n[2].Checkpoint != nil {
			t.Fatalf("the notes are %+v, want one checkpoint, in the second", n)
		}
		if n := f.notes[1]; *n.Progress != 10 || *n.Text != "one" {
			t.Errorf("the note with the checkpoint has lost what was said before: %+v", n)
		}
		if n := f.notes[2]; *n.Progress != 10 || *n.Short != "short" {
			t.Errorf("the note after the checkpoint is %+v", n)
		}
		r.ok()
	})
}
