package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

var errBoom = errors.New("boom")

func TestJudge(t *testing.T) {
	t.Parallel()
	undecoded := task.Permanent(&task.DecodeError{Task: "x", Err: errBoom})
	tests := []struct {
		name    string
		attempt int
		err     error
		cause   error
		want    task.Verdict
		delay   time.Duration
		kind    string
	}{
		{"success", 1, nil, nil, task.Succeed, 0, ""},
		{"success after the time-out", 1, nil, task.ErrTimeout, task.Succeed, 0, ""},
		{"success while shutting down", 1, nil, task.ErrShutdown, task.Succeed, 0, ""},
		{"success without the lease", 1, nil, task.ErrLeaseLost, 0, 0, ""},
		{"success of a cancelled job", 1, nil, task.ErrCancelled, 0, 0, ""},
		{"error without the lease", 5, errBoom, task.ErrLeaseLost, 0, 0, ""},
		{"ruling without the lease", 1, task.Permanent(errBoom), task.ErrLeaseLost, 0, 0, ""},
		{"error", 1, errBoom, nil, task.Retry, time.Second - 1, task.FailureError},
		{"error of the fourth attempt", 4, errBoom, nil, task.Retry, 8*time.Second - 1, task.FailureError},
		{"error of the last attempt", 5, errBoom, nil, task.Fail, 0, task.FailureError},
		{"error past the last attempt", 6, errBoom, nil, task.Fail, 0, task.FailureError},
		{"permanent", 1, task.Permanent(errBoom), nil, task.Fail, 0, task.FailureError},
		{"permanent, wrapped", 1, fmt.Errorf("x: %w", task.Permanent(errBoom)), nil, task.Fail, 0, task.FailureError},
		{"permanent while shutting down", 1, task.Permanent(context.Canceled), task.ErrShutdown, task.Fail, 0, task.FailureError},
		{"retry after", 1, task.RetryAfter(errBoom, time.Hour), nil, task.Retry, time.Hour, task.FailureError},
		{"retry after, last attempt", 5, task.RetryAfter(errBoom, time.Hour), nil, task.Fail, 0, task.FailureError},
		{"retry after for ever", 1, task.RetryAfter(errBoom, math.MaxInt64), nil, task.Retry, task.MaxDelay, task.FailureError},
		{"snooze", 1, task.Snooze(time.Hour), nil, task.Postpone, time.Hour, ""},
		{"snooze on the last attempt", 5, task.Snooze(time.Hour), nil, task.Postpone, time.Hour, ""},
		{"cancel", 1, task.Cancel("no"), nil, task.CancelJob, 0, task.FailureError},
		{"skip", 1, task.Skip("no"), nil, task.SkipJob, 0, task.FailureError},
		{"a ruling of nothing", 1, &task.Ruling{}, nil, task.Retry, time.Second - 1, task.FailureError},
		{"a ruling of success is an error", 5, &task.Ruling{Verdict: task.Succeed}, nil, task.Fail, 0, task.FailureError},
		{"shutdown", 1, context.Canceled, task.ErrShutdown, task.Release, 0, ""},
		{"shutdown, wrapped", 5, fmt.Errorf("read: %w", context.Canceled), task.ErrShutdown, task.Release, 0, ""},
		{"shutdown by its cause", 1, fmt.Errorf("x: %w", task.ErrShutdown), task.ErrShutdown, task.Release, 0, ""},
		{"an error of its own while shutting down", 5, errBoom, task.ErrShutdown, task.Release, 0, ""},
		{"a panic while shutting down", 1, newPanicError("x"), task.ErrShutdown, task.Retry, time.Second - 1, task.FailurePanic},
		{"cancelled by its own doing", 1, context.Canceled, nil, task.Retry, time.Second - 1, task.FailureError},
		{"time-out", 1, context.DeadlineExceeded, task.ErrTimeout, task.Retry, time.Second - 1, task.FailureTimeout},
		{"time-out of the last attempt", 5, context.DeadlineExceeded, task.ErrTimeout, task.Fail, 0, task.FailureTimeout},
		{"panic", 1, newPanicError("x"), nil, task.Retry, time.Second - 1, task.FailurePanic},
		{"panic after the time-out", 1, newPanicError("x"), task.ErrTimeout, task.Retry, time.Second - 1, task.FailurePanic},
		{"panic with a ruling decides nothing", 1, newPanicError(task.Permanent(errBoom)), nil, task.Retry, time.Second - 1, task.FailurePanic},
		{"exit", 1, errExited, nil, task.Retry, time.Second - 1, task.FailureExit},
		{"undecodable", 1, undecoded, nil, task.Fail, 0, task.FailureDecode},
		{"unknown function", 1, task.Permanent(&unknownError{name: "x"}), nil, task.Fail, 0, task.FailureUnknown},
	}
	for _, tt := range tests {
		j := task.Job{Call: task.Call{Spec: task.Spec{}.WithDefaults(task.Spec{})}, Attempt: tt.attempt}
		got := judge(&j, tt.err, tt.cause, func(n int64) int64 { return n - 1 })
		if got.verdict != tt.want || got.delay != tt.delay || got.failure.Kind != tt.kind {
			t.Errorf("%s: got %v after %v, kind %q, want %v after %v, kind %q",
				tt.name, got.verdict, got.delay, got.failure.Kind, tt.want, tt.delay, tt.kind)
		}
		if tt.kind != "" && got.failure.Message == "" {
			t.Errorf("%s: got no message", tt.name)
		}
	}
}

func TestBackoffStaysWithinItsBoundsAndNeverOverflows(t *testing.T) {
	t.Parallel()
	for range 20_000 {
		least := time.Duration(rand.Int64N(math.MaxInt64))
		most := time.Duration(rand.Int64N(math.MaxInt64))
		attempt := rand.IntN(200) - 2
		if d := backoff(least, most, attempt, rand.Int64N); d < 0 || d > most {
			t.Fatalf("backoff(%d, %d, %d): got %d, want 0 to %d", least, most, attempt, d, most)
		}
	}
	last := func(n int64) int64 { return n - 1 }
	for attempt, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 1000: 10 * time.Second} {
		if got := backoff(time.Second, 10*time.Second, attempt, last) + 1; got != want {
			t.Errorf("backoff after attempt %d: got up to %v, want %v", attempt, got, want)
		}
	}
	if got := backoff(0, 0, 3, last); got != 0 {
		t.Errorf("backoff without bounds: got %v, want 0", got)
	}
}

func TestPauseDoublesAndIsLongestForWhatLasts(t *testing.T) {
	t.Parallel()
	var p pause
	for i, ms := range []int{50, 100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		limit := time.Duration(ms) * time.Millisecond
		if d := p.next(task.ErrUnavailable); d < limit/2 || d >= limit {
			t.Errorf("pause %d: got %v, want %v to %v", i, d, limit/2, limit)
		}
	}
	for _, err := range []error{task.ErrFull, task.ErrDamaged, task.ErrInvalid} {
		if d := new(pause).next(err); d < maxPause/2 {
			t.Errorf("first pause after %v: got %v, want at least %v", err, d, maxPause/2)
		}
	}
}

func TestStackOfAPanicBeginsWhereItHappened(t *testing.T) {
	t.Parallel()
	var got string
	func() {
		defer func() {
			if v := recover(); v != nil {
				got = newPanicError(v).stack
			}
		}()
		fallOver()
	}()
	if line, _, _ := strings.Cut(got, "\n"); !strings.Contains(line, "fallOver") {
		t.Errorf("first frame: got %q, want fallOver", line)
	}
}

//go:noinline
func fallOver() { panic("x") }

func TestAJobThatIsLateIsSkippedAndNotRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		h := task.Define("f", func(task.Context, int) (int, error) {
			t.Error("the handler was called")
			return 0, nil
		})
		id := f.post(t, h.Call(0))
		f.mu.Lock()
		f.jobs[id].Fault = &task.Ruling{Verdict: task.SkipJob, Err: task.ErrLate}
		f.mu.Unlock()
		w := start(t, f, Config{}, h)
		s := f.wait(t, id)
		if o := f.job(id).outcomes; s.State != task.Skipped || len(o) != 1 || o[0].Failure.Kind != task.FailureLate || o[0].Failure.Message != task.ErrLate.Error() {
			t.Errorf("got %v with %+v, want skipped, for it was late", s.State, o)
		}
		w.ok()
	})
}
