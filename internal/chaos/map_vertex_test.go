package chaos

import (
	"errors"
	"time"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

// knownList is a list that needs no vertex.
var knownList = []made{{Sum: 1}, {Sum: 2, Pad: []byte("two")}, {Sum: 3}}

// bearing is the input of a child that is given more than its element.
type bearing[E any] struct {
	Element task.Ref[E]
	In      stirred
	Hazard  uint64
	Ends    []ended
}

// kind has the tasks for elements of a type.
type kind[E any] struct {
	bare  task.Decl[E, made]
	with  task.Decl[bearing[E], made]
	token func(E) string
}

func newKind[E any](name string, token func(E) string) kind[E] {
	quick := task.Backoff(time.Millisecond, 20*time.Millisecond)
	return kind[E]{task.Declare[E, made]("bare-"+name, quick), task.Declare[bearing[E], made]("with-"+name, quick), token}
}

var (
	list     = task.Declare[stirred, []made]("list", task.Backoff(time.Millisecond, 20*time.Millisecond))
	fold     = task.Declare[[]made, made]("fold")
	foldSome = task.Declare[[]task.Result[made], made]("fold-some")

	ofOne  = newKind("one", oneToken)
	ofEnd  = newKind("end", func(r task.Result[made]) string { return endToken(r, madeText) })
	ofPair = newKind("pair", func(p task.Pair[made, made]) string { return pairToken(oneToken(p.First), oneToken(p.Second)) })
)

func oneToken(m made) string { return token(task.Succeeded, madeText(m), "") }

func handlers() []task.Handler {
	hs := []task.Handler{list.Handle(doList), fold.Handle(doFold), foldSome.Handle(doFoldSome)}
	return append(append(append(hs, ofOne.handlers()...), ofEnd.handlers()...), ofPair.handlers()...)
}

func doList(ctx task.Context, in stirred) ([]made, error) {
	m, err := doStir(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []made
	for k := range length(m.Sum, in.Bound) {
		sum := element(m.Sum, k)
		out = append(out, made{Sum: sum, Pad: pad(sum)})
	}
	return out, nil
}

func doFold(ctx task.Context, in []made) (made, error) { return folded(ctx, textOf(in)) }

func doFoldSome(ctx task.Context, in []task.Result[made]) (made, error) {
	return folded(ctx, textOfSome(in))
}

func folded(ctx task.Context, text string) (made, error) {
	m := newMix(ctx.Job().ID.Number())
	m.add(token(task.Succeeded, text, ""))
	return finished(ctx, m), nil
}

func textOf(ms []made) string {
	var of []string
	for _, m := range ms {
		of = append(of, madeText(m))
	}
	return listText(of)
}

func textOfSome(rs []task.Result[made]) string {
	var of []string
	for _, r := range rs {
		of = append(of, endToken(r, madeText))
	}
	return listText(of)
}

func (k kind[E]) handlers() []task.Handler {
	return []task.Handler{
		k.bare.Handle(func(ctx task.Context, e E) (made, error) {
			return bearing[E]{}.finish(ctx, k.token(e))
		}),
		k.with.Handle(func(ctx task.Context, in bearing[E]) (made, error) {
			e, err := in.Element.Get(ctx)
			if err != nil {
				return made{}, err
			}
			return in.finish(ctx, k.token(e))
		}),
	}
}

func (b bearing[E]) finish(ctx task.Context, given string) (made, error) {
	i, k := ctx.Job().Map.Node, ctx.Job().Element.Index
	m := newChild(i, k, given)
	if err := b.In.addTo(ctx, m); err != nil {
		return made{}, err
	}
	out := finished(ctx, m)
	if err := dawdle(ctx, int(out.Sum%16)); err != nil {
		return made{}, err
	}
	attempt := ctx.Job().Attempt
	err := errors.New(childComplaint(i, k, attempt))
	if attempt <= failsOf(out.Sum) {
		return made{}, err
	}
	switch endOf(out.Sum, b.Hazard, b.Ends) {
	case hopeless:
		return made{}, task.Permanent(err)
	case skipped:
		return made{}, task.Skip("nothing to do")
	case cancelled:
		return made{}, task.Cancel("never mind")
	default:
		return out, nil
	}
}

// build adds map v to a graph.
func (v *vertex) build(g *graph.Graph, all []refs, own *refs, in stirred, opts []graph.Option) {
	var lists [2]task.Ref[[]made]
	for p, i := range v.lists.of {
		if lists[p] = task.Value(knownList); i != known {
			lists[p] = all[i].list
		}
	}
	first := v.lists.of[0]
	switch {
	case v.lists.form == task.ListZip:
		mapWith(g, ofPair, task.Zip(lists[0], lists[1]), v, own, in, opts)
	case v.lists.form == task.ListCross:
		mapWith(g, ofPair, task.Cross(lists[0], lists[1]), v, own, in, opts)
	case first != known && all[first].some != (task.Ref[[]task.Result[made]]{}):
		mapWith(g, ofEnd, all[first].some, v, own, in, opts)
	default:
		mapWith(g, ofOne, lists[0], v, own, in, opts)
	}
}

func mapWith[E any](g *graph.Graph, k kind[E], over task.Ref[[]E], v *vertex, own *refs, in stirred, opts []graph.Option) {
	build := func(e task.Ref[E]) bearing[E] { return bearing[E]{e, in, v.lists.hazard, v.lists.ends} }
	var tries []task.Option
	if v.lists.tries > 0 {
		tries = append(tries, task.MaxAttempts(v.lists.tries))
	}
	bare, with := k.bare.With(tries...), k.with.With(tries...)
	if !v.lists.some {
		var all []graph.MapOption
		for _, o := range opts {
			all = append(all, o)
		}
		if v.lists.most > 0 {
			all = append(all, graph.MaxParallel(v.lists.most))
		}
		if v.lists.bare {
			own.list = graph.Map(g, bare, over, all...)
		} else {
			own.list = graph.MapWith(g, with, over, build, all...)
		}
		return
	}
	var all []graph.SomeOption
	for _, o := range opts {
		all = append(all, o)
	}
	if v.lists.most > 0 {
		all = append(all, graph.MaxParallel(v.lists.most))
	}
	if v.lists.allow >= 0 {
		all = append(all, graph.AllowFailures(v.lists.allow))
	}
	if v.lists.rate >= 0 {
		all = append(all, graph.AllowFailureRate(v.lists.rate))
	}
	if v.lists.bare {
		own.some = graph.MapSome(g, bare, over, all...)
	} else {
		own.some = graph.MapSomeWith(g, with, over, build, all...)
	}
}
