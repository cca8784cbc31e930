package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

// logged returns the messages that were kept of a job's attempts, each with its attempt.
func (f *fake) logged(id task.ID) (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for epoch := range uint32(10) {
		for l, lines := range f.logs {
			if l.ID != id || l.Epoch != epoch {
				continue
			}
			for _, line := range lines {
				all = append(all, fmt.Sprint(line.Attempt, " ", line.Message, " ", line.Attrs))
			}
		}
	}
	return all
}

func (f *fake) wantLogged(t *testing.T, id task.ID, want ...string) {
	t.Helper()
	if got := f.logged(id); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("kept are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLinesOfAJobAreKeptWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var out bytes.Buffer
		talk := task.Define("talk", func(c task.Context, _ int) (int, error) {
			log := c.Logger()
			log.Debug("too low")
			log.Info("begun", "rows", 7)
			time.Sleep(3 * logPace)
			if n := f.count("log"); n != c.Job().Attempt*2-1 {
				t.Errorf("after a while there were %d calls", n)
			}
			c.Logger().With("at", "end").Warn("ending")
			if c.Job().Attempt == 1 {
				return 0, errors.New("once more")
			}
			return 0, nil
		}, task.Backoff(time.Second, time.Second))
		w, err := NewWorker(f, Config{Logger: slog.New(slog.NewTextHandler(&out, nil))}, talk)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		id := f.post(t, talk.Call(0))
		f.wait(t, id)
		synctest.Wait() // and the last line is sent without a pause
		want := []string{"1 begun rows=7", "1 ending at=end", "2 begun rows=7", "2 ending at=end"}
		f.wantLogged(t, id, want...)
		cancel()
		if err := <-done; err != nil || w.LogLinesLost() != 0 {
			t.Errorf("Run: %v, %d lines lost", err, w.LogLinesLost())
		}
		f.wantLogged(t, id, want...) // not what the worker says of it
		if s := out.String(); strings.Count(s, "msg=begun") != 2 || !strings.Contains(s, "attempt=2 at=end") || !strings.Contains(s, "attempt failed") {
			t.Errorf("the process's log has\n%s", s)
		}
	})
}

func TestAJobThatDoesNotLogCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		quietly := task.Define("quietly", func(c task.Context, _ int) (int, error) {
			c.Logger().Debug("not kept")
			if c.Job().Attempt == 1 {
				return 0, errors.New("it fails, which the worker logs")
			}
			return 0, nil
		})
		r := start(t, f, Config{}, quietly)
		f.wait(t, f.post(t, quietly.Call(0)))
		time.Sleep(time.Minute)
		r.ok()
		if n := f.count("log"); n != 0 {
			t.Errorf("%d calls for lines", n)
		}
	})
}

func TestLogLevelSaysWhatIsKept(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level]int{slog.LevelDebug: 3, slog.LevelError: 1, NoLogs: 0} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			talk := task.Define("talk", func(c task.Context, _ int) (int, error) {
				c.Logger().Debug("a")
				c.Logger().Info("b")
				c.Logger().Error("c")
				return 0, nil
			})
			r := start(t, f, Config{LogLevel: level}, talk)
			id := f.post(t, talk.Call(0))
			f.wait(t, id)
			r.ok()
			if got := f.logged(id); len(got) != want {
				t.Errorf("at level %v %d lines are kept, want %d", level, len(got), want)
			}
		})
	}
}

func TestLoggingDoesNotWaitForABrokerThatIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		away := true
		f.fault = func(op string) outage {
			if op != "log" || !away {
				return fine
			}
			return []outage{refused, lost}[f.calls["log"]%2] // f is locked
		}
		talk := task.Define("talk", func(c task.Context, _ int) (int, error) {
			before := time.Now()
			for i := range 10 {
				c.Logger().Info("line", "number", i)
			}
			if d := time.Since(before); d > 0 {
				t.Errorf("ten lines took %v", d)
			}
			time.Sleep(10 * time.Second)
			c.Logger().Info("last")
			return 0, nil
		})
		r := start(t, f, Config{}, talk)
		id := f.post(t, talk.Call(0))
		f.wait(t, id) // it succeeds all the same
		if n := f.count("log"); n < 5 || n > 20 {
			t.Errorf("the broker was called %d times in ten seconds, want about one a second", n)
		}
		f.mu.Lock()
		away = false
		f.mu.Unlock()
		time.Sleep(3 * time.Second)
		want := []string{}
		for i := range 10 {
			want = append(want, fmt.Sprint("1 line number=", i))
		}
		f.wantLogged(t, id, append(want, "1 last ")...) // each once, though answers were lost
		r.ok()
	})
}

func TestLinesThatCannotBeKeptAreCountedAndReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.logErr = task.ErrFull
		var out bytes.Buffer
		talk := task.Define("talk", func(c task.Context, _ int) (int, error) {
			c.Logger().Info("one")
			c.Logger().Info("two")
			return 0, nil
		})
		w, err := NewWorker(f, Config{Logger: slog.New(slog.NewTextHandler(&out, nil))}, talk)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		if end := f.wait(t, f.post(t, talk.Call(0))); end.State != task.Succeeded {
			t.Errorf("the job is %v", end.State)
		}
		time.Sleep(time.Minute)
		if n := f.count("log"); n != 1 {
			t.Errorf("lines that were refused were sent %d times", n)
		}
		cancel()
		if err := <-done; err != nil || w.LogLinesLost() != 2 {
			t.Errorf("Run: %v; %d lines lost, want 2", err, w.LogLinesLost())
		}
		if s := out.String(); !strings.Contains(s, "could not be kept") || !strings.Contains(s, "lines=2") {
			t.Errorf("the process's log has\n%s", s)
		}
	})
}

func TestWaitingLinesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := newScribe(f, slog.New(slog.DiscardHandler))
	d := &diary{lease: task.Lease{ID: task.NewID(1, task.KindLone, 1, 0, 0, 0)}}
	const more = 50
	for i := range task.MaxLogLines + more {
		s.add(d, task.LogLine{Message: fmt.Sprint(i)})
	}
	if n := s.lost.Load(); n != more || len(d.lines) != task.MaxLogLines {
		t.Errorf("%d lines wait and %d are lost, want %d and %d", len(d.lines), n, task.MaxLogLines, more)
	}
	if err := s.send(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept := f.logs[d.lease]
	if last := kept[len(kept)-1]; len(kept) != task.MaxLogLines+1 || !strings.HasPrefix(last.Message, fmt.Sprint(more, " lines")) {
		t.Errorf("%d lines are kept, the last one is %q; want it to tell of %d", len(kept), last.Message, more)
	}
	if s.bytes != 0 || len(s.dirty) != 0 {
		t.Errorf("after all were sent, %d bytes of %d attempts wait", s.bytes, len(s.dirty))
	}
	long := strings.Repeat("x", task.MaxLogLine)
	for i := range 2 * maxWaiting / task.MaxLogLine {
		s.add(&diary{lease: task.Lease{Epoch: uint32(i)}}, task.LogLine{Message: long})
	}
	if s.bytes > maxWaiting || s.bytes < maxWaiting*9/10 {
		t.Errorf("%d bytes wait, want almost %d", s.bytes, maxWaiting)
	}
}
