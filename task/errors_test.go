package task

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestJobErrorUnwrapsToTheSentinelOfItsState(t *testing.T) {
	t.Parallel()
	id := NewID(1, KindLone, 1, 2, 3, 4)
	sentinels := map[State]error{Failed: ErrFailed, Cancelled: ErrCancelled, Skipped: ErrSkipped}
	for state := range sentinels {
		err := fmt.Errorf("waiting: %w", Settled{ID: id, State: state, Failure: Failure{Message: "why"}}.Err())
		for of, sentinel := range sentinels {
			if got := errors.Is(err, sentinel); got != (of == state) {
				t.Errorf("a job that is %v: errors.Is(err, %v) = %v", state, sentinel, got)
			}
		}
		je, ok := errors.AsType[*JobError](err)
		if !ok || je.ID != id || je.State != state || je.Failure.Message != "why" {
			t.Errorf("a job that is %v: %+v", state, je)
		}
		if s := err.Error(); !strings.Contains(s, id.String()) || !strings.Contains(s, state.String()) || !strings.Contains(s, "why") {
			t.Errorf("a job that is %v: the error says %q, which lacks ID, state or cause", state, s)
		}
	}
	if err := (Settled{State: Succeeded}).Err(); err != nil {
		t.Errorf("a job that succeeded: %v", err)
	}
	if s := (&JobError{ID: id, State: Failed}).Error(); strings.HasSuffix(s, ": ") {
		t.Errorf("an error without a message ends in %q", s)
	}
}

func TestAnErrorOfANodeNamesIt(t *testing.T) {
	t.Parallel()
	run := NewID(1, KindRun, 1, 2, 3, 4)
	end := func(id ID, node string) error {
		return Settled{ID: id, State: Failed, Failure: Failure{Message: "why", Node: node}}.Err()
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{end(run.Node(7), "train-2"), `task: node "train-2", job ` + run.Node(7).String() + ", failed: why"},
		{end(run, "fits[3]"), "task: run " + run.String() + ` failed: node "fits[3]": why`},
		{end(run, "train-2"), "task: run " + run.String() + ` failed: node "train-2": why`},
		{end(run, ""), "task: run " + run.String() + " failed: why"},
		{&JobError{ID: run.Node(1), Node: "a\nb", State: Skipped}, `task: node "a\nb", job ` + run.Node(1).String() + ", skipped"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestErrorsWithAnIndexUnwrapToTheirCause(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&PostError{First: 3, Err: fmt.Errorf("post: %w", ErrFull)},
		&OutcomeError{Index: 3, Err: fmt.Errorf("complete: %w", ErrFull)},
	} {
		if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "3") {
			t.Errorf("%v: want the index, and ErrFull inside", err)
		}
	}
	err := &DecodeError{Task: "t", Err: fmt.Errorf("%w: x", ErrInvalid)}
	if !isInvalid(err) || !strings.Contains(err.Error(), `"t"`) {
		t.Errorf("%v: want the task, and ErrInvalid inside", err)
	}
}

func TestFailureIsClippedBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, char := range []string{"a", "é", "→", "🙂", "\xff", "\x80"} {
		for shift := range 5 {
			long := strings.Repeat("x", shift) + strings.Repeat(char, MaxStack+1)
			f := Failure{Attempt: 2, Kind: FailurePanic, Message: long, Stack: long, Worker: "w"}.Clip()
			if f.Attempt != 2 || f.Kind != FailurePanic || f.Worker != "w" {
				t.Errorf("Clip changed more than the texts: %+v", f)
			}
			for _, c := range []struct {
				text string
				max  int
			}{{f.Message, MaxMessage}, {f.Stack, MaxStack}} {
				body, cut := strings.CutSuffix(c.text, "...")
				if !cut || len(c.text) > c.max || len(c.text) < c.max-utf8.UTFMax || !strings.HasPrefix(long, body) {
					t.Errorf("%q after %d bytes: clipped to %d bytes, want at most %d", char, shift, len(c.text), c.max)
				}
				if utf8.ValidString(long) && !utf8.ValidString(c.text) {
					t.Errorf("%q after %d bytes: cut in two", char, shift)
				}
			}
		}
	}
	fits := strings.Repeat("→", MaxMessage/3)
	if got := (Failure{Message: fits}).Clip().Message; got != fits {
		t.Errorf("a message of %d bytes was clipped to %d", len(fits), len(got))
	}
}

func TestClipKeepsAPrefix(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		n := rapid.IntRange(4, 40).Draw(t, "n")
		got := clip(s, n)
		if len(got) > n && len(got) > len(s) || !utf8.ValidString(got) || len(s) > n && !strings.HasPrefix(s, strings.TrimSuffix(got, "...")) {
			t.Fatalf("clip(%q, %d) = %q", s, n, got)
		}
	})
}

func TestRulingsAreFoundInsideOtherErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	tests := []struct {
		what  string
		err   error
		want  Verdict
		delay time.Duration
		cause error
	}{
		{"Permanent", Permanent(cause), Fail, 0, cause},
		{"RetryAfter", RetryAfter(cause, time.Minute), Retry, time.Minute, cause},
		{"RetryAfter at once", RetryAfter(cause, -time.Minute), Retry, 0, cause},
		{"RetryAfter without a cause", RetryAfter(nil, time.Second), Retry, time.Second, nil},
		{"Snooze", Snooze(time.Hour), Postpone, time.Hour, nil},
		{"Snooze back in time", Snooze(-1), Postpone, 0, nil},
		{"Cancel", Cancel("no longer needed"), CancelJob, 0, nil},
		{"Skip", Skip("nothing to do"), SkipJob, 0, nil},
		{"the outermost of two", Permanent(RetryAfter(cause, 1)), Fail, 0, cause},
	}
	for _, tt := range tests {
		for how, err := range map[string]error{
			"bare":    tt.err,
			"wrapped": fmt.Errorf("step 2: %w", fmt.Errorf("step 1: %w", tt.err)),
			"joined":  errors.Join(errors.New("other"), tt.err),
		} {
			r, ok := errors.AsType[*Ruling](err)
			if !ok || r.Verdict != tt.want || r.Delay != tt.delay {
				t.Errorf("%s, %s: %+v, want %v after %v", tt.what, how, r, tt.want, tt.delay)
			}
			if tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("%s, %s: the cause is not in %v", tt.what, how, err)
			}
		}
		if tt.err.Error() == "" {
			t.Errorf("%s has no text", tt.what)
		}
	}
	for what, want := range map[string]error{"no longer needed": Cancel("no longer needed"), "nothing to do": Skip("nothing to do")} {
		if want.Error() != what {
			t.Errorf("the reason %q became %q", what, want)
		}
	}
}

func TestPermanentOfNilIsNil(t *testing.T) {
	t.Parallel()
	if err := Permanent(nil); err != nil {
		t.Errorf("Permanent(nil) = %#v", err)
	}
}

func TestVerdictsAndStatesHaveNames(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for v := Succeed; v <= SkipJob; v++ {
		if s := v.String(); s == "" || seen[s] {
			t.Errorf("verdict %d is called %q", v, s)
		}
		seen[v.String()] = true
	}
	if got := Verdict(99).String(); got != "verdict(99)" {
		t.Errorf("Verdict(99) = %q", got)
	}
	for _, s := range States() {
		text, err := s.MarshalText()
		var back State
		if err != nil || back.UnmarshalText(text) != nil || back != s {
			t.Errorf("state %v as text is %q, %v, and comes back as %v", s, text, err, back)
		}
		if want := s == Succeeded || s == Failed || s == Cancelled || s == Skipped; s.Terminal() != want {
			t.Errorf("%v.Terminal() = %v", s, s.Terminal())
		}
	}
	if s := State(99); s.String() != "unknown" || s.Terminal() || State(0).Terminal() {
		t.Errorf("State(99) is %v, terminal %v", s, s.Terminal())
	}
}

func TestTickedAddsUp(t *testing.T) {
	t.Parallel()
	a := Ticked{1, 2, 3, 4, 5, 6}
	a.Add(Ticked{10, 20, 30, 40, 50, 60})
	if want := (Ticked{11, 22, 33, 44, 55, 66}); a != want {
		t.Errorf("sum = %+v, want %+v", a, want)
	}
}
