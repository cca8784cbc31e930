package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

// made is what a vertex returns.
type made struct {
	Sum     uint64
	Pad     []byte
	Session string
	Found   []uint64 // with AtLeast: the sums of those inputs that had succeeded, else 0
}

// stirred is the input of a vertex.
type stirred struct {
	Index   int
	Fails   int
	End     ended
	AtLeast int
	Sure    []task.Ref[made]
	Maybe   []task.Ref[task.Opt[made]]
	Ends    []task.Ref[task.Result[made]]
}

var (
	stir = task.Declare[stirred, made]("stir", task.Backoff(time.Millisecond, 20*time.Millisecond))
	coin = task.Declare[stirred, bool]("coin", task.Backoff(time.Millisecond, 20*time.Millisecond))
	pass = task.Declare[made, made]("pass")
)

func doStir(ctx task.Context, in stirred) (made, error) {
	if err := in.suffer(ctx); err != nil {
		return made{}, err
	}
	if in.AtLeast > 0 {
		return in.found(ctx)
	}
	m := newMix(in.Index)
	err := errors.Join(addAll(ctx, m, in.Sure, sure), addAll(ctx, m, in.Maybe, maybe), addAll(ctx, m, in.Ends, anyEnd))
	return finished(ctx, m), err
}

func doCoin(ctx task.Context, in stirred) (bool, error) {
	m, err := doStir(ctx, in)
	return heads(m.Sum), err
}

// doPass is given the result of its parent as it is.
func doPass(ctx task.Context, in made) (made, error) {
	m := newMix(ctx.Job().ID.Number())
	m.add(sure(in))
	return finished(ctx, m), dawdle(ctx, int(in.Sum%16))
}

func finished(ctx task.Context, m mix) made {
	return made{Sum: m.sum(), Pad: pad(m.sum()), Session: ctx.Job().Lease.Session.String()}
}

// suffer takes its time, so that a kill finds it running, and ends as it was told.
func (in *stirred) suffer(ctx task.Context) error {
	if err := dawdle(ctx, in.Index%16); err != nil {
		return err
	}
	attempt := ctx.Job().Attempt
	err := errors.New(complaint(in.Index, attempt))
	switch {
	case attempt <= in.Fails && in.Index%2 == 0:
		return task.RetryAfter(err, 0)
	case attempt <= in.Fails:
		return err
	}
	switch in.End {
	case hopeless:
		return task.Permanent(err)
	case skipped:
		return task.Skip("nothing to do")
	case cancelled:
		return task.Cancel("never mind")
	default:
		return nil
	}
}

func dawdle(ctx context.Context, ms int) error {
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// found tells which inputs it finds; too few are an error that ends it for good.
func (in *stirred) found(ctx task.Context) (made, error) {
	out := finished(ctx, newMix(in.Index))
	ends, err := task.Ended(ctx, in.Ends)
	if err != nil {
		return out, err
	}
	for _, e := range ends {
		if e.Err != nil {
			e.Value.Sum = 0
		}
		out.Found = append(out.Found, e.Value.Sum)
	}
	return out, nil
}

func addAll[T any](ctx context.Context, m mix, rs []task.Ref[T], token func(T) string) error {
	vs, err := task.All(ctx, rs)
	for _, v := range vs {
		m.add(token(v))
	}
	return err
}

func sure(m made) string { return token(task.Succeeded, m, "") }

func maybe(o task.Opt[made]) string {
	if !o.OK {
		return token(task.Skipped, made{}, "")
	}
	return sure(o.Value)
}

func anyEnd(r task.Result[made]) string {
	if r.Err == nil {
		return sure(r.Value)
	}
	je, ok := errors.AsType[*task.JobError](r.Err)
	if !ok {
		return r.Err.Error()
	}
	if je.State != task.Failed {
		je.Failure.Message = ""
	}
	return token(je.State, made{}, je.Failure.Message)
}

// build makes the graph that d is the drawing of.
func (d *drawing) build() *graph.Graph {
	g := graph.New("drawn")
	if d.keep {
		g = graph.New("drawn", graph.KeepGoing())
	}
	stirs, coins := make([]task.Ref[made], len(d.vertices)), make([]task.Ref[bool], len(d.vertices))
	for i := range d.vertices {
		v := &d.vertices[i]
		in := stirred{Index: i, Fails: v.fails, End: v.end, AtLeast: v.atLeast}
		opts := []graph.Option{graph.Name(fmt.Sprint("v", i))}
		for _, t := range v.ties {
			s, c := stirs[t.from], coins[t.from]
			switch {
			case t.accept == task.AcceptTrue:
				opts = append(opts, graph.When(c))
			case t.accept == task.AcceptFalse:
				opts = append(opts, graph.Unless(c))
			case !t.data && d.vertices[t.from].do == "coin":
				opts = append(opts, after(c, t.accept))
			case !t.data:
				opts = append(opts, after(s, t.accept))
			case t.accept == task.AcceptSuccess:
				in.Sure = append(in.Sure, s)
			case t.accept == task.AcceptSkip:
				in.Maybe = append(in.Maybe, task.OptOf(s))
			default:
				in.Ends = append(in.Ends, task.ResultOf(s))
			}
		}
		if v.atLeast > 0 {
			opts = append(opts, graph.AtLeast(v.atLeast))
		}
		var most []task.Option
		if v.end == exhausted {
			most = append(most, task.MaxAttempts(v.fails))
		}
		switch v.do {
		case "pass":
			stirs[i] = graph.Then(g, pass, in.Sure[0], opts...)
		case "coin":
			coins[i] = graph.Add(g, coin.With(most...), in, opts...)
		default:
			stirs[i] = graph.Add(g, stir.With(most...), in, opts...)
		}
	}
	return g
}

// after is an edge without data.
func after[T any](r task.Ref[T], a task.Accept) graph.Option {
	switch a {
	case task.AcceptSkip:
		return graph.After(task.OptOf(r))
	case task.AcceptAny:
		return graph.After(task.ResultOf(r))
	default:
		return graph.After(r)
	}
}
