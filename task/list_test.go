package task

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// inRun returns the context of a job of a run, a child of a map for element 3 of it.
func inRun(t *testing.T) (Context, *fakeAttempt, RunID) {
	t.Helper()
	run := NewID(1, KindRun, 1, 0, 0, 7)
	a := &fakeAttempt{job: Job{Call: Call{ID: run.Node(900)}, Map: &Map{Node: 4}, Element: &Element{Index: 3}}}
	return NewContext(t.Context(), a), a, run
}

func TestMapsLookAtTheirLists(t *testing.T) {
	t.Parallel()
	ctx, a, run := inRun(t)
	a.end(run.Node(0), Settled{State: Succeeded, Result: mustEncode(t, []int{7, 300, -1})})
	a.end(run.Node(1), Settled{State: Succeeded, Result: Data{CodecList, []byte{0, 1, 0, 0, 0, 2}}})
	a.end(run.Node(2), Settled{State: Succeeded, Result: mustEncode(t, map[string]int{"a": 1})})
	a.end(run.Node(3), Settled{State: Succeeded})
	a.end(run.Node(256), Settled{State: Succeeded, Result: mustEncode(t, "x")})
	a.end(run.Node(257), Settled{State: Succeeded, Result: mustEncode(t, []byte{1, 2})})

	node := func(i int) Ref[[]any] { return NodeRef[[]any](1, i) }
	for name, tt := range map[string]struct {
		over  Ref[[]any]
		want  []any // elements; nil if they are the results of another map
		width int
		first int
		err   string
	}{
		"a result":                  {over: node(0), want: []any{7, 300, -1}, width: 3},
		"the results of a map":      {over: node(1), width: 2, first: 256},
		"no list":                   {over: node(2), err: "it is not a list"},
		"nothing":                   {over: node(3), want: []any{}},
		"values":                    {over: Value([]any{"a", []any{1, 2}, nil}), want: []any{"a", []any{1, 2}, nil}, width: 3},
		"pairs":                     {over: anys(Zip(Value([]any{1, 2}), node(1))), want: []any{[]any{1, "x"}, []any{2, []byte{1, 2}}}, width: 2},
		"pairs of unlike lists":     {over: anys(Zip(node(0), node(1))), err: "3 and 2 elements"},
		"each with each":            {over: anys(Cross(Value([]any{1, 2}), Value([]any{"a", "b"}))), want: []any{[]any{1, "a"}, []any{1, "b"}, []any{2, "a"}, []any{2, "b"}}, width: 4},
		"pairs of pairs":            {over: anys(Zip(anys(Zip(Value([]any{1}), Value([]any{2}))), Value([]any{3}))), want: []any{[]any{[]any{1, 2}, 3}}, width: 1},
		"more pairs than there may": {over: anys(Cross(Value(make([]any, 400)), Value(make([]any, 400)))), err: "at most 100000 pairs"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := ListOf(tt.over)
			if err != nil {
				t.Fatal(err)
			}
			m := Map{Over: l, MaxParallel: 5, Some: true, MaxFailures: 2, MaxFailureRate: 0.5}
			w, items, err := m.Look(ctx)
			if tt.err != "" {
				ruling, ok := errors.AsType[*Ruling](err)
				if !ok || ruling.Verdict != Fail || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("looked at %v: %v, want a permanent error with %q", l, err, tt.err)
				}
				return
			}
			want := Width{N: tt.width, First: tt.first, MaxParallel: 5, Some: true, MaxFailures: min(2, tt.width/2)}
			if err != nil || w != want {
				t.Errorf("looked at %v: %+v, %v, want %+v", l, w, err, want)
			}
			if tt.want == nil {
				return
			}
			got := make([]string, len(items))
			wanted := make([]string, len(tt.want))
			for i := range items {
				got[i] = string(items[i])
			}
			for i, v := range tt.want {
				wanted[i] = string(mustEncode(t, &v).Bytes)
			}
			if !slices.Equal(got, wanted) {
				t.Errorf("the elements are %q, want %q", got, wanted)
			}
		})
	}
}

// anys forgets the type of pairs.
func anys[A, B any](r Ref[[]Pair[A, B]]) Ref[[]any] { return Ref[[]any]{link: r.link} }

func TestElementsAreReadFromTheJobTheStoreOrANode(t *testing.T) {
	t.Parallel()
	ctx, a, run := inRun(t)
	a.end(run.Node(256), Settled{State: Succeeded, Result: mustEncode(t, 5)})
	a.end(run.Node(257), Settled{State: Failed, Failure: Failure{Message: "no paper"}})
	a.element = mustEncode(t, 6)
	ref := roundTrip(t, ElementRef[int](1, 4))
	for name, tt := range map[string]struct {
		value Data
		want  int
		err   error
	}{
		"the job":                {mustEncode(t, 4), 4, nil},
		"a node":                 {Data{CodecNode, []byte{0, 1, 0}}, 5, nil},
		"a node that has failed": {Data{CodecNode, []byte{0, 1, 1}}, 0, ErrFailed},
		"the store":              {Data{CodecElement, []byte{0, 0, 1}}, 6, nil},
		"another type":           {mustEncode(t, "four"), 0, ErrInvalid},
	} {
		a.job.Element.Value = tt.value
		if got, err := ref.Get(ctx); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("from %s: %v, %v, want %v, %v", name, got, err, tt.want, tt.err)
		}
		in, err := take[int](ctx, Data{Codec: CodecElement})
		if in != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("as the input, from %s: %v, %v, want %v, %v", name, in, err, tt.want, tt.err)
		}
	}
	a.job.Element = nil
	if _, err := ref.Get(ctx); !errors.Is(err, ErrInvalid) {
		t.Errorf("an element in a job that has none: %v", err)
	}
	if _, err := ref.Get(t.Context()); !errors.Is(err, ErrNotInTask) {
		t.Errorf("an element in no job: %v", err)
	}
}

func TestResultsOfMapsAreListsOfTheirChildren(t *testing.T) {
	t.Parallel()
	ctx, a, run := inRun(t)
	a.end(run.Node(1), Settled{State: Succeeded, Result: Data{CodecList, []byte{0, 1, 0, 0, 0, 3}}})
	a.end(run.Node(2), Settled{State: Succeeded, Result: Data{CodecList, []byte{0, 0, 0, 0, 0, 0}}})
	for i := range 3 {
		a.end(run.Node(256+i), Settled{State: Succeeded, Result: mustEncode(t, i*i)})
	}
	if got, err := NodeRef[[]int](1, 1).Get(ctx); err != nil || !slices.Equal(got, []int{0, 1, 4}) {
		t.Errorf("the list is %v, %v", got, err)
	}
	if got, err := NodeRef[[]int](1, 2).Get(ctx); err != nil || got == nil || len(got) != 0 {
		t.Errorf("the list of no results is %v, %v, want one that is not nil", got, err)
	}
	if got, err := NodeRef[any](1, 1).Get(ctx); err != nil || len(got.([]any)) != 3 {
		t.Errorf("as any it is %v, %v", got, err)
	}
	if _, err := NodeRef[int](1, 1).Get(ctx); !errors.Is(err, ErrInvalid) {
		t.Errorf("as a number: %v", err)
	}
	if got, err := Zip(NodeRef[[]int](1, 1), Value([]string{"a", "b", "c"})).Get(ctx); err != nil || len(got) != 3 || got[2] != (Pair[int, string]{First: 4, Second: "c"}) {
		t.Errorf("the pairs are %v, %v", got, err)
	}
	a.end(run.Node(257), Settled{State: Failed, Failure: Failure{Message: "no paper"}})
	rs, err := NodeRef[[]Result[int]](1, 1).Get(ctx)
	if err != nil || len(rs) != 3 || rs[2].Value != 4 || !errors.Is(rs[1].Err, ErrFailed) {
		t.Errorf("as results they are %v, %v", rs, err)
	}
	if _, err := NodeRef[[]int](1, 1).Get(ctx); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "element 1") {
		t.Errorf("with a failure: %v, want one that names the element", err)
	}
	var out []int
	if err := ctx.BlockUntilResult(run.Node(2), &out); err != nil || len(out) != 0 {
		t.Errorf("waited for: %v, %v", out, err)
	}
}

func TestEitherIsWhatWasNotSkipped(t *testing.T) {
	t.Parallel()
	ctx, a, run := inRun(t)
	a.end(run.Node(0), Settled{State: Skipped})
	a.end(run.Node(1), Settled{State: Succeeded, Result: mustEncode(t, "one")})
	a.end(run.Node(2), Settled{State: Succeeded, Result: mustEncode(t, "two")})
	a.end(run.Node(3), Settled{State: Failed})
	n := func(i int) Ref[string] { return NodeRef[string](1, i) }
	for name, tt := range map[string]struct {
		ref  Ref[string]
		want string
		err  error
	}{
		"the second":           {Either(n(0), n(1)), "one", nil},
		"the first":            {Either(n(1), n(0)), "one", nil},
		"neither was skipped":  {Either(n(2), n(1)), "two", nil},
		"both were skipped":    {Either(n(0), n(0)), "", ErrSkipped},
		"one of three":         {Either(n(0), Either(n(0), n(2))), "two", nil},
		"or a value":           {Either(n(0), Value("default")), "default", nil},
		"the first has failed": {Either(n(3), n(1)), "", ErrFailed},
	} {
		ref := roundTrip(t, tt.ref)
		if got, err := ref.Get(ctx); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v, want %q, %v", name, got, err, tt.want, tt.err)
		}
	}
	needs, err := Needs(struct{ R Ref[string] }{Either(n(0), n(1))})
	if err != nil || len(needs) != 2 || needs[0].Accept != AcceptSkip || needs[1].Node != 1 || needs[1].Path != "R" {
		t.Errorf("it needs %+v, %v, want both, which may be skipped", needs, err)
	}
}

func TestRefToANodeIsARefToItsJob(t *testing.T) {
	t.Parallel()
	ctx, a, run := inRun(t)
	other := NewID(2, KindRun, 1, 5, 0, 0)
	a.end(other.Node(3), Settled{State: Succeeded, Result: mustEncode(t, 9)})
	a.end(run.Node(0), Settled{State: Succeeded, Result: mustEncode(t, RefTo(RunAt(ctx, other), NodeRef[int](7, 3)))})
	inner, err := NodeRef[Ref[int]](1, 0).Get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := inner.Get(ctx); err != nil || got != 9 {
		t.Errorf("through two Refs: %v, %v, want 9", got, err)
	}
}

func TestRefToTranslatesWhatARefIsMadeOf(t *testing.T) {
	t.Parallel()
	ctx, a, run := inRun(t)
	other := NewID(2, KindRun, 1, 5, 0, 0)
	a.end(other.Node(1), Settled{State: Skipped})
	a.end(other.Node(2), Settled{State: Succeeded, Result: mustEncode(t, "theirs")})
	a.end(run.Node(2), Settled{State: Succeeded, Result: mustEncode(t, "ours")})
	ref := roundTrip(t, RefTo(RunAt(ctx, other), Either(NodeRef[string](7, 1), NodeRef[string](7, 2))))
	if got, err := ref.Get(ctx); err != nil || got != "theirs" {
		t.Errorf("either, of another run: %q, %v, want theirs", got, err)
	}
}

func TestListsOfResultsAreNotPaired(t *testing.T) {
	t.Parallel()
	some := NodeRef[[]Result[int]](1, 0)
	for name, ref := range map[string]Ref[[]Pair[Result[int], int]]{
		"Zip": Zip(some, Value([]int{1})), "Cross": Cross(some, Value([]int{1})),
	} {
		if ns, err := Needs(ref); err != nil || len(ns) != 2 || ns[0].Kind != NeedNothing {
			t.Errorf("%s needs %+v, %v, want nothing that a graph would take", name, ns, err)
		}
	}
}

func TestEndedDoesNotWaitForOneOfTwo(t *testing.T) {
	t.Parallel()
	ctx, a, run := inRun(t)
	a.end(run.Node(1), Settled{State: Skipped}) // by its record it still runs
	rs, err := Ended(ctx, []Ref[Result[int]]{ResultOf(Either(NodeRef[int](1, 1), NodeRef[int](1, 2)))})
	if err != nil || len(rs) != 1 || !errors.Is(rs[0].Err, ErrPending) {
		t.Errorf("one of two that have not ended: %v, %v, want pending", rs, err)
	}
}
