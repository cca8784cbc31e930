package task

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestResultOfAndOptOfTakeOtherEnds(t *testing.T) {
	t.Parallel()
	run := NewID(1, KindRun, 1, 0, 0, 7)
	a := &fakeAttempt{job: Job{Call: Call{ID: run.Node(9)}}}
	ctx := NewContext(t.Context(), a)
	a.end(run.Node(0), Settled{State: Succeeded, Result: mustEncode(t, 5)})
	a.end(run.Node(1), Settled{State: Failed, Failure: Failure{Message: "no paper"}})
	a.end(run.Node(2), Settled{State: Skipped})
	a.end(run.Node(3), Settled{State: Cancelled})
	a.end(run.Node(4), Settled{State: Succeeded, Result: mustEncode(t, "five")})

	for node, tt := range []struct {
		value  int
		inside error // of the Result
		ok     bool  // of the Opt
		err    error // of getting the Opt
	}{
		{value: 5, ok: true},
		{inside: ErrFailed, err: ErrFailed},
		{inside: ErrSkipped},
		{inside: ErrCancelled, err: ErrCancelled},
		{inside: ErrInvalid, err: ErrInvalid},
	} {
		r := roundTrip(t, ResultOf(NodeRef[int](1, node)))
		if got, err := r.Get(ctx); err != nil || got.Value != tt.value || !errors.Is(got.Err, tt.inside) {
			t.Errorf("node %d as Result: %+v, %v; want %d, %v", node, got, err, tt.value, tt.inside)
		}
		o := roundTrip(t, OptOf(NodeRef[int](1, node)))
		got, err := o.Get(ctx)
		if got.OK != tt.ok && err == nil || got.Value != tt.value || !errors.Is(err, tt.err) {
			t.Errorf("node %d as Opt: %+v, %v; want %d, %v, %v", node, got, err, tt.value, tt.ok, tt.err)
		}
	}
	got, err := ResultOf(NodeRef[int](1, 1)).Get(ctx)
	if je, ok := errors.AsType[*JobError](got.Err); err != nil || !ok || je.ID != run.Node(1) || !strings.Contains(je.Error(), "no paper") {
		t.Errorf("the Result of a failed node has %v, want the JobError with its reason", got.Err)
	}
}

func TestResultOfAndOptOfAValueHaveIt(t *testing.T) {
	t.Parallel()
	for _, r := range []Ref[Result[int]]{ResultOf(Value(3)), roundTrip(t, ResultOf(Value(3)))} {
		if got, err := r.Get(t.Context()); err != nil || got != (Result[int]{Value: 3}) {
			t.Errorf("ResultOf a value: %+v, %v", got, err)
		}
	}
	for _, o := range []Ref[Opt[int]]{OptOf(Value(3)), roundTrip(t, OptOf(Value(3)))} {
		if got, err := o.Get(t.Context()); err != nil || got != (Opt[int]{3, true}) {
			t.Errorf("OptOf a value: %+v, %v", got, err)
		}
	}
	if _, err := ResultOf(Ref[int]{}).Get(t.Context()); !isInvalid(err) {
		t.Errorf("ResultOf nothing: %v, want ErrInvalid", err)
	}
}

// recorded is a running job that knows the records of others.
type recorded struct {
	*fakeAttempt
	records map[ID]Record
}

func (a *recorded) Read(ctx context.Context, ids []ID) ([]Record, error) {
	rs, err := a.fakeAttempt.Read(ctx, ids) // they run, unless it is known better
	for i, id := range ids {
		if r, ok := a.records[id]; ok {
			r.ID = id
			rs[i] = r
		}
	}
	return rs, err
}

func TestEndedTellsOfEachWithoutWaiting(t *testing.T) {
	t.Parallel()
	run := NewID(1, KindRun, 1, 0, 0, 7)
	a := &recorded{fakeAttempt: &fakeAttempt{job: Job{Call: Call{ID: run.Node(9)}}}}
	a.records = map[ID]Record{
		run.Node(0): {State: Succeeded, Result: mustEncode(t, 5)},
		run.Node(1): {State: Failed, Failures: []Failure{{Message: "first"}, {Message: "last"}}},
		run.Node(3): {State: Blocked},
	}
	ctx := NewContext(t.Context(), a)
	rs := make([]Ref[Result[int]], 4)
	for i := range rs {
		rs[i] = ResultOf(NodeRef[int](1, i)) // node 2 runs
	}
	got, err := Ended(ctx, append(rs, ResultOf(Value(7))))
	if err != nil || len(got) != 5 {
		t.Fatalf("Ended = %+v, %v", got, err)
	}
	for i, want := range []struct {
		value int
		err   error
	}{{5, nil}, {0, ErrFailed}, {0, ErrPending}, {0, ErrPending}, {7, nil}} {
		if got[i].Value != want.value || !errors.Is(got[i].Err, want.err) {
			t.Errorf("Ref %d: %+v, want %d, %v", i, got[i], want.value, want.err)
		}
	}
	if !strings.Contains(got[1].Err.Error(), "last") {
		t.Errorf("the failure is %v, want the last", got[1].Err)
	}
	if len(a.awaited) != 0 || len(a.read) != 4 {
		t.Errorf("%d waits and %d reads, want none and 4", len(a.awaited), len(a.read))
	}
}

func TestEndedSaysWhyItCannotTell(t *testing.T) {
	t.Parallel()
	node := []Ref[Result[int]]{ResultOf(NodeRef[int](1, 0))}
	if _, err := Ended(t.Context(), node); !errors.Is(err, ErrNoPort) {
		t.Errorf("without a queue: %v, want ErrNoPort", err)
	}
	if _, err := Ended(WithPort(t.Context(), &fakePort{}), node); !errors.Is(err, ErrNotInTask) {
		t.Errorf("from a client: %v, want ErrNotInTask", err)
	}
	c, a := newTestContext(t)
	if _, err := Ended(c, []Ref[Result[int]]{{}}); !isInvalid(err) {
		t.Errorf("of a zero Ref: %v, want ErrInvalid", err)
	}
	a.err = ErrUnavailable
	if _, err := Ended(c, []Ref[Result[int]]{ResultOf(At[int](c, a.job.ID).Ref())}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("of an absent broker: %v, want ErrUnavailable", err)
	}
}

func TestNodeResultIsTheInputByteForByte(t *testing.T) {
	t.Parallel()
	const far = 70_000 // needs three bytes
	run := NewID(1, KindRun, 1, 0, 0, 7)
	a := &fakeAttempt{job: Job{Call: Call{ID: run.Node(far + 1)}}}
	ctx := NewContext(t.Context(), a)
	a.end(run.Node(far), Settled{State: Succeeded, Result: mustEncode(t, "handed on")})
	a.end(run.Node(2), Settled{State: Failed})
	echo := Define("echo", func(_ Context, s string) (string, error) { return s, nil })

	out, err := echo.Invoke(ctx, NodeResult(far))
	if got, derr := decode[string](out); err != nil || derr != nil || got != "handed on" {
		t.Errorf("Invoke = %q, %v, %v", got, err, derr)
	}
	if _, err := echo.Invoke(ctx, NodeResult(2)); !errors.Is(err, ErrFailed) {
		t.Errorf("of a failed node: %v, want ErrFailed", err)
	}
	lone, _ := newTestContext(t)
	for what, d := range map[string]Data{"cut short": {CodecNode, []byte{1}}, "empty": {Codec: CodecNode}} {
		if _, err := echo.Invoke(ctx, d); !isInvalid(err) || !forGood(err) {
			t.Errorf("%s: %v, want ErrInvalid, for good", what, err)
		}
	}
	if _, err := echo.Invoke(lone, NodeResult(0)); !isInvalid(err) || !forGood(err) {
		t.Errorf("in a job of no run: %v, want ErrInvalid, for good", err)
	}
}

func forGood(err error) bool {
	r, ok := errors.AsType[*Ruling](err)
	return ok && r.Verdict == Fail
}
