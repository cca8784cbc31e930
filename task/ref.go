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

// ResultOf returns a Ref to the same job that stands for how it ended, whatever that
// was: a node with such a Ref starts even if the job has failed.
func ResultOf[T any](r Ref[T]) Ref[Result[T]] {
	return Ref[Result[T]]{form: r.form, id: r.id, graph: r.graph, node: r.node, value: lift(r.value, func(v T) Result[T] { return Result[T]{Value: v} })}
}

// OptOf returns a Ref to the same job that stands for its value, if it was not
// skipped: a node with such a Ref starts even if the job was skipped.
func OptOf[T any](r Ref[T]) Ref[Opt[T]] {
	return Ref[Opt[T]]{form: r.form, id: r.id, graph: r.graph, node: r.node, value: lift(r.value, func(v T) Opt[T] { return Opt[T]{v, true} })}
}

func lift[T, U any](v *T, f func(T) U) *U {
	if v == nil {
		return nil
	}
	u := f(*v)
	return &u
}

// need says what r stands for; see [Needs].
func (r Ref[T]) need() Need {
	n := Need{Job: r.id, Graph: r.graph, Node: r.node}
	if s, ok := any((*T)(nil)).(settler); ok {
		n.Accept = s.accept()
	}
	switch r.form {
	case refNode:
		n.Kind = NeedNode
	case refJob:
		n.Kind = NeedJob
	case refNothing:
		n.Kind = NeedNothing
	default:
		n.Kind = NeedValue
	}
	return n
}

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
	out, ids, places, err := known(ctx, rs)
	if err != nil || len(ids) == 0 {
		return out, err
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

// known returns the values that rs carry along, and for the others their jobs and
// their places among rs.
func known[T any](ctx context.Context, rs []Ref[T]) (out []T, ids []ID, places []int, err error) {
	out = make([]T, len(rs))
	for i, r := range rs {
		if r.form == refValue {
			out[i] = *r.value
			continue
		}
		id, err := r.job(ctx)
		if err != nil {
			return nil, nil, nil, err
		}
		ids, places = append(ids, id), append(places, i)
	}
	return out, ids, places, nil
}

// Ended returns how the jobs stand, in order and without waiting for any: those that
// have not ended have the error [ErrPending]. A node with [Node.AtLeast] begins
// before all its parents have ended.
func Ended[T any](ctx context.Context, rs []Ref[Result[T]]) ([]Result[T], error) {
	p, err := port(ctx)
	if err != nil {
		return nil, err
	}
	out, ids, places, err := known(ctx, rs)
	if err != nil || len(ids) == 0 {
		return out, err
	}
	records, err := p.Read(ctx, ids)
	if err != nil {
		return nil, err
	}
	for k, i := range places {
		if rec := &records[k]; !rec.State.Terminal() {
			out[i].Err = fmt.Errorf("%w: %v", ErrPending, rec.ID)
		} else {
			_ = out[i].settle(rec.settled()) // it is in there
		}
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

// NodeResult returns a payload that stands for the result of node i of the same run: a
// node with this payload is given that result as its input, byte for byte.
func NodeResult(i int) Data {
	return Data{CodecNode, []byte{byte(i >> 16), byte(i >> 8), byte(i)}}
}

// resolve returns what a payload stands for.
func resolve(ctx Context, d Data) (Data, error) {
	if d.Codec != CodecNode {
		return d, nil
	}
	run := ctx.Job().ID.Run()
	if len(d.Bytes) != 3 || run.IsZero() {
		return Data{}, Permanent(fmt.Errorf("%w: the payload is the result of a node, but the job is of no run", ErrInvalid))
	}
	s, err := await(ctx, ctx.a, run.Node(int(d.Bytes[0])<<16|int(d.Bytes[1])<<8|int(d.Bytes[2])))
	return s.Result, err
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
