package task

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func newTestContext(t *testing.T) (Context, *fakeAttempt) {
	t.Helper()
	a := &fakeAttempt{job: Job{Call: Call{ID: NewID(1, KindLone, 1, 2, 3, 4)}, Attempt: 2}}
	return NewContext(t.Context(), a), a
}

type wrapped struct{ context.Context } //nolint:containedctx // as errgroup and tracers do

func TestFromFindsTheContextThroughOthers(t *testing.T) {
	t.Parallel()
	type key struct{}
	for what, derive := range map[string]func(Context) context.Context{
		"itself":       func(c Context) context.Context { return c },
		"with a value": func(c Context) context.Context { return context.WithValue(c, key{}, 1) },
		"in a struct":  func(c Context) context.Context { return wrapped{wrapped{c}} },
		"without end":  func(c Context) context.Context { return context.WithoutCancel(c) },
		"with timeout": func(c Context) context.Context {
			x, cancel := context.WithTimeout(c, time.Hour)
			t.Cleanup(cancel)
			return x
		},
		"errgroup": func(c Context) context.Context {
			x, cancel := context.WithCancelCause(c)
			t.Cleanup(func() { cancel(nil) })
			return wrapped{x}
		},
		"WithTimeout": func(c Context) context.Context {
			x, cancel := c.WithTimeout(time.Hour)
			t.Cleanup(cancel)
			return x
		},
	} {
		c, a := newTestContext(t)
		ctx := derive(c)
		got, ok := From(ctx)
		if !ok || got.Job().ID != c.Job().ID || got.Job().Attempt != 2 {
			t.Errorf("%s: From found %v, job %v", what, ok, got.Job().ID)
			continue
		}
		want, _ := ctx.Deadline()
		if deadline, _ := got.Deadline(); !deadline.Equal(want) {
			t.Errorf("%s: From changed the deadline from %v to %v", what, want, deadline)
		}
		if _, err := Declare[int, int]("t").Post(ctx, 1); err != nil || len(a.calls) != 1 {
			t.Errorf("%s: a post leads to %d calls, %v", what, len(a.calls), err)
		}
	}
}

func TestFromFindsNothingWhereNoJobRuns(t *testing.T) {
	t.Parallel()
	c, _ := newTestContext(t)
	for what, ctx := range map[string]context.Context{
		"a plain context":             t.Context(),
		"a client's context":          WithPort(t.Context(), &fakePort{}),
		"a client's in a job":         WithPort(c, &fakePort{}),
		"a context of a nil attempt":  WithPort(t.Context(), nil),
		"a timeout of a client's one": wrapped{WithPort(t.Context(), &fakePort{})},
	} {
		if _, ok := From(ctx); ok {
			t.Errorf("From found a running job in %s", what)
		}
	}
}

func TestWithoutAQueueVerbsSayWhatToDo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := Declare[int, int]("t")
	h := At[int](ctx, NewID(1, 0, 0, 0, 0, 0))
	run := RunAt(ctx, NewID(1, KindRun, 0, 0, 0, 0))
	plan := Plan{Name: "p", Nodes: []Node{{Call: d.Call(1)}}}
	for what, err := range map[string]error{
		"Post":          second(d.Post(ctx, 1)),
		"Decl.PostMany": second(d.PostMany(ctx, []int{1})),
		"Do":            second(d.Do(ctx, 1)),
		"PostMany":      second(PostMany(ctx, []Call{d.Call(1)})),
		"Wait":          second(h.Wait(ctx)),
		"Handle.Cancel": second(h.Cancel(ctx)),
		"Record":        second(h.Record(ctx)),
		"WaitAll":       second(WaitAll(ctx, []Handle[int]{h})),
		"Results":       second(Results(ctx, []Handle[int]{h})),
		"Ref.Get":       second(h.Ref().Get(ctx)),
		"Submit":        second(Submit(ctx, plan)),
		"Run.Wait":      run.Wait(ctx),
		"Run.Cancel":    second(run.Cancel(ctx)),
		"Run.Node":      second(run.Node(ctx, 0)),
		"Get":           second(Get(ctx, run, NodeRef[int](1, 0))),
		"nil port":      second(d.Post(WithPort(ctx, nil), 1)),
	} {
		if !errors.Is(err, ErrNoPort) || !strings.Contains(err.Error(), "client.With(ctx)") {
			t.Errorf("%s: %v, want ErrNoPort", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestProgressIsRefusedOutsideOfZeroToHundred(t *testing.T) {
	t.Parallel()
	c, a := newTestContext(t)
	for _, p := range []float64{-0.1, 100.1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		if err := c.UpdateProgress(p); !isInvalid(err) {
			t.Errorf("UpdateProgress(%v): %v, want ErrInvalid", p, err)
		}
	}
	if len(a.notes) != 0 {
		t.Errorf("refused progress was noted: %v", a.notes)
	}
	for _, p := range []float64{0, 33.3, 100} {
		if err := c.UpdateProgress(p); err != nil || *a.notes[len(a.notes)-1].Progress != p {
			t.Errorf("UpdateProgress(%v): %v, noted %v", p, err, a.notes)
		}
	}
	if n := a.notes[0]; n.Text != nil || n.Short != nil {
		t.Errorf("progress alone says more: %+v", n)
	}
}

func TestNotesAreCutToTheirLimit(t *testing.T) {
	t.Parallel()
	c, a := newTestContext(t)
	long := strings.Repeat("→", MaxMessage)
	if err := errors.Join(c.UpdateProgress(1, long), c.SetShortResult(long)); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{*a.notes[0].Text, *a.notes[1].Short} {
		if len(s) > MaxMessage || !utf8.ValidString(s) {
			t.Errorf("a note has %d bytes, valid %v, want at most %d", len(s), utf8.ValidString(s), MaxMessage)
		}
	}
	if n := a.notes[1]; n.Progress != nil || n.Text != nil {
		t.Errorf("a short result says more: %+v", n)
	}
}

func TestNoteTellsThatTheLeaseIsLost(t *testing.T) {
	t.Parallel()
	c, a := newTestContext(t)
	a.err = ErrLeaseLost
	if err := c.UpdateProgress(50); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("UpdateProgress: %v, want ErrLeaseLost", err)
	}
}

func TestContextPostsPreparedCalls(t *testing.T) {
	t.Parallel()
	c, a := newTestContext(t)
	id, err := c.Post(Declare[string, None]("mail").Call("you", Queue("q")))
	if err != nil || len(a.calls) != 1 || a.calls[0].ID != id || a.calls[0].Spec.Queue != "q" {
		t.Errorf("Post: %v, %v, posted %+v", id, err, a.calls)
	}
	if _, err := c.Post(Declare[string, None]("no name").Call("you")); !isInvalid(err) || len(a.calls) != 1 {
		t.Errorf("posting a call with an error: %v, want ErrInvalid", err)
	}
	a.err = &PostError{First: 0, Err: ErrFull}
	if _, err := c.Post(Declare[string, None]("mail").Call("you")); !errors.Is(err, ErrFull) || isPostError(err) {
		t.Errorf("one call's error is %v, want it without an index", err)
	}
}

func TestBlockUntilResult(t *testing.T) {
	t.Parallel()
	c, a := newTestContext(t)
	ids := a.succeed(t, 42)
	failed := NewID(3, KindLone, 1, 0, 0, 0)
	a.end(failed, Settled{State: Failed})

	var n int
	if err := c.BlockUntilResult(ids[0], &n); err != nil || n != 42 {
		t.Errorf("BlockUntilResult: %d, %v", n, err)
	}
	if err := c.BlockUntilResult(ids[0], nil); err != nil {
		t.Errorf("BlockUntilResult into nothing: %v", err)
	}
	if err := c.BlockUntilResult(failed, &n); !errors.Is(err, ErrFailed) {
		t.Errorf("BlockUntilResult of a failed job: %v", err)
	}
	if err := c.BlockUntilResult(failed, nil); !errors.Is(err, ErrFailed) {
		t.Errorf("BlockUntilResult of a failed job into nothing: %v", err)
	}
	waits := len(a.awaited)
	for _, into := range []any{n, (*int)(nil)} {
		if err := c.BlockUntilResult(ids[0], into); !isInvalid(err) {
			t.Errorf("BlockUntilResult into %#v: %v, want ErrInvalid", into, err)
		}
	}
	if len(a.awaited) != waits {
		t.Error("BlockUntilResult waited before it refused what it cannot decode into")
	}
}
