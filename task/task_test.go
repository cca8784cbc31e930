package task

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func double(_ Context, n int) (int, error) { return 2 * n, nil }

func TestCallCarriesWhatItWasMadeOf(t *testing.T) {
	t.Parallel()
	for _, c := range []Call{
		Declare[int, int]("double", Queue("math")).Call(21),
		Define("double", double, Queue("math")).Call(21),
	} {
		n, err := decode[int](c.Payload)
		if c.Err() != nil || err != nil || n != 21 || !slices.Equal(c.Functions, []string{"double"}) || c.Spec.Queue != "math" || !c.ID.IsZero() || c.Notify {
			t.Errorf("Call = %+v, %v; input %d, %v", c, c.Err(), n, err)
		}
	}
}

func TestWhatIsWrongIsSaidByEveryVerb(t *testing.T) {
	t.Parallel()
	p := &fakePort{}
	ctx := WithPort(t.Context(), p)
	for what, tt := range map[string]struct {
		d    Decl[any, int]
		in   any
		opts []PostOption
		want string
	}{
		"a bad name":    {d: Declare[any, int]("two words"), want: "two words"},
		"a bad option":  {d: Declare[any, int]("t", Queue("{}")), want: "the queue name"},
		"a bad With":    {d: Declare[any, int]("t").With(Timeout(-1)), want: "Timeout"},
		"a bad post":    {d: Declare[any, int]("t"), opts: []PostOption{Delay(-1)}, want: "Delay"},
		"a bad input":   {d: Declare[any, int]("t"), in: func() {}, want: "cannot encode"},
		"a zero Decl":   {want: "zero Decl or Task"},
		"zero and With": {d: Decl[any, int]{}.With(Queue("q")), want: "zero Decl or Task"},
	} {
		call := tt.d.Call(tt.in, tt.opts...)
		for verb, err := range map[string]error{
			"Call":          call.Err(),
			"Post":          second(tt.d.Post(ctx, tt.in, tt.opts...)),
			"Do":            second(tt.d.Do(ctx, tt.in, tt.opts...)),
			"Decl.PostMany": second(tt.d.PostMany(ctx, []any{tt.in}, tt.opts...)),
			"PostMany":      second(PostMany(ctx, []Call{call})),
			"Plan":          Plan{Name: "p", Nodes: []Node{{Call: call}}}.Validate(),
		} {
			if !isInvalid(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, %s: %v, want ErrInvalid with %q", what, verb, err, tt.want)
			}
		}
	}
	if len(p.calls) != 0 {
		t.Errorf("%d refused calls were posted", len(p.calls))
	}
}

func TestDefinitionReportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	err := Define[int, int]("two words", nil, Queue("{}"), MaxAttempts(0)).Err()
	for _, want := range []string{"two words", "queue", "MaxAttempts", "function is nil"} {
		if !isInvalid(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the report: %v", want, err)
		}
	}
}

func TestHandlersWithoutFunctionAreRefused(t *testing.T) {
	t.Parallel()
	for what, h := range map[string]Handler{
		"a zero Task":   Task[int, int]{},
		"Define of nil": Define[int, int]("t", nil),
		"Handle of nil": Declare[int, int]("t").Handle(nil),
		"a nil Action":  Define("t", Action[int](nil)),
		"a nil Plain":   Define("t", Plain[int, int](nil)),
	} {
		if !isInvalid(h.Err()) {
			t.Errorf("%s: Err() = %v, want ErrInvalid", what, h.Err())
		}
	}
}

func TestTaskIsAHandler(t *testing.T) {
	t.Parallel()
	var h Handler = Define("double", double, Listener(), Queue("math"))
	if h.Name() != "double" || !h.Listens() || h.Defaults().Queue != "math" || h.Err() != nil {
		t.Errorf("%q, listens %v, %+v, %v", h.Name(), h.Listens(), h.Defaults(), h.Err())
	}
	c, _ := newTestContext(t)
	out, err := h.Invoke(c, mustEncode(t, 21))
	if n, derr := decode[int](out); err != nil || derr != nil || n != 42 {
		t.Errorf("Invoke(21) = %d, %v, %v", n, err, derr)
	}
}

func TestInvokeOfAnotherInputFailsForGood(t *testing.T) {
	t.Parallel()
	c, _ := newTestContext(t)
	called := false
	h := Define("t", func(Context, []map[any]any) (None, error) { called = true; return None{}, nil })
	for what, d := range map[string]Data{
		"text":                mustEncode(t, "x"),
		"hostile lengths":     {CodecMsgpack, []byte("\xdd\xff\xff\xff\xff")},
		"no msgpack":          {CodecMsgpack, nil},
		"an unknown codec":    {'?', []byte("x")},
		"what panics in maps": {CodecMsgpack, []byte("\x91\x81\x90\x01")},
	} {
		_, err := h.Invoke(c, d)
		r, ruled := errors.AsType[*Ruling](err)
		de, decode := errors.AsType[*DecodeError](err)
		if !ruled || r.Verdict != Fail || !decode || de.Task != "t" || !isInvalid(err) {
			t.Errorf("%s: %v, want a DecodeError that is permanent", what, err)
		}
	}
	if called {
		t.Error("the function was called without its input")
	}
}

func TestInvokePassesErrorsOnAndDropsTheirOutput(t *testing.T) {
	t.Parallel()
	c, _ := newTestContext(t)
	cause := errors.New("cause")
	h := Define("t", func(Context, int) (int, error) { return 7, cause })
	if out, err := h.Invoke(c, mustEncode(t, 1)); !errors.Is(err, cause) || out.Codec != CodecNone || out.Bytes != nil {
		t.Errorf("Invoke of a failing function = %v, %v", out, err)
	}
	bad := Define("t", func(Context, int) (any, error) { return func() {}, nil })
	_, err := bad.Invoke(c, mustEncode(t, 1))
	if r, ok := errors.AsType[*Ruling](err); !ok || r.Verdict != Fail || !isInvalid(err) {
		t.Errorf("an output that cannot be encoded: %v, want a permanent failure", err)
	}
}

func TestAdaptersFitTheirFunctions(t *testing.T) {
	t.Parallel()
	c, _ := newTestContext(t)
	cause := errors.New("cause")
	action := Define("a", Action(func(_ Context, fail bool) error {
		if fail {
			return cause
		}
		return nil
	}))
	if out, err := action.Invoke(c, mustEncode(t, false)); err != nil || out.Codec != CodecNone {
		t.Errorf("an action = %v, %v", out, err)
	}
	if _, err := action.Invoke(c, mustEncode(t, true)); !errors.Is(err, cause) {
		t.Errorf("an action that fails: %v", err)
	}
	plain := Define("p", Plain(func(ctx context.Context, n int) (bool, error) {
		_, ok := From(ctx)
		return ok && n == 5, nil
	}))
	out, err := plain.Invoke(c, mustEncode(t, 5))
	if ok, derr := decode[bool](out); err != nil || derr != nil || !ok {
		t.Errorf("a plain function has %v, %v, %v; want its input, and the context of the job", ok, err, derr)
	}
}

func TestPostReturnsAHandleOfTheJob(t *testing.T) {
	t.Parallel()
	p := &fakePort{}
	ctx := WithPort(t.Context(), p)
	h, err := Define("double", double).Post(ctx, 4, Delay(5))
	if err != nil || len(p.calls) != 1 || h.ID() != p.calls[0].ID || p.calls[0].Spec.Delay != 5 || p.calls[0].Notify {
		t.Errorf("Post: %v, %v; posted %+v", h.ID(), err, p.calls)
	}
	p.err = &PostError{First: 0, Err: ErrFull}
	if _, err := Define("double", double).Post(ctx, 4); !errors.Is(err, ErrFull) || isPostError(err) {
		t.Errorf("Post into a full store: %v, want ErrFull without an index", err)
	}
}

func TestDoAsksToBeToldAndWaits(t *testing.T) {
	t.Parallel()
	p := &fakePort{}
	ctx := WithPort(t.Context(), p)
	p.end(NewID(1, KindLone, 1, 0, 0, 0), Settled{State: Succeeded, Result: mustEncode(t, 8)})
	if got, err := Define("double", double).Do(ctx, 4); got != 8 || err != nil || !p.calls[0].Notify {
		t.Errorf("Do = %d, %v; notify %v", got, err, p.calls[0].Notify)
	}
}

func TestPostManyKeepsOrder(t *testing.T) {
	t.Parallel()
	p := &fakePort{}
	ctx := WithPort(t.Context(), p)
	hs, err := Define("double", double).PostMany(ctx, []int{3, 1, 2}, Queue("q"))
	if err != nil || len(hs) != 3 || len(p.calls) != 3 {
		t.Fatalf("PostMany: %d handles, %d calls, %v", len(hs), len(p.calls), err)
	}
	for i, want := range []int{3, 1, 2} {
		n, err := decode[int](p.calls[i].Payload)
		if n != want || err != nil || hs[i].ID() != p.calls[i].ID || p.calls[i].Spec.Queue != "q" {
			t.Errorf("call %d: input %d, %v, want %d; handle of %v", i, n, err, want, hs[i].ID())
		}
	}
}

func TestPostManyPostsNothingIfOneCallIsRefused(t *testing.T) {
	t.Parallel()
	p := &fakePort{}
	ctx := WithPort(t.Context(), p)
	d := Declare[any, None]("t")
	bad := []any{1, 2, func() {}}
	calls := []Call{d.Call(1), d.Call(2), d.Call(bad[2])}
	for what, err := range map[string]error{
		"Decl.PostMany": second(d.PostMany(ctx, bad)),
		"PostMany":      second(PostMany(ctx, calls)),
	} {
		// A PostError would say that those before it are posted.
		if isPostError(err) || !isInvalid(err) || !strings.Contains(err.Error(), "call 2") {
			t.Errorf("%s: %v, want ErrInvalid that names call 2, and no PostError", what, err)
		}
	}
	if len(p.calls) != 0 {
		t.Errorf("%d calls were posted", len(p.calls))
	}
}

func TestPostManyCanBeRepeated(t *testing.T) {
	t.Parallel()
	p := &fakePort{}
	ctx := WithPort(t.Context(), p)
	calls := []Call{Declare[int, int]("a").Call(1), Declare[string, None]("b").Call("x")}
	ids, err := PostMany(ctx, calls)
	if err != nil || calls[0].ID != ids[0] || calls[1].ID != ids[1] {
		t.Fatalf("PostMany = %v, %v; the calls have %v, %v", ids, err, calls[0].ID, calls[1].ID)
	}
	again, err := PostMany(ctx, calls)
	if err != nil || !slices.Equal(again, ids) {
		t.Errorf("posted again: %v, %v, want %v", again, err, ids)
	}
	p.err = &PostError{First: 1, Err: ErrUnavailable}
	_, err = PostMany(ctx, calls)
	if pe, ok := errors.AsType[*PostError](err); !ok || pe.First != 1 || !errors.Is(err, ErrUnavailable) {
		t.Errorf("PostMany, cut off: %v, want the PostError", err)
	}
}

func TestPlanReportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	good := Declare[int, int]("t").Call(1)
	unnamed, delayed, foreign := good, good, good
	unnamed.Functions = nil
	delayed.Spec.Delay = 1
	foreign.Functions, foreign.Spec.Queue = []string{"{}"}, "no queue"
	err := Plan{Name: "a plan", Nodes: []Node{
		{Call: good, Name: "same"},
		{Call: unnamed, Name: "same"},
		{Call: delayed, Parents: After(0, 0)},
		{Call: foreign, Parents: After(3, -1)},
		{Call: Declare[any, int]("t").Call(func() {})},
		{Call: good, Parents: make([]Edge, MaxParents+1)},
		{Call: good, Name: strings.Repeat("n", MaxNodeName+1)},
	}}.Validate()
	for _, want := range []string{
		`the graph name "a plan"`, `nodes 0 and 1 are both named "same"`, "exactly one function, this one 0",
		"node 2: task: invalid: a node takes no delay", "parent 0 is named twice", "the task name", "the queue name",
		"parent 3 is not before it", "parent -1 is not before it", "node 4: task \"t\"", "100001 parents", "has 256 bytes",
	} {
		if !isInvalid(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the report", want)
		}
	}
	if err := (Plan{Name: "empty"}).Validate(); !isInvalid(err) || !strings.Contains(err.Error(), "0 nodes") {
		t.Errorf("a plan without nodes: %v", err)
	}
	if err := (Plan{Name: "p", Nodes: []Node{{Call: good}, {Call: good, Parents: After(0)}}}).Validate(); err != nil {
		t.Errorf("a good plan: %v", err)
	}
}

func TestRunVerbsSpeakOfItsNodes(t *testing.T) {
	t.Parallel()
	p := &fakePort{}
	ctx := WithPort(t.Context(), p)
	plan := Plan{Name: "p", Nodes: []Node{{Call: Declare[int, int]("t").Call(1)}}}
	run, err := Submit(ctx, plan)
	if err != nil || len(p.plans) != 1 || p.plans[0].Name != "p" || len(p.plans[0].Nodes) != 1 {
		t.Fatalf("Submit: %v, submitted %v", err, p.plans)
	}
	p.end(run.ID().Node(0), Settled{State: Succeeded, Result: mustEncode(t, 9)})
	p.end(run.ID(), Settled{State: Failed, Failure: Failure{Message: "node 3"}})
	plain := t.Context() // the run remembers its queue
	if got, err := Get(plain, run, NodeRef[int](1, 0)); got != 9 || err != nil {
		t.Errorf("Get = %d, %v", got, err)
	}
	if _, err := Get(plain, run, Value(1)); !isInvalid(err) {
		t.Errorf("Get of a value: %v, want ErrInvalid", err)
	}
	err = run.Wait(plain)
	if je, ok := errors.AsType[*JobError](err); !ok || je.ID != run.ID() || !errors.Is(err, ErrFailed) {
		t.Errorf("Wait = %v, want a JobError of the run", err)
	}
	if r, err := run.Node(plain, 0); r.ID != run.ID().Node(0) || err != nil {
		t.Errorf("Node(0) = %v, %v", r.ID, err)
	}
	if s, err := RunAt(ctx, run.ID()).Cancel(plain); s != Cancelled || err != nil || !slices.Equal(p.ended, []ID{run.ID()}) {
		t.Errorf("Cancel = %v, %v, told %v", s, err, p.ended)
	}
	if _, err := Submit(ctx, Plan{}); !isInvalid(err) || len(p.plans) != 1 {
		t.Errorf("Submit of an empty plan: %v", err)
	}
}
