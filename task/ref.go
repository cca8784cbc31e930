package task

import (
	"context"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Ref stands for the result of a job in the input of another. In the task
// function, Get fetches it when it is needed. In a unit test, [Value] makes one.
// The zero Ref stands for nothing.
type Ref[T any] struct {
	form  refForm
	id    ID     // refJob
	graph uint64 // refNode
	node  int    // refNode
	value *T     // refValue
}

// refForm says what a Ref stands for; it is also how a Ref is encoded.
type refForm uint8

const (
	refNothing refForm = iota
	refJob             // a posted job
	refNode            // a node of the same run
	refValue           // a value, carried along
)

// Value returns a Ref that stands for v itself.
func Value[T any](v T) Ref[T] { return Ref[T]{form: refValue, value: &v} }

// NodeRef returns a Ref to a node of a graph. Package graph makes them.
func NodeRef[T any](graph uint64, node int) Ref[T] {
	return Ref[T]{form: refNode, graph: graph, node: node}
}

// Node returns which node of which graph r stands for; false if for none.
func (r Ref[T]) Node() (graph uint64, node int, ok bool) {
	return r.graph, r.node, r.form == refNode
}

// isRef tells Refs of any type from other types.
func (Ref[T]) isRef() {}

// Get returns the value r stands for. It waits for the job if that has not
// ended; a job that did not succeed is a [*JobError]. Get fetches anew at every
// call.
func (r Ref[T]) Get(ctx context.Context) (T, error) {
	vs, err := All(ctx, []Ref[T]{r})
	if err != nil {
		var zero T
		return zero, err
	}
	return vs[0], nil
}

// All returns the values of rs, in order and in few round trips.
func All[T any](ctx context.Context, rs []Ref[T]) ([]T, error) {
	out := make([]T, len(rs))
	var ids []ID
	var places []int
	for i, r := range rs {
		if r.form == refValue {
			out[i] = *r.value
			continue
		}
		id, err := r.job(ctx)
		if err != nil {
			return nil, err
		}
		ids, places = append(ids, id), append(places, i)
	}
	if len(ids) == 0 {
		return out, nil
	}
	p, err := port(ctx)
	if err != nil {
		return nil, err
	}
	vs, err := results[T](ctx, p, ids)
	if err != nil {
		return nil, err
	}
	for k, i := range places {
		out[i] = vs[k]
	}
	return out, nil
}

// job returns the ID of the job that r stands for, seen from the job in ctx.
func (r Ref[T]) job(ctx context.Context) (ID, error) {
	switch r.form {
	case refJob:
		return r.id, nil
	case refNode:
		c, ok := From(ctx)
		if !ok {
			return ID{}, fmt.Errorf("a Ref to node %d: %w", r.node, ErrNotInTask)
		}
		run := c.Job().ID.Run()
		if run.IsZero() {
			return ID{}, fmt.Errorf("%w: a Ref to node %d of a graph, in a job that belongs to no run", ErrInvalid, r.node)
		}
		return run.Node(r.node), nil
	default:
		return ID{}, fmt.Errorf("%w: a zero Ref stands for nothing", ErrInvalid)
	}
}

// EncodeMsgpack implements [msgpack.CustomEncoder].
func (r Ref[T]) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := e.EncodeArrayLen(2); err != nil {
		return err
	}
	if err := e.EncodeUint(uint64(r.form)); err != nil {
		return err
	}
	switch r.form {
	case refJob:
		return e.EncodeBytes(r.id[:])
	case refNode:
		return e.EncodeInt(int64(r.node))
	case refValue:
		return e.Encode(r.value)
	default:
		return e.EncodeNil()
	}
}

// DecodeMsgpack implements [msgpack.CustomDecoder].
func (r *Ref[T]) DecodeMsgpack(d *msgpack.Decoder) error {
	n, err := d.DecodeArrayLen()
	if err != nil {
		return err
	}
	if n != 2 {
		return fmt.Errorf("%w: a Ref of %d elements, want 2", ErrInvalid, n)
	}
	form, err := d.DecodeUint8()
	if err != nil {
		return err
	}
	*r = Ref[T]{form: refForm(form)}
	switch r.form {
	case refJob:
		b, err := d.DecodeBytes()
		if err != nil {
			return err
		}
		if len(b) != len(r.id) {
			return fmt.Errorf("%w: a Ref with an ID of %d bytes, want %d", ErrInvalid, len(b), len(r.id))
		}
		r.id = ID(b)
		return nil
	case refNode:
		r.node, err = d.DecodeInt()
		if err == nil && (r.node < 0 || r.node > MaxNodeNumber) {
			err = fmt.Errorf("%w: a Ref to node %d, want 0 to %d", ErrInvalid, r.node, MaxNodeNumber)
		}
		return err
	case refValue:
		r.value = new(T)
		return d.Decode(r.value)
	case refNothing:
		return d.DecodeNil()
	default:
		return fmt.Errorf("%w: a Ref of form %d", ErrInvalid, form)
	}
}
