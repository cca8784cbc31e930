package runtime

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

var (
	unmade map[int]int
	unset  *badError
)

type badError struct{ n *int }

func (e *badError) Error() string { return fmt.Sprint(*e.n) }

func (e *badError) method() error { return fmt.Errorf("n is %d", *e.n) }

func TestFailuresOfATaskFunctionAreRecordedAndTheNextJobRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tests := []struct {
			name, kind, message, frame string
			do                         func() error
		}{
			{"text", task.FailurePanic, "panic: ouch", "TestFailures", func() error { panic("ouch") }},
			{"error", task.FailurePanic, "panic: boom", "TestFailures", func() error { panic(errBoom) }},
			{"ruling", task.FailurePanic, "panic: boom", "TestFailures", func() error { panic(task.Permanent(errBoom)) }},
			{"nil", task.FailurePanic, "panic called with nil", "TestFailures", func() error { panic(nil) }}, //nolint:govet // the point of it
			{"map", task.FailurePanic, "nil map", "TestFailures", func() error { unmade[1] = 1; return nil }},
			{"pointer", task.FailurePanic, "nil pointer", "TestFailures", func() error { return unset.method() }},
			{"method", task.FailurePanic, "nil pointer", "badError", func() error { return &badError{} }},
			{"exit", task.FailureExit, "ended its goroutine", "", func() error { goruntime.Goexit(); return nil }},
			{"plain", task.FailureError, "boom", "", func() error { return errBoom }},
		}
		f := newFake()
		which := 0
		fail := task.Define("fail", func(_ task.Context, i int) (int, error) { which = i; return 0, tests[i].do() }, task.MaxAttempts(1))
		w := start(t, f, Config{Slots: 1, Name: "w1"}, fail)
		for i, tt := range tests {
			s := f.wait(t, f.post(t, fail.Call(i)))
			got := s.Failure
			if which != i || s.State != task.Failed || got.Kind != tt.kind || !strings.Contains(got.Message, tt.message) || !strings.Contains(got.Stack, tt.frame) {
				t.Errorf("%s: got %v, kind %q, message %q, stack %q, want kind %q, message with %q, stack with %q",
					tt.name, s.State, got.Kind, got.Message, got.Stack, tt.kind, tt.message, tt.frame)
			}
			if got.Worker != "w1" || got.Attempt != 1 || got.At.IsZero() {
				t.Errorf("%s: got worker %q, attempt %d, at %v", tt.name, got.Worker, got.Attempt, got.At)
			}
		}
		w.ok()
	})
}

func TestRetriesFollowTheBackoffUntilTheAttemptsAreUsedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		fail := task.Define("fail", func(c task.Context, _ int) (int, error) {
			return 0, fmt.Errorf("attempt %d", c.Job().Attempt)
		}, task.MaxAttempts(3), task.Backoff(time.Minute, time.Minute))
		w := start(t, f, Config{}, fail)
		c := fail.Call(0)
		c.Spec = task.Spec{} // the worker fills in what the task was defined with
		id := f.post(t, c)
		s := f.wait(t, id)
		j := f.job(id)
		if s.State != task.Failed || len(j.outcomes) != 3 || s.Failure.Attempt != 3 || s.Failure.Message != "attempt 3" {
			t.Errorf("got %v after %d attempts, last %+v, want failed after 3", s.State, len(j.outcomes), s.Failure)
		}
		for i, o := range j.outcomes[:2] {
			if o.Verdict != task.Retry || o.Delay < 0 || o.Delay > time.Minute {
				t.Errorf("outcome %d: got %v after %v, want retried within 1m", i, o.Verdict, o.Delay)
			}
		}
		w.ok()
	})
}

func TestAttemptEndsWithErrTimeoutAfterItsTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var cause error
		slow := task.Define("slow", func(c task.Context, _ int) (int, error) {
			<-c.Done()
			cause = context.Cause(c)
			return 0, c.Err()
		}, task.Timeout(time.Minute), task.MaxAttempts(1))
		w := start(t, f, Config{}, slow)
		s := f.wait(t, f.post(t, slow.Call(0)))
		if !errors.Is(cause, task.ErrTimeout) || s.Failure.Kind != task.FailureTimeout {
			t.Errorf("got cause %v, kind %q, want %v, %q", cause, s.Failure.Kind, task.ErrTimeout, task.FailureTimeout)
		}
		w.ok()
	})
}

func TestAttemptThatIgnoresItsContextIsAbandonedAndItsSlotFreed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		gate := make(chan struct{})
		stuck := task.Define("stuck", func(c task.Context, _ int) (int, error) {
			<-gate
			if _, err := noop.Post(c, 1); !errors.Is(err, task.ErrLeaseLost) {
				t.Errorf("post after the end: got %v, want %v", err, task.ErrLeaseLost)
			}
			if err := c.UpdateProgress(1); !errors.Is(err, task.ErrLeaseLost) {
				t.Errorf("note after the end: got %v, want %v", err, task.ErrLeaseLost)
			}
			return 7, nil
		}, task.Timeout(time.Minute), task.MaxAttempts(1))
		w := start(t, f, Config{Slots: 1, AbandonAfter: 3 * time.Second}, stuck, noop)
		begun := time.Now()
		s := f.wait(t, f.post(t, stuck.Call(0)))
		if took := time.Since(begun); took < 63*time.Second || took > 64*time.Second {
			t.Errorf("abandoned after %v, want 63s", took)
		}
		if s.State != task.Failed || s.Failure.Kind != task.FailureTimeout {
			t.Errorf("got %v, kind %q, want failed, timeout", s.State, s.Failure.Kind)
		}
		if s := f.wait(t, f.post(t, noop.Call(0))); s.State != task.Succeeded {
			t.Errorf("next job: got %v, want succeeded", s.State)
		}
		if n := w.Abandoned(); n != 1 {
			t.Errorf("abandoned: got %d, want 1", n)
		}
		close(gate)
		synctest.Wait()
		if n := w.Abandoned(); n != 0 {
			t.Errorf("abandoned after it returned: got %d, want 0", n)
		}
		w.ok()
	})
}

func TestCancelEndsTheAttemptAndReportsNothing(t *testing.T) {
	for _, byBeat := range []bool{false, true} {
		t.Run(fmt.Sprintf("by beat %v", byBeat), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				var cause error
				o := &spy{}
				long := task.Define("long", func(c task.Context, _ int) (int, error) {
					<-c.Done()
					cause = context.Cause(c)
					return 0, c.Err()
				})
				w := start(t, f, Config{Slots: 1, LeaseTTL: 6 * time.Second, Observer: o}, long, noop)
				id := f.post(t, long.Call(0))
				synctest.Wait()
				f.mu.Lock()
				for _, s := range f.sessions {
					if byBeat {
						s.signal = func(task.Signal) {} // the hint is lost
					}
				}
				f.mu.Unlock()
				begun := time.Now()
				if _, err := f.Cancel(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				f.wait(t, f.post(t, noop.Call(0))) // has got the slot
				if took := time.Since(begun); took > 3*time.Second {
					t.Errorf("the slot was free after %v, want at most a beat of 2s and a safety claim", took)
				}
				if !errors.Is(cause, task.ErrCancelled) {
					t.Errorf("cause: got %v, want %v", cause, task.ErrCancelled)
				}
				if n := len(f.job(id).outcomes); n != 0 {
					t.Errorf("outcomes reported: got %d, want 0", n)
				}
				if got := o.outcomes[0].Verdict; got != task.CancelJob {
					t.Errorf("the observer was told %v, want %v", got, task.CancelJob)
				}
				w.ok()
			})
		})
	}
}

func TestNotesOfAnAttemptAreMergedAndGoIntoTheOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		talk := task.Define("talk", func(c task.Context, _ int) (int, error) {
			return 0, errors.Join(c.UpdateProgress(10, "one"), c.SetShortResult("short"), c.UpdateProgress(50))
		})
		w := start(t, f, Config{}, talk)
		id := f.post(t, talk.Call(0))
		f.wait(t, id)
		for _, n := range []task.Note{f.notes[2], f.job(id).outcomes[0].Note} {
			if *n.Progress != 50 || *n.Text != "one" || *n.Short != "short" {
				t.Errorf("got %v, %q, %q, want 50, one, short", *n.Progress, *n.Text, *n.Short)
			}
		}
		w.ok()
	})
}

func TestNoteOfALostJobEndsTheAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var cause, said error
		talk := task.Define("talk", func(c task.Context, _ int) (int, error) {
			f.mu.Lock()
			f.jobs[c.Job().ID].Lease.Epoch++
			f.mu.Unlock()
			said = c.UpdateProgress(10)
			cause = context.Cause(c)
			return 0, nil
		})
		w := start(t, f, Config{}, talk)
		id := f.post(t, talk.Call(0))
		synctest.Wait()
		if !errors.Is(said, task.ErrLeaseLost) || !errors.Is(cause, task.ErrLeaseLost) {
			t.Errorf("got error %v, cause %v, want %v", said, cause, task.ErrLeaseLost)
		}
		if n := len(f.job(id).outcomes); n != 0 {
			t.Errorf("outcomes reported: got %d, want 0", n)
		}
		f.mu.Lock()
		f.problems, f.unlessBlocked = nil, nil // the fake still holds the job for the session
		f.mu.Unlock()
		_ = w.stop()
		w.balanced()
	})
}

// spy is an observer of attempts and posts.
type spy struct {
	begun    []task.Job
	outcomes []task.Outcome
	posts    int
}

type spyKey struct{}

func (s *spy) Attempt(ctx context.Context, j task.Job) (context.Context, func(task.Outcome)) {
	s.begun = append(s.begun, j)
	return context.WithValue(ctx, spyKey{}, "seen"), func(o task.Outcome) { s.outcomes = append(s.outcomes, o) }
}

func (s *spy) Post(ctx context.Context, calls []task.Call) (context.Context, func(error)) {
	for i := range calls {
		calls[i].Spec.Headers = map[string]string{"traceparent": "00"}
	}
	return ctx, func(err error) {
		if err == nil {
			s.posts++
		}
	}
}

func TestObserverSeesAttemptsAndPosts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		o := &spy{}
		var value any
		parent := task.Define("parent", func(c task.Context, _ int) (int, error) {
			value = c.Value(spyKey{})
			_, err := noop.Post(c, 1)
			return 0, err
		}, task.Queue("q"))
		w := start(t, f, Config{Slots: 1, Queues: []string{"q", "default"}, Observer: o}, parent, noop)
		ids, err := NewClient(f, nil, o).Post(t.Context(), []task.Call{parent.Call(0)})
		if err != nil {
			t.Fatal(err)
		}
		f.wait(t, ids[0])
		synctest.Wait()
		w.ok()
		if value != "seen" || o.posts != 2 || len(o.begun) != 2 || len(o.outcomes) != 2 {
			t.Errorf("got value %v, %d posts, %d attempts, %d outcomes, want seen, 2, 2, 2", value, o.posts, len(o.begun), len(o.outcomes))
		}
		if j := o.begun[0]; j.Spec.Queue != "q" || j.Spec.MaxAttempts != task.DefaultMaxAttempts || j.Spec.Headers["traceparent"] == "" {
			t.Errorf("the job lacks its defaults or headers: %+v", j.Spec)
		}
	})
}

type rude struct{ atEnd bool }

func (r rude) Attempt(ctx context.Context, _ task.Job) (context.Context, func(task.Outcome)) {
	if !r.atEnd {
		panic("observer")
	}
	return ctx, func(task.Outcome) { panic("observer") }
}

func TestAnObserverThatPanicsCostsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		w := start(t, f, Config{Slots: 1, Observer: rude{atEnd: true}}, noop)
		for range 3 {
			if s := f.wait(t, f.post(t, noop.Call(0))); s.State != task.Succeeded {
				t.Errorf("got %v, want succeeded", s.State)
			}
		}
		w.ok()
		v := start(t, f, Config{Slots: 1, Observer: rude{}}, noop)
		c := noop.Call(0)
		c.Spec.MaxAttempts = 1
		if s := f.wait(t, f.post(t, c)); s.Failure.Kind != task.FailurePanic {
			t.Errorf("got %q, want panic", s.Failure.Kind)
		}
		v.ok()
	})
}
