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
	Bound   int // of a list
	Of      taken[made]
	Lists   taken[[]made]
	Somes   taken[[]task.Result[made]]
}

// taken is what a vertex takes of others.
type taken[T any] struct {
	Sure  []task.Ref[T]
	Maybe []task.Ref[task.Opt[T]]
	Ends  []task.Ref[task.Result[T]]
}

func (k *taken[T]) take(r task.Ref[T], a task.Accept) {
	switch a {
	case task.AcceptSuccess:
		k.Sure = append(k.Sure, r)
	case task.AcceptSkip:
		k.Maybe = append(k.Maybe, task.OptOf(r))
	default:
		k.Ends = append(k.Ends, task.ResultOf(r))
	}
}

// addTo adds what is taken; text is what a value says.
func (k *taken[T]) addTo(ctx context.Context, m mix, text func(T) string) error {
	sure := func(v T) string { return token(task.Succeeded, text(v), "") }
	maybe := func(o task.Opt[T]) string {
		if !o.OK {
			return token(task.Skipped, "", "")
		}
		return sure(o.Value)
	}
	return errors.Join(addAll(ctx, m, k.Sure, sure), addAll(ctx, m, k.Maybe, maybe),
		addAll(ctx, m, k.Ends, func(r task.Result[T]) string { return endToken(r, text) }))
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
	err := in.addTo(ctx, m)
	return finished(ctx, m), err
}

func (in *stirred) addTo(ctx context.Context, m mix) error {
	return errors.Join(in.Of.addTo(ctx, m, madeText), in.Lists.addTo(ctx, m, textOf), in.Somes.addTo(ctx, m, textOfSome))
}

func doCoin(ctx task.Context, in stirred) (bool, error) {
	m, err := doStir(ctx, in)
	return heads(m.Sum), err
}

// doPass is given the result of its parent as it is.
func doPass(ctx task.Context, in made) (made, error) {
	m := newMix(ctx.Job().ID.Number())
	m.add(token(task.Succeeded, madeText(in), ""))
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
	ends, err := task.Ended(ctx, in.Of.Ends)
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

// endToken is the token of the end of a vertex, or of a child of a map.
func endToken[T any](r task.Result[T], text func(T) string) string {
	if r.Err == nil {
		return token(task.Succeeded, text(r.Value), "")
	}
	je, ok := errors.AsType[*task.JobError](r.Err)
	if !ok {
		return r.Err.Error()
	}
	if _, single := any(r.Value).(made); !single || je.State != task.Failed {
		je.Failure.Message = ""
	}
	return token(je.State, "", je.Failure.Message)
}

// build makes the graph that d is the drawing of.
func (d *drawing) build() *graph.Graph {
	g := graph.New("drawn")
	if d.keep {
		g = graph.New("drawn", graph.KeepGoing())
	}
	all := make([]refs, len(d.vertices))
	for i := range d.vertices {
		v := &d.vertices[i]
		in := stirred{Index: i, Fails: v.fails, End: v.end, AtLeast: v.atLeast, Bound: v.lists.bound}
		opts := []graph.Option{graph.Name(fmt.Sprint("v", i))}
		for _, t := range v.ties {
			if from := &all[t.from]; t.data {
				from.give(&in, d.vertices[t.from].gives(), t.accept)
			} else if !t.list {
				opts = append(opts, from.wait(d.vertices[t.from].gives(), t.accept))
			}
		}
		if v.atLeast > 0 {
			opts = append(opts, graph.AtLeast(v.atLeast))
		}
		var most []task.Option
		if v.end == exhausted {
			most = append(most, task.MaxAttempts(v.fails))
		}
		switch own := &all[i]; {
		case v.do == "pass":
			own.made = graph.Then(g, pass, in.Of.Sure[0], opts...)
		case v.do == "fold" && len(in.Lists.Sure) > 0:
			own.made = graph.Then(g, fold, in.Lists.Sure[0], opts...)
		case v.do == "fold":
			own.made = graph.Then(g, foldSome, in.Somes.Sure[0], opts...)
		case v.do == "coin":
			own.coin = graph.Add(g, coin.With(most...), in, opts...)
		case v.do == "list":
			own.list = graph.Add(g, list.With(most...), in, opts...)
		case v.do == "map":
			v.build(g, all, own, in, opts)
		default:
			own.made = graph.Add(g, stir.With(most...), in, opts...)
		}
	}
	return g
}

// refs are those to a vertex, of which it has one.
type refs struct {
	made task.Ref[made]
	coin task.Ref[bool]
	list task.Ref[[]made]
	some task.Ref[[]task.Result[made]]
}

// give puts a Ref into an input.
func (r *refs) give(in *stirred, g gives, a task.Accept) {
	switch g {
	case aList:
		in.Lists.take(r.list, a)
	case aSome:
		in.Somes.take(r.some, a)
	default:
		in.Of.take(r.made, a)
	}
}

// wait is an edge without data.
func (r *refs) wait(g gives, a task.Accept) graph.Option {
	switch {
	case a == task.AcceptTrue:
		return graph.When(r.coin)
	case a == task.AcceptFalse:
		return graph.Unless(r.coin)
	case g == aCoin:
		return after(r.coin, a)
	case g == aList:
		return after(r.list, a)
	case g == aSome:
		return after(r.some, a)
	default:
		return after(r.made, a)
	}
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
