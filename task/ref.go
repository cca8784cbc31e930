package task

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vmihailenco/msgpack/v5"
)

// Ref stands for the result of a job in the input of another. In the task
// function, Get fetches it when it is needed. In a unit test, [Value] makes one.
// The zero Ref stands for nothing.
type Ref[T any] struct {
	link
	value *T // refValue
}

// link is what a Ref of any type stands for, but for a value.
type link struct {
	form  refForm
	id    ID       // refJob
	graph uint64   // refNode, refElement
	node  int      // refNode; refElement: the map whose element it is
	raw   string   // refValue within refZip and refCross: the encoded value
	of    *[2]link // refZip, refCross, refEither
}

// refForm says what a Ref stands for; it is also how a Ref is encoded.
type refForm uint8

const (
	refNothing refForm = iota
	refJob             // a posted job
	refNode            // a node of the same run
	refValue           // a value, carried along
	refElement         // the element of a list that the job is for: see [Map]
	refZip             // pairs of the elements of two lists at the same places
	refCross           // pairs of each element of a list with each of another
	refEither          // one of two, of which the other was skipped
)

// Value returns a Ref that stands for v itself.
func Value[T any](v T) Ref[T] { return Ref[T]{link: link{form: refValue}, value: &v} }

// NodeRef returns a Ref to a node of a graph. Package graph makes them.
func NodeRef[T any](graph uint64, node int) Ref[T] {
	return Ref[T]{link: link{form: refNode, graph: graph, node: node}}
}

// Node returns which node of which graph r stands for; false if for none.
func (r Ref[T]) Node() (graph uint64, node int, ok bool) {
	return r.graph, r.node, r.form == refNode
}

// ResultOf returns a Ref to the same job that stands for how it ended, whatever that
// was: a node with such a Ref starts even if the job has failed.
func ResultOf[T any](r Ref[T]) Ref[Result[T]] {
	return Ref[Result[T]]{link: r.link, value: lift(r.value, func(v T) Result[T] { return Result[T]{Value: v} })}
}

// OptOf returns a Ref to the same job that stands for its value, if it was not
// skipped: a node with such a Ref starts even if the job was skipped.
func OptOf[T any](r Ref[T]) Ref[Opt[T]] {
	return Ref[Opt[T]]{link: r.link, value: lift(r.value, func(v T) Opt[T] { return Opt[T]{v, true} })}
}

// Either returns a Ref that stands for the result of whichever of a and b was not
// skipped, a's if neither was: it joins two branches, of which a condition has chosen
// one. A node with such a Ref starts when both have succeeded or were skipped, and finds
// no value, but a [*JobError], if both were skipped.
func Either[T any](a, b Ref[T]) Ref[T] {
	return Ref[T]{link: link{form: refEither, of: &[2]link{linkOf(a), linkOf(b)}}}
}

func lift[T, U any](v *T, f func(T) U) *U {
	if v == nil {
		return nil
	}
	u := f(*v)
	return &u
}

// needs says what r stands for; see [Needs].
func (r Ref[T]) needs() []Need {
	a := AcceptSuccess
	if s, ok := any((*T)(nil)).(settler); ok {
		a = s.accept()
	}
	return r.link.needs(nil, a)
}

func (l *link) needs(ns []Need, a Accept) []Need {
	n := Need{Job: l.id, Graph: l.graph, Node: l.node, Accept: a}
	switch l.form {
	case refNode:
		n.Kind = NeedNode
	case refElement:
		n.Kind = NeedElement
	case refJob:
		n.Kind = NeedJob
	case refNothing:
		n.Kind = NeedNothing
	case refZip, refCross:
		return l.of[1].needs(l.of[0].needs(ns, a), a)
	case refEither:
		a = max(a, AcceptSkip)
		return l.of[1].needs(l.of[0].needs(ns, a), a)
	default:
		n.Kind = NeedValue
	}
	return append(ns, n)
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

// known returns the values that rs carry along or are made of, and for the others
// their jobs and their places among rs.
func known[T any](ctx context.Context, rs []Ref[T]) (out []T, ids []ID, places []int, err error) {
	out = make([]T, len(rs))
	for i, r := range rs {
		switch r.form {
		case refValue:
			out[i] = *r.value
			continue
		case refZip, refCross, refElement, refEither:
			if out[i], err = made[T](ctx, &r.link); err != nil {
				return nil, nil, nil, err
			}
			continue
		default:
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
	now := slices.Clone(rs)
	for i := range rs {
		late, err := rs[i].pending(ctx, p)
		if err != nil {
			return nil, err
		}
		if late {
			now[i] = Value(Result[T]{Err: ErrPending})
		}
	}
	out, ids, places, err := known(ctx, now)
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
			_ = out[i].settle(ctx, p, rec.settled()) // it is in there
		}
	}
	return out, nil
}

// pending reports whether l is made of several jobs of which one has not ended.
func (l *link) pending(ctx context.Context, p Port) (bool, error) {
	if l.of == nil {
		return false, nil
	}
	for i := range l.of {
		of := &l.of[i]
		if of.form != refNode && of.form != refJob {
			if late, err := of.pending(ctx, p); err != nil || late {
				return late, err
			}
			continue
		}
		id, err := of.job(ctx)
		if err != nil {
			return false, err
		}
		rec, err := readOne(ctx, p, id)
		if err != nil || !rec.State.Terminal() {
			return err == nil, err
		}
	}
	return false, nil
}

// job returns the ID of the job that l stands for, seen from the job in ctx.
func (l *link) job(ctx context.Context) (ID, error) {
	switch l.form {
	case refJob:
		return l.id, nil
	case refNode:
		c, ok := From(ctx)
		if !ok {
			return ID{}, fmt.Errorf("a Ref to node %d: %w", l.node, ErrNotInTask)
		}
		j := c.Job()
		run := j.run()
		if run.IsZero() {
			return ID{}, fmt.Errorf("%w: a Ref to node %d of a graph, in a job that belongs to no run", ErrInvalid, l.node)
		}
		return run.Node(l.node), nil
	default:
		return ID{}, fmt.Errorf("%w: a zero Ref stands for nothing", ErrInvalid)
	}
}

// NodeResult returns a payload that stands for the result of node i of the same run: a
// node with this payload is given that result as its input, byte for byte.
func NodeResult(i int) Data {
	return Data{CodecNode, []byte{byte(i >> 16), byte(i >> 8), byte(i)}}
}

// resolve returns the job of whose result a payload stands for; false if the payload
// stands for itself.
func resolve(ctx Context, d Data) (Settled, bool, error) {
	switch d.Codec {
	case CodecElement:
		s, err := element(ctx)
		return s, true, err
	case CodecNode:
	default:
		return Settled{}, false, nil
	}
	run := ctx.Job().ID.Run()
	if len(d.Bytes) != 3 || run.IsZero() {
		return Settled{}, true, Permanent(fmt.Errorf("%w: the payload is the result of a node, but the job is of no run", ErrInvalid))
	}
	ends, err := ctx.a.Await(ctx, []ID{run.Node(be24(d.Bytes))})
	if err != nil {
		return Settled{}, true, err
	}
	return ends[0], true, nil
}

// be24 reads a number of three bytes.
func be24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// EncodeMsgpack implements [msgpack.CustomEncoder].
func (r Ref[T]) EncodeMsgpack(e *msgpack.Encoder) error {
	if r.form != refValue {
		return r.encode(e)
	}
	if err := r.head(e); err != nil {
		return err
	}
	return e.Encode(r.value)
}

func (l *link) head(e *msgpack.Encoder) error {
	if err := e.EncodeArrayLen(2); err != nil {
		return err
	}
	return e.EncodeUint(uint64(l.form))
}

func (l *link) encode(e *msgpack.Encoder) error {
	if err := l.head(e); err != nil {
		return err
	}
	switch l.form {
	case refJob:
		return e.EncodeBytes(l.id[:])
	case refNode:
		return e.EncodeInt(int64(l.node))
	case refValue:
		return e.Encode(msgpack.RawMessage(l.raw))
	case refZip, refCross, refEither:
		if err := e.EncodeArrayLen(len(l.of)); err != nil {
			return err
		}
		return errors.Join(l.of[0].encode(e), l.of[1].encode(e))
	default:
		return e.EncodeNil()
	}
}

// DecodeMsgpack implements [msgpack.CustomDecoder].
func (r *Ref[T]) DecodeMsgpack(d *msgpack.Decoder) error {
	*r = Ref[T]{}
	var err error
	if r.form, err = decodeForm(d); err != nil {
		return err
	}
	if r.form != refValue {
		return r.decode(d)
	}
	r.value = new(T)
	return d.Decode(r.value)
}

func decodeForm(d *msgpack.Decoder) (refForm, error) {
	if err := decodePair(d, "a Ref"); err != nil {
		return 0, err
	}
	form, err := d.DecodeUint8()
	return refForm(form), err
}

func decodePair(d *msgpack.Decoder, what string) error {
	n, err := d.DecodeArrayLen()
	if err == nil && n != 2 {
		err = fmt.Errorf("%w: %s of %d elements, want 2", ErrInvalid, what, n)
	}
	return err
}

// decode decodes what follows the form.
func (l *link) decode(d *msgpack.Decoder) error {
	switch l.form {
	case refJob:
		b, err := d.DecodeBytes()
		if err != nil {
			return err
		}
		if len(b) != len(l.id) {
			return fmt.Errorf("%w: a Ref with an ID of %d bytes, want %d", ErrInvalid, len(b), len(l.id))
		}
		l.id = ID(b)
		return nil
	case refNode:
		var err error
		l.node, err = d.DecodeInt()
		if err == nil && (l.node < 0 || l.node > MaxNodeNumber) {
			err = fmt.Errorf("%w: a Ref to node %d, want 0 to %d", ErrInvalid, l.node, MaxNodeNumber)
		}
		return err
	case refValue:
		raw, err := d.DecodeRaw()
		l.raw = string(raw)
		return err
	case refZip, refCross, refEither:
		if err := decodePair(d, "the lists of a Ref"); err != nil {
			return err
		}
		l.of = new([2]link)
		for i := range l.of {
			var err error
			if l.of[i].form, err = decodeForm(d); err != nil {
				return err
			}
			if err := l.of[i].decode(d); err != nil {
				return err
			}
		}
		return nil
	case refNothing, refElement:
		return d.DecodeNil()
	default:
		return fmt.Errorf("%w: a Ref of form %d", ErrInvalid, l.form)
	}
}
