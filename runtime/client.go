package runtime

import (
	"context"

	"github.com/gomlq/mlq/task"
)

// Client posts jobs and waits for them. It is a [task.Port], holds nothing but
// the broker it was made of, needs no closing, and is safe for concurrent use.
type Client struct {
	Jobs
	observers []PostObserver
}

// NewClient returns a client of b whose posts the observers are told of.
func NewClient(b Jobs, observers ...PostObserver) *Client {
	c := &Client{Jobs: b}
	for _, o := range observers {
		if o != nil {
			c.observers = append(c.observers, o)
		}
	}
	return c
}

// With returns a context with c behind it: what the verbs of package task want.
func (c *Client) With(ctx context.Context) context.Context { return task.WithPort(ctx, c) }

// Post implements [task.Port].
func (c *Client) Post(ctx context.Context, calls []task.Call) ([]task.ID, error) {
	return post(ctx, c.Jobs, c.observers, calls)
}
