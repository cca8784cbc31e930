package task

import (
	"context"
	"fmt"
	"slices"
)

// InvokeFunc runs the functions of one attempt: it decodes the payload, calls them
// and returns what the last one gave, encoded. [Handler] has one as its Invoke.
type InvokeFunc func(ctx Context, payload Data) (Data, error)

// Middleware puts code around attempts, in the manner of net/http: it is given what
// comes next and returns what is to be called instead.
//
//	func timed(next task.InvokeFunc) task.InvokeFunc {
//		return func(ctx task.Context, payload task.Data) (task.Data, error) {
//			start := time.Now()
//			out, err := next(ctx, payload)
//			ctx.Logger().Info("attempt", "took", time.Since(start))
//			return out, err
//		}
//	}
//
// A worker takes some for all its attempts (runtime.Config.Middleware), a task its own
// ([Use]). Those of the worker are around those of the task, and the first of a list
// is around the others. A Middleware is called once, when the worker is made, and what
// it returns for every attempt, at once with others.
//
// It may call next or not, more than once, with another payload, or with a Context
// that is derived from its own (see [From] and [Context.WithValue]). The error that it
// returns is the attempt's, a verdict like that of a task function; so is a panic.
type Middleware func(next InvokeFunc) InvokeFunc

// Through returns f with mw around it; the first is outermost. The error wraps
// [ErrInvalid]: one of mw is nil, or returned nil.
func (f InvokeFunc) Through(mw ...Middleware) (InvokeFunc, error) {
	for i, m := range slices.Backward(mw) {
		if m == nil {
			return nil, fmt.Errorf("%w: middleware %d is nil", ErrInvalid, i)
		}
		if f = m(f); f == nil {
			return nil, fmt.Errorf("%w: middleware %d returned nil; it must return a function that calls next", ErrInvalid, i)
		}
	}
	return f, nil
}

// Use puts mw around the attempts of a task, within the middleware of the worker. Of
// several Use the first is outermost. A job that names several functions passes the
// middleware of each on its way to that function. What is wrong with mw is reported
// when a worker is made.
func Use(mw ...Middleware) DefineOption {
	return defineOnly(func(d *definition) { d.use = append(d.use, mw...) })
}

// PostFunc posts calls as [Port] does: it writes their IDs into them and returns these.
type PostFunc func(ctx context.Context, calls []Call) ([]ID, error)

// PostMiddleware puts code around posts. It sees the calls before they are sent, and
// may change their headers (each in a map of its own, since calls may share one) or
// their options, refuse them by an error of its own, and measure. The nodes of a plan
// that is submitted pass it as calls too.
//
// A client takes some (runtime.Client.Use), and a worker for the posts of its jobs
// (runtime.Config.PostMiddleware). The first of a list is outermost; each is called
// once, and what it returns for every post, at once with others.
//
// The slice that it is given is its own: who posts keeps the calls as they were, but
// for their IDs, and may post them again. What it hands on must be as many calls in
// the same order. IDs may be missing before next has returned; jobs have given theirs.
type PostMiddleware func(next PostFunc) PostFunc

// Through returns f with mw around it; the first is outermost. The error wraps
// [ErrInvalid]: one of mw is nil, or returned nil.
func (f PostFunc) Through(mw ...PostMiddleware) (PostFunc, error) {
	for i, m := range slices.Backward(mw) {
		if m == nil {
			return nil, fmt.Errorf("%w: post middleware %d is nil", ErrInvalid, i)
		}
		if f = m(f); f == nil {
			return nil, fmt.Errorf("%w: post middleware %d returned nil; it must return a function that calls next", ErrInvalid, i)
		}
	}
	return f, nil
}

// WithValue is [context.WithValue] for a Context.
func (c Context) WithValue(key, value any) Context {
	return Context{context.WithValue(c.Context, key, value), c.a}
}
