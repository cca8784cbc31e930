package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gomlq/mlq/task"
)

// around notes when it is entered and left.
func around(log *journal[string], name string) task.Middleware {
	return func(next task.InvokeFunc) task.InvokeFunc {
		log.add("make " + name)
		return func(ctx task.Context, payload task.Data) (task.Data, error) {
			log.add("enter " + name)
			out, err := next(ctx, payload)
			log.add("leave " + name)
			return out, err
		}
	}
}

func TestMiddlewareIsAroundAttemptsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var log journal[string]
		work := func(name string) task.Task[int, int] {
			return task.Define(name, func(c task.Context, n int) (int, error) {
				log.add(fmt.Sprint("run ", name, " with ", c.Value(task.MaxDelay)))
				return n + 1, nil
			}, task.Use(around(&log, name+".1"), around(&log, name+".2")))
		}
		a, b := work("a"), work("b")
		valued := func(next task.InvokeFunc) task.InvokeFunc {
			return func(ctx task.Context, payload task.Data) (task.Data, error) {
				return next(ctx.WithValue(task.MaxDelay, "a value"), payload)
			}
		}
		log.list = nil
		w := start(t, f, Config{Slots: 1, Middleware: []task.Middleware{around(&log, "w.1"), around(&log, "w.2"), valued}}, a, b)
		both := a.Call(1)
		both.Functions = []string{"a", "b"}
		s := f.wait(t, f.post(t, both))
		if out, err := decodeInt(s); out != 2 || err != nil {
			t.Errorf("got %d, %v, want 2", out, err)
		}
		want := []string{
			"make w.2", "make w.1",
			"enter w.1", "enter w.2",
			"enter a.1", "enter a.2", "run a with a value", "leave a.2", "leave a.1",
			"enter b.1", "enter b.2", "run b with a value", "leave b.2", "leave b.1",
			"leave w.2", "leave w.1",
		}
		if got := log.all(); !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		w.ok()
	})
}

func decodeInt(s task.Settled) (n int, err error) {
	if err := s.Err(); err != nil {
		return 0, err
	}
	return n, s.Result.Decode(&n)
}

func TestWhatAMiddlewareReturnsIsTheAttempts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		mw            task.InvokeFunc
		state         task.State
		kind, message string
		frame         string
	}{
		"panic":   {func(task.Context, task.Data) (task.Data, error) { panic("ouch") }, task.Failed, task.FailurePanic, "panic: ouch", "TestWhatAMiddleware"},
		"error":   {func(task.Context, task.Data) (task.Data, error) { return task.Data{}, errBoom }, task.Failed, task.FailureError, "boom", ""},
		"verdict": {func(task.Context, task.Data) (task.Data, error) { return task.Data{}, task.Skip("closed") }, task.Skipped, task.FailureError, "closed", ""},
		"result":  {func(task.Context, task.Data) (task.Data, error) { return task.Encode(7) }, task.Succeeded, "", "", ""},
	}
	for name, tt := range tests {
		for place, level := range map[string]string{"worker": "worker", "task": "task"} {
			t.Run(place+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := newFake()
					mw := func(task.InvokeFunc) task.InvokeFunc { return tt.mw }
					opts, c := []task.DefineOption{task.MaxAttempts(1)}, Config{Slots: 1}
					if level == "task" {
						opts = append(opts, task.Use(mw))
					} else {
						c.Middleware = []task.Middleware{mw}
					}
					never := task.Define("never", func(task.Context, int) (int, error) { return 0, errors.New("it was called") }, opts...)
					w := start(t, f, c, never)
					s := f.wait(t, f.post(t, never.Call(0)))
					if s.State != tt.state || s.Failure.Kind != tt.kind || !strings.Contains(s.Failure.Message, tt.message) || !strings.Contains(s.Failure.Stack, tt.frame) {
						t.Errorf("got %v, %+v, want %v, %q with %q and %q", s.State, s.Failure, tt.state, tt.kind, tt.message, tt.frame)
					}
					if out, _ := decodeInt(s); tt.state == task.Succeeded && out != 7 {
						t.Errorf("got %d, want 7", out)
					}
					w.ok()
				})
			})
		}
	}
}

func TestAMiddlewareMayCallNextAgainButNotElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		ran := 0
		flaky := task.Define("flaky", func(task.Context, int) (int, error) {
			if ran++; ran < 3 {
				return 0, errBoom
			}
			return ran, nil
		}, task.MaxAttempts(1))
		again := func(next task.InvokeFunc) task.InvokeFunc {
			return func(ctx task.Context, payload task.Data) (out task.Data, err error) {
				for range 3 {
					if out, err = next(ctx, payload); err == nil {
						break
					}
				}
				return out, err
			}
		}
		w := start(t, f, Config{Slots: 1, Middleware: []task.Middleware{again}}, flaky)
		if out, err := decodeInt(f.wait(t, f.post(t, flaky.Call(0)))); out != 3 || err != nil {
			t.Errorf("got %d, %v, want 3", out, err)
		}
		w.ok()

		away := func(next task.InvokeFunc) task.InvokeFunc {
			return func(ctx task.Context, payload task.Data) (task.Data, error) {
				ctx.Context = t.Context()
				return next(ctx, payload)
			}
		}
		w = start(t, f, Config{Slots: 1, Middleware: []task.Middleware{away}}, flaky)
		if s := f.wait(t, f.post(t, flaky.Call(1))); s.State != task.Failed || !strings.Contains(s.Failure.Message, "not derived") {
			t.Errorf("got %v, %q, want failed: not derived", s.State, s.Failure.Message)
		}
		w.ok()
	})
}

func TestFaultsOfMiddlewareAreReportedAtStart(t *testing.T) {
	t.Parallel()
	none := func(task.InvokeFunc) task.InvokeFunc { return nil }
	nowhere := func(task.PostFunc) task.PostFunc { return nil }
	used := task.Define("used", func(task.Context, int) (int, error) { return 0, nil }, task.Use(none), task.Use(nil))
	_, err := NewWorker(newFake(), Config{
		Slots: -1, Middleware: []task.Middleware{none}, PostMiddleware: []task.PostMiddleware{nil},
	}, used)
	if !errors.Is(err, task.ErrInvalid) {
		t.Errorf("got %v, want it to wrap %v", err, task.ErrInvalid)
	}
	for _, want := range []string{"Slots", "runtime: task: invalid: middleware 0 returned nil", "post middleware 0 is nil", `task "used": task: invalid: middleware 1 is nil`} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("got %v, want in it %q", err, want)
		}
	}
	for _, mw := range []task.PostMiddleware{nil, nowhere} {
		c := NewClient(newFake()).Use(mw).Use(tagged("a"))
		if _, err := c.Post(t.Context(), []task.Call{noop.Call(0)}); !errors.Is(err, task.ErrInvalid) {
			t.Errorf("post: got %v, want %v", err, task.ErrInvalid)
		}
		if _, err := c.Submit(t.Context(), task.Plan{}); !errors.Is(err, task.ErrInvalid) {
			t.Errorf("submit: got %v, want %v", err, task.ErrInvalid)
		}
	}
}

// tagged adds its name to a header.
func tagged(name string) task.PostMiddleware {
	return func(next task.PostFunc) task.PostFunc {
		return func(ctx context.Context, calls []task.Call) ([]task.ID, error) {
			for i := range calls {
				h := maps.Clone(calls[i].Spec.Headers)
				if h == nil {
					h = map[string]string{}
				}
				h["via"] += name
				calls[i].Spec.Headers = h
			}
			return next(ctx, calls)
		}
	}
}

func TestPostMiddlewareIsAroundThePostsOfClientsAndJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		child := task.Define("child", func(c task.Context, _ int) (string, error) { return c.Job().Spec.Headers["via"], nil })
		parent := task.Define("parent", func(c task.Context, _ int) (string, error) {
			h, err := child.Post(c, 1)
			if err != nil {
				return "", err
			}
			return h.Wait(c)
		})
		w := start(t, f, Config{Slots: 2, PostMiddleware: []task.PostMiddleware{tagged("x"), tagged("y")}}, parent, child)
		q := NewClient(f).Use(tagged("a")).Use(tagged("b"), tagged("c")).With(t.Context())
		if got, err := child.Do(q, 0); got != "abc" || err != nil {
			t.Errorf("a client's post: got %q, %v, want %q", got, err, "abc")
		}
		if got, err := parent.Do(q, 0); got != "xy" || err != nil {
			t.Errorf("a job's post: got %q, %v, want %q", got, err, "xy")
		}
		w.ok()
	})
}

func TestACallKeepsItsIDAndNothingElseOfPostMiddleware(t *testing.T) {
	t.Parallel()
	f := newFake()
	calls := []task.Call{noop.Call(1), noop.Call(2)}
	c := NewClient(f).Use(tagged("a"))
	first, err := c.Post(t.Context(), calls)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Post(t.Context(), calls)
	if err != nil || !slices.Equal(first, again) || calls[0].ID != first[0] || calls[1].ID != first[1] {
		t.Errorf("posted again: got %v, %v, want %v", again, err, first)
	}
	if calls[0].Spec.Headers != nil || f.job(first[1]).Spec.Headers["via"] != "a" {
		t.Errorf("got headers %v in the call and %v in the job, want none and a", calls[0].Spec.Headers, f.job(first[1]).Spec.Headers)
	}
}

func TestPostMiddlewareThatBreaksItsRulesIsToldSo(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		mw   func(next task.PostFunc) task.PostFunc
		want string
	}{
		"drops a call": {func(next task.PostFunc) task.PostFunc {
			return func(ctx context.Context, calls []task.Call) ([]task.ID, error) { return next(ctx, calls[1:]) }
		}, "handed on 0 calls, want all 1"},
		"answers for itself": {func(task.PostFunc) task.PostFunc {
			return func(context.Context, []task.Call) ([]task.ID, error) { return nil, nil }
		}, "0 IDs for 1 calls"},
		"leaves its context": {func(next task.PostFunc) task.PostFunc {
			return func(_ context.Context, calls []task.Call) ([]task.ID, error) { return next(t.Context(), calls) }
		}, "not derived"},
		"refuses": {func(task.PostFunc) task.PostFunc {
			return func(context.Context, []task.Call) ([]task.ID, error) {
				return nil, fmt.Errorf("%w: not today", task.ErrInvalid)
			}
		}, "not today"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			_, err := noop.Post(NewClient(f).Use(tt.mw).With(t.Context()), 0)
			if !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if len(f.jobs) > 0 {
				t.Errorf("got %d jobs, want none", len(f.jobs))
			}
		})
	}
}

// A plan is taken down by its broker; nothing of it runs.
type planner struct {
	Jobs
	plans []task.Plan
}

func (p *planner) Submit(_ context.Context, plan task.Plan) (task.RunID, error) {
	p.plans = append(p.plans, plan)
	return task.NewID(1, task.KindRun, 0, 0, 1, 0), nil
}

func TestNodesOfAPlanPassPostMiddlewareAsCalls(t *testing.T) {
	t.Parallel()
	p := &planner{}
	var seen []task.ID
	watch := func(next task.PostFunc) task.PostFunc {
		return func(ctx context.Context, calls []task.Call) ([]task.ID, error) {
			ids, err := next(ctx, calls)
			seen = ids
			return ids, err
		}
	}
	c := NewClient(p).Use(watch, tagged("a"))
	plan := task.Plan{Name: "two", Nodes: []task.Node{{Call: noop.Call(1)}, {Call: noop.Call(2), Name: "second", Parents: task.After(0)}}}
	id, err := c.Submit(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	got := p.plans[0].Nodes
	if got[0].Spec.Headers["via"] != "a" || got[1].Spec.Headers["via"] != "a" || got[1].Name != "second" || plan.Nodes[0].Spec.Headers != nil {
		t.Errorf("got nodes %+v of %+v, want them with a header and the plan without", got, plan.Nodes)
	}
	if want := []task.ID{id.Node(0), id.Node(1)}; !slices.Equal(seen, want) {
		t.Errorf("got IDs %v, want %v", seen, want)
	}
	deaf := func(task.PostFunc) task.PostFunc {
		return func(_ context.Context, calls []task.Call) ([]task.ID, error) { return make([]task.ID, len(calls)), nil }
	}
	if _, err := NewClient(p).Use(deaf).Submit(t.Context(), plan); !errors.Is(err, task.ErrInvalid) || len(p.plans) != 1 {
		t.Errorf("got %v and %d plans, want %v and 1", err, len(p.plans), task.ErrInvalid)
	}
}
