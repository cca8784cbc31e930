package runtime

import (
	"context"
	"fmt"
	"slices"

	"github.com/gomlq/mlq/task"
)

// attemptKey leads from the context that passes the middleware to the attempt.
type attemptKey struct{}

// last is what the middleware of a worker is around: the functions of the attempt.
func last(ctx task.Context, payload task.Data) (task.Data, error) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return task.Data{}, task.Permanent(fmt.Errorf("%w: a middleware called next with a context that is not derived from its own", task.ErrInvalid))
	}
	return a.invoke(ctx, payload)
}

// poster posts and submits: what a client and the jobs of a worker have in common.
type poster struct {
	observers []PostObserver
	use       []task.PostMiddleware
	through   task.PostFunc // nil without middleware
}

// with returns p with mw within the middleware that it has.
func (p *poster) with(mw []task.PostMiddleware) (poster, error) {
	out := *p
	if len(mw) == 0 {
		return out, nil
	}
	out.use = slices.Concat(p.use, mw)
	var err error
	out.through, err = task.PostFunc(send).Through(out.use...)
	return out, err
}

// post posts calls to b. The observers are told before any middleware is, the first
// one first.
func (p *poster) post(ctx context.Context, b Jobs, calls []task.Call) ([]task.ID, error) {
	if len(p.observers) == 0 && p.through == nil {
		return b.Post(ctx, calls)
	}
	return observed(ctx, p.observers, calls, func(ctx context.Context) ([]task.ID, error) {
		if p.through == nil {
			return b.Post(ctx, calls)
		}
		return p.pass(ctx, slices.Clone(calls), func(ctx context.Context, sent []task.Call) ([]task.ID, error) {
			ids, err := b.Post(ctx, sent)
			for i := range sent { // who posts them again means the same jobs
				calls[i].ID = sent[i].ID
			}
			return ids, err
		})
	})
}

func observed(ctx context.Context, observers []PostObserver, calls []task.Call, post func(context.Context) ([]task.ID, error)) ([]task.ID, error) {
	if len(observers) == 0 {
		return post(ctx)
	}
	ctx, end := observers[0].Post(ctx, calls)
	ids, err := observed(ctx, observers[1:], calls, post)
	if end != nil {
		end(err)
	}
	return ids, err
}

// submit submits plan to b. Its nodes pass the middleware as calls, and after them its
// exit jobs, which have no IDs yet.
func (p *poster) submit(ctx context.Context, b Jobs, plan task.Plan) (task.RunID, error) {
	if p.through == nil {
		return b.Submit(ctx, plan)
	}
	n := len(plan.Nodes)
	calls := make([]task.Call, n, n+len(plan.OnExit))
	for i := range plan.Nodes {
		calls[i] = plan.Nodes[i].Call
	}
	calls = append(calls, plan.OnExit...)
	var run task.RunID
	_, err := p.pass(ctx, calls, func(ctx context.Context, sent []task.Call) ([]task.ID, error) {
		plan.Nodes, plan.OnExit = slices.Clone(plan.Nodes), sent[n:] // the caller keeps his
		for i := range plan.Nodes {
			plan.Nodes[i].Call = sent[i]
		}
		var err error
		if run, err = b.Submit(ctx, plan); err != nil {
			return nil, err
		}
		ids := make([]task.ID, len(sent))
		for i := range plan.Nodes {
			ids[i] = run.Node(i)
			sent[i].ID = ids[i]
		}
		return ids, nil
	})
	if err == nil && run.IsZero() {
		err = fmt.Errorf("%w: a post middleware let plan %q be submitted without calling next; return an error to refuse it", task.ErrInvalid, plan.Name)
	}
	return run, err
}

// pass lets calls pass the middleware on their way to end.
func (p *poster) pass(ctx context.Context, calls []task.Call, end task.PostFunc) ([]task.ID, error) {
	n := len(calls)
	s := &sending{n, end}
	ids, err := p.through(context.WithValue(ctx, sendKey{}, s), calls)
	if err == nil && len(ids) != n {
		err = fmt.Errorf("%w: a post middleware returned %d IDs for %d calls; return what next returned, or an error to refuse them", task.ErrInvalid, len(ids), n)
	}
	return ids, err
}

// sending is where the calls of one post go.
type sending struct {
	calls int // how many these are
	end   task.PostFunc
}

// sendKey leads from the context that passes the middleware to its [sending].
type sendKey struct{}

// send is what the middleware of posts is around.
func send(ctx context.Context, calls []task.Call) ([]task.ID, error) {
	s, ok := ctx.Value(sendKey{}).(*sending)
	if !ok {
		return nil, fmt.Errorf("%w: a post middleware called next with a context that is not derived from its own", task.ErrInvalid)
	}
	if len(calls) != s.calls {
		return nil, fmt.Errorf("%w: a post middleware handed on %d calls, want all %d; return an error to refuse them", task.ErrInvalid, len(calls), s.calls)
	}
	return s.end(ctx, calls)
}
