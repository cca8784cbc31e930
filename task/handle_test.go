package task

import (
	"errors"
	"reflect"
	"slices"
	"testing"
)

func TestHandleWaitsWhereItsContextLeads(t *testing.T) {
	t.Parallel()
	client, inTask := &fakePort{}, &fakeAttempt{}
	posted, err := Declare[int, string]("t").Post(WithPort(t.Context(), client), 1)
	if err != nil {
		t.Fatal(err)
	}
	client.end(posted.ID(), Settled{State: Succeeded, Result: mustEncode(t, "client")})
	inTask.end(posted.ID(), Settled{State: Succeeded, Result: mustEncode(t, "task")})
	if got, err := posted.Wait(NewContext(t.Context(), inTask)); got != "task" || err != nil {
		t.Errorf("in a task, Wait went to the %q, %v; want its slot given back", got, err)
	}
	if got, err := posted.Wait(t.Context()); got != "client" || err != nil {
		t.Errorf("in a plain context, Wait went to the %q, %v; want the queue it was posted to", got, err)
	}
	if got, err := At[string](t.Context(), posted.ID()).Wait(WithPort(t.Context(), client)); got != "client" || err != nil {
		t.Errorf("At without a queue, Wait with one: %q, %v", got, err)
	}
}

func TestWaitReturnsHowTheJobEnded(t *testing.T) {
	t.Parallel()
	p := &fakePort{}
	ctx := WithPort(t.Context(), p)
	id := NewID(1, KindLone, 1, 2, 3, 4)
	h := At[int](ctx, id)
	if _, err := h.Wait(ctx); !errors.Is(err, ErrUnknown) {
		t.Errorf("Wait for a job that is not: %v", err)
	}
	p.end(id, Settled{State: Skipped})
	if got, err := h.Wait(ctx); !errors.Is(err, ErrSkipped) || got != 0 {
		t.Errorf("Wait for a skipped job: %d, %v", got, err)
	}
	p.end(id, Settled{State: Succeeded, Result: mustEncode(t, "text")})
	if got, err := h.Wait(ctx); !isInvalid(err) || got != 0 {
		t.Errorf("Wait for a result of another type: %d, %v", got, err)
	}
	p.end(id, Settled{State: Succeeded, Result: mustEncode(t, 7)})
	if got, err := h.Wait(ctx); err != nil || got != 7 {
		t.Errorf("Wait: %d, %v", got, err)
	}
}

func TestHandleReadsAndCancels(t *testing.T) {
	t.Parallel()
	p := &fakePort{}
	ctx := WithPort(t.Context(), p)
	h := At[int](ctx, NewID(1, KindLone, 1, 2, 3, 4))
	if s, percent, err := h.Progress(ctx); s != Running || percent != 40 || err != nil {
		t.Errorf("Progress = %v, %v, %v", s, percent, err)
	}
	if r, err := h.Record(t.Context()); r.ID != h.ID() || err != nil {
		t.Errorf("Record = %v, %v", r.ID, err)
	}
	if s, err := h.Cancel(ctx); s != Cancelled || err != nil || !slices.Equal(p.ended, []ID{h.ID()}) {
		t.Errorf("Cancel = %v, %v, told %v", s, err, p.ended)
	}
	p.err = ErrUnavailable
	if _, _, err := h.Progress(ctx); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Progress without a broker: %v", err)
	}
}

func TestWaitAllKeepsOrderAndStopsAtTheFirstFailure(t *testing.T) {
	t.Parallel()
	p := &fakePort{}
	ctx := WithPort(t.Context(), p)
	ids := p.succeed(t, 5, 3, 4)
	hs := make([]Handle[int], len(ids))
	for i, id := range ids {
		hs[i] = At[int](ctx, id)
	}
	got, err := WaitAll(ctx, hs)
	if err != nil || !slices.Equal(got, []int{5, 3, 4}) {
		t.Errorf("WaitAll = %v, %v", got, err)
	}
	if len(p.awaited) != 1 {
		t.Errorf("WaitAll asked %d times, want once", len(p.awaited))
	}

	p.end(ids[1], Settled{State: Failed, Failure: Failure{Message: "first"}})
	p.end(ids[2], Settled{State: Cancelled})
	if got, err := WaitAll(ctx, hs); got != nil || !errors.Is(err, ErrFailed) {
		t.Errorf("WaitAll with failures = %v, %v, want the first", got, err)
	}
	results, err := Results(ctx, hs)
	if err != nil || len(results) != 3 {
		t.Fatalf("Results = %v, %v", results, err)
	}
	if results[0].Value != 5 || results[0].Err != nil || !errors.Is(results[1].Err, ErrFailed) || !errors.Is(results[2].Err, ErrCancelled) {
		t.Errorf("Results = %v", results)
	}

	p.end(ids[1], Settled{State: Succeeded, Result: mustEncode(t, "text")})
	if _, err := WaitAll(ctx, hs); !isInvalid(err) {
		t.Errorf("WaitAll with a result of another type: %v", err)
	}
	if results, err := Results(ctx, hs); err != nil || !isInvalid(results[1].Err) || results[0].Err != nil {
		t.Errorf("Results with a result of another type: %v, %v", results, err)
	}
	p.err = ErrUnavailable
	if _, err := Results(ctx, hs); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Results without a broker: %v", err)
	}
}

func TestWaitingForNothingEndsAtOnce(t *testing.T) {
	t.Parallel()
	if got, err := WaitAll[int](t.Context(), nil); len(got) != 0 || err != nil {
		t.Errorf("WaitAll of nothing = %v, %v", got, err)
	}
	if got, err := Results[int](t.Context(), nil); len(got) != 0 || err != nil {
		t.Errorf("Results of nothing = %v, %v", got, err)
	}
	if got, err := All[int](t.Context(), nil); len(got) != 0 || err != nil {
		t.Errorf("All of nothing = %v, %v", got, err)
	}
}

func TestRefGetsWhatItStandsFor(t *testing.T) {
	t.Parallel()
	run := NewID(1, KindRun, 1, 0, 0, 7)
	a := &fakeAttempt{job: Job{Call: Call{ID: run.Node(5)}}}
	ctx := NewContext(t.Context(), a)
	ids := a.succeed(t, "job")
	a.end(run.Node(2), Settled{State: Succeeded, Result: mustEncode(t, "node")})
	a.end(run.Node(3), Settled{State: Failed})

	for what, tt := range map[string]struct {
		ref  Ref[string]
		want string
		err  error
	}{
		"a value":        {Value("value"), "value", nil},
		"a job":          {At[string](ctx, ids[0]).Ref(), "job", nil},
		"a node":         {NodeRef[string](9, 2), "node", nil},
		"a failed node":  {NodeRef[string](9, 3), "", ErrFailed},
		"nothing":        {Ref[string]{}, "", ErrInvalid},
		"an unknown job": {At[string](ctx, run.Node(4)).Ref(), "", ErrUnknown},
	} {
		if got, err := tt.ref.Get(ctx); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Get of %s = %q, %v; want %q, %v", what, got, err, tt.want, tt.err)
		}
		sent := roundTrip(t, tt.ref)
		if got, err := sent.Get(ctx); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Get of %s, sent = %q, %v; want %q, %v", what, got, err, tt.want, tt.err)
		}
	}
	if got, err := Value(1).Get(t.Context()); got != 1 || err != nil {
		t.Errorf("a value needs no queue, but Get = %v, %v", got, err)
	}
	if graph, node, ok := NodeRef[int](9, 2).Node(); graph != 9 || node != 2 || !ok {
		t.Errorf("Node() = %d, %d, %v", graph, node, ok)
	}
	if _, _, ok := Value(1).Node(); ok {
		t.Error("a value is said to be a node")
	}
}

func TestRefToANodeNeedsAJobOfARun(t *testing.T) {
	t.Parallel()
	ref := NodeRef[int](1, 0)
	if _, err := ref.Get(WithPort(t.Context(), &fakePort{})); !errors.Is(err, ErrNotInTask) {
		t.Errorf("from a client: %v, want ErrNotInTask", err)
	}
	c, _ := newTestContext(t)
	if _, err := ref.Get(c); !isInvalid(err) {
		t.Errorf("from a job without a run: %v, want ErrInvalid", err)
	}
}

func TestAllKeepsOrderInOneRoundTrip(t *testing.T) {
	t.Parallel()
	run := NewID(1, KindRun, 1, 0, 0, 7)
	a := &fakeAttempt{job: Job{Call: Call{ID: run.Node(5)}}}
	ctx := NewContext(t.Context(), a)
	ids := a.succeed(t, 10, 11)
	a.end(run.Node(0), Settled{State: Succeeded, Result: mustEncode(t, 20)})
	a.end(run.Node(1), Settled{State: Succeeded, Result: mustEncode(t, 21)})

	refs := []Ref[int]{
		NodeRef[int](1, 1), Value(1), At[int](ctx, ids[1]).Ref(), At[int](ctx, ids[0]).Ref(), Value(2), NodeRef[int](1, 0), NodeRef[int](1, 1),
	}
	got, err := All(ctx, refs)
	if want := []int{21, 1, 11, 10, 2, 20, 21}; err != nil || !slices.Equal(got, want) {
		t.Errorf("All = %v, %v, want %v", got, err, want)
	}
	if want := [][]ID{{run.Node(1), ids[1], ids[0], run.Node(0), run.Node(1)}}; !reflect.DeepEqual(a.awaited, want) {
		t.Errorf("All asked for %v, want %v", a.awaited, want)
	}
	if _, err := All(ctx, append(refs, Ref[int]{})); !isInvalid(err) {
		t.Errorf("All with a zero Ref: %v, want ErrInvalid", err)
	}
}
