package task

import (
	"context"
	"fmt"
)

// Run is a submitted plan. It is a value and safe for concurrent use.
type Run struct {
	id RunID
	p  Port
}

// Submit stores a plan whole or not at all, and starts it.
func Submit(ctx context.Context, p Plan) (Run, error) {
	if err := p.Validate(); err != nil {
		return Run{}, err
	}
	q, err := port(ctx)
	if err != nil {
		return Run{}, err
	}
	id, err := q.Submit(ctx, p)
	return Run{id, q}, err
}

// RunAt returns the run with that ID, submitted elsewhere.
func RunAt(ctx context.Context, id RunID) Run {
	p, _ := port(ctx)
	return Run{id, p}
}

// ID returns the run's ID.
func (r Run) ID() RunID { return r.id }

// Wait waits until all nodes have ended. It returns nil if the run succeeded,
// else a [*JobError] with the run's ID and the first failure.
func (r Run) Wait(ctx context.Context) error {
	p, err := r.port(ctx)
	if err != nil {
		return err
	}
	_, err = await(ctx, p, r.id)
	return err
}

// Cancel ends the run as cancelled: nothing of it starts any more.
func (r Run) Cancel(ctx context.Context) (State, error) {
	p, err := r.port(ctx)
	if err != nil {
		return 0, err
	}
	return p.Cancel(ctx, r.id)
}

// Node returns the record of node i.
func (r Run) Node(ctx context.Context, i int) (Record, error) {
	p, err := r.port(ctx)
	if err != nil {
		return Record{}, err
	}
	return readOne(ctx, p, r.id.Node(i))
}

func (r Run) port(ctx context.Context) (Port, error) {
	p, err := port(ctx)
	if err != nil && r.p != nil {
		return r.p, nil
	}
	return p, err
}

// Get waits for the node that ref stands for and returns its result.
func Get[T any](ctx context.Context, r Run, ref Ref[T]) (T, error) {
	var zero T
	_, node, ok := ref.Node()
	if !ok {
		return zero, fmt.Errorf("%w: Get takes a Ref to a node of the run", ErrInvalid)
	}
	p, err := r.port(ctx)
	if err != nil {
		return zero, err
	}
	vs, err := results[T](ctx, p, []ID{r.id.Node(node)})
	if err != nil {
		return zero, err
	}
	return vs[0], nil
}
