package runtime

import (
	"context"

	"github.com/gomlq/mlq/task"
)

// Client posts jobs and waits for them. It is a [task.Port], holds nothing but
// the broker it was made of, needs no closing, and is safe for concurrent use.
type Client struct {
	Jobs
	poster poster
	err    error // of its middleware
}

// NewClient returns a client of b whose posts the observers are told of.
func NewClient(b Jobs, observers ...PostObserver) *Client {
	c := &Client{Jobs: b}
	for _, o := range observers {
		if o != nil {
			c.poster.observers = append(c.poster.observers, o)
		}
	}
	return c
}

// Use returns a client like c whose posts pass mw, within the middleware that c has:
// the first of all is outermost. The observers are told before it. A middleware that
// is nil, or returns nil, is an error of each post, which wraps [task.ErrInvalid].
func (c *Client) Use(mw ...task.PostMiddleware) *Client {
	out := *c
	if out.err == nil {
		out.poster, out.err = c.poster.with(mw)
	}
	return &out
}

// With returns a context with c behind it: what the verbs of package task want.
func (c *Client) With(ctx context.Context) context.Context { return task.WithPort(ctx, c) }

// Post implements [task.Port].
func (c *Client) Post(ctx context.Context, calls []task.Call) ([]task.ID, error) {
	if c.err != nil {
		return nil, c.err
	}
	return c.poster.post(ctx, c.Jobs, calls)
}

// Submit implements [task.Port].
func (c *Client) Submit(ctx context.Context, p task.Plan) (task.RunID, error) {
	if c.err != nil {
		return task.RunID{}, c.err
	}
	return c.poster.submit(ctx, c.Jobs, p)
}
