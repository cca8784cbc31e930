package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

func TestAPayloadNewerThanTheWorkerWaitsForANewerOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		double := func(_ task.Context, n int) (int, error) { return 2 * n, nil }
		before := task.Define("double", double)
		after := task.Define("double", double, task.Version(1), task.Upgrade(0, func(s string) (n int, err error) {
			_, err = fmt.Sscan(s, &n)
			return n, err
		}))
		var log bytes.Buffer
		w, err := NewWorker(f, Config{Slots: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))}, before)
		if err != nil {
			t.Fatal(err)
		}
		old := &running{Worker: w, t: t, f: f, done: make(chan error, 1), end: func() { w.end() }}
		go func() { old.done <- w.Run(t.Context()) }()
		synctest.Wait()

		began := time.Now()
		ids := []task.ID{f.post(t, after.Call(1)), f.post(t, after.Call(2))}
		time.Sleep(10*task.NewerDelay + time.Second)
		for _, id := range ids {
			if j := f.job(id); j.state.Terminal() || len(j.outcomes) < 8 || len(j.outcomes) > 11 || j.Attempt > 1 || len(j.fails) > 0 {
				t.Errorf("after %v: got %v after %d outcomes and %d failures, want it to wait after 8 to 11 and none", time.Since(began), j.state, len(j.outcomes), len(j.fails))
			}
		}
		old.ok()
		if n := strings.Count(log.String(), "newer than this worker"); n != 1 {
			t.Errorf("got %d complaints, want 1:\n%s", n, log.String())
		}
		now := start(t, f, Config{}, after)
		for i, id := range ids {
			if n, err := decodeInt(f.wait(t, id)); n != 2*(i+1) || err != nil {
				t.Errorf("with a newer worker: got %d, %v, want %d", n, err, 2*(i+1))
			}
		}
		if n, err := decodeInt(f.wait(t, f.post(t, task.Declare[string, int]("double").Call("21")))); n != 42 || err != nil {
			t.Errorf("a payload before versions: got %d, %v, want 42", n, err)
		}
		now.ok()
	})
}

func TestAWorkerRunsWhatWasPostedUnderAnOldName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		named := task.Define("new", func(c task.Context, _ int) (string, error) { return c.Job().Functions[0], nil }, task.Aliases("old", "older"))
		w := start(t, f, Config{}, named, noop)
		q := NewClient(f).With(t.Context())
		for _, name := range []string{"new", "old", "older"} {
			if got, err := task.Declare[int, string](name).Do(q, 0); got != name || err != nil {
				t.Errorf("posted as %s: got %q, %v", name, got, err)
			}
		}
		w.ok()
	})
	other := task.Define("other", func(task.Context, int) (int, error) { return 0, nil }, task.Aliases("noop", "late"))
	late := task.Define("late", func(task.Context, int) (int, error) { return 0, nil })
	for _, hs := range [][]task.Handler{{noop, other}, {other, noop}, {other, late}} {
		if _, err := NewWorker(newFake(), Config{}, hs...); !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), "alias") {
			t.Errorf("a name that is taken: got %v, want %v", err, task.ErrInvalid)
		}
	}
}
