package task

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
)

// elements returns the elements of a list, or the number of the first of the nodes
// whose results they are, and how many they are.
func (l *link) elements(ctx context.Context, p Port) (items [][]byte, first, n int, err error) {
	switch l.form {
	case refZip, refCross:
		items, err = l.pairs(ctx, p)
		return items, 0, len(items), err
	case refValue:
		items, err = split([]byte(l.raw))
		return items, 0, len(items), err
	default:
	}
	id, err := l.job(ctx)
	if err != nil {
		return nil, 0, 0, err
	}
	s, err := await(ctx, p, id)
	if err != nil {
		return nil, 0, 0, err
	}
	switch s.Result.Codec {
	case CodecList:
		first, n, err = span(s.Result)
		return nil, first, n, err
	case CodecNone:
		return nil, 0, 0, nil
	case CodecMsgpack:
		items, err = split(s.Result.Bytes)
	default:
		err = Permanent(fmt.Errorf("%w: it is no list that was encoded with msgpack", ErrInvalid))
	}
	if err != nil {
		err = fmt.Errorf("the result of job %v: %w", id, err)
	}
	return items, 0, len(items), err
}

// pairs returns the elements of two lists, put together.
func (l *link) pairs(ctx context.Context, p Port) ([][]byte, error) {
	var of [2][][]byte
	for i := range l.of {
		items, first, n, err := l.of[i].elements(ctx, p)
		if err == nil && first > 0 {
			items, err = raws(ctx, p, &l.of[i], first, n)
		}
		if err != nil {
			return nil, err
		}
		of[i] = items
	}
	a, b := of[0], of[1]
	var out [][]byte
	pair := func(x, y []byte) { out = append(out, append(append([]byte{0x92}, x...), y...)) }
	if l.form == refZip {
		if len(a) != len(b) {
			return nil, Permanent(fmt.Errorf("%w: Zip of lists with %d and %d elements; they must have as many", ErrInvalid, len(a), len(b)))
		}
		for i := range a {
			pair(a[i], b[i])
		}
		return out, nil
	}
	if bytes := len(a)*size(b) + len(b)*size(a); bytes > maxPairBytes {
		return nil, Permanent(fmt.Errorf("%w: Cross of lists of %d and %d bytes gives %d, want at most %d; let the elements be small, and refer to what is large", ErrTooLarge, size(a), size(b), bytes, maxPairBytes))
	}
	if len(a)*len(b) > MaxMapWidth {
		return nil, Permanent(fmt.Errorf("%w: Cross of lists with %d and %d elements, want at most %d pairs", ErrTooLarge, len(a), len(b), MaxMapWidth))
	}
	for i := range a {
		for j := range b {
			pair(a[i], b[j])
		}
	}
	return out, nil
}

// maxPairBytes bounds what Cross makes, in bytes: each element is in many pairs.
const maxPairBytes = 64 << 20

// size returns the bytes of all elements.
func size(items [][]byte) (n int) {
	for _, it := range items {
		n += len(it)
	}
	return n
}

// split returns the elements of an array.
func split(b []byte) ([][]byte, error) {
	if err := CheckMsgpack(b); err != nil {
		return nil, Permanent(err)
	}
	c := checker{b: b}
	if isArray := b[0] >= 0x90 && b[0] <= 0x9f || b[0] == 0xdc || b[0] == 0xdd; !isArray && b[0] != 0xc0 {
		return nil, Permanent(fmt.Errorf("%w: it is not a list", ErrInvalid))
	}
	n, err := c.value()
	if err != nil {
		return nil, Permanent(err)
	}
	if n > MaxMapWidth {
		return nil, Permanent(fmt.Errorf("%w: a list of %d elements, want at most %d", ErrTooLarge, n, MaxMapWidth))
	}
	items := make([][]byte, n)
	for i := range items {
		from := c.i
		if err := c.pass(); err != nil {
			return nil, Permanent(err)
		}
		items[i] = b[from:c.i:c.i]
	}
	return items, nil
}

// pass steps over a value and what is nested in it.
func (c *checker) pass() error {
	for left := 1; left > 0; left-- {
		n, err := c.value()
		if err != nil {
			return err
		}
		left += n
	}
	return nil
}

// span reads the result of a map.
func span(d Data) (first, n int, err error) {
	if len(d.Bytes) != 6 {
		return 0, 0, fmt.Errorf("%w: the result of a map has %d bytes, want 6", ErrDamaged, len(d.Bytes))
	}
	return be24(d.Bytes), be24(d.Bytes[3:]), nil
}

// children returns the ends of the children of the map whose result d is.
func children(ctx context.Context, p Port, run RunID, first, n int) ([]Settled, error) {
	ids := make([]ID, n)
	for i := range ids {
		ids[i] = run.Node(first + i)
	}
	return p.Await(ctx, ids)
}

// raws returns the results of n nodes, each encoded with msgpack.
func raws(ctx context.Context, p Port, l *link, first, n int) ([][]byte, error) {
	id, err := l.job(ctx)
	if err != nil {
		return nil, err
	}
	ends, err := children(ctx, p, id.Run(), first, n)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(ends))
	for i, s := range ends {
		if err := s.Err(); err != nil {
			return nil, err
		}
		switch d := s.Result; d.Codec {
		case CodecMsgpack:
			out[i] = d.Bytes
		case CodecNone:
			out[i] = []byte{0xc0}
		case CodecBytes:
			if out[i], err = msgpack.Marshal(d.Bytes); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
			}
		default:
			return nil, Permanent(fmt.Errorf("%w: the result of job %v was not encoded with msgpack", ErrInvalid, s.ID))
		}
	}
	return out, nil
}

// array puts elements together to an array.
func array(items [][]byte) Data {
	b := binary.BigEndian.AppendUint32([]byte{0xdd}, uint32(len(items)))
	for _, it := range items {
		b = append(b, it...)
	}
	return Data{CodecMsgpack, b}
}

// made returns what a Ref stands for that needs to be put together, or looked up in
// the job itself.
func made[T any](ctx context.Context, l *link) (v T, err error) {
	c, ok := From(ctx)
	if !ok {
		return v, fmt.Errorf("a Ref to a list, or to an element of one: %w", ErrNotInTask)
	}
	if l.form == refElement {
		s, err := element(Context{ctx, c.a})
		if err == nil {
			err = settled(ctx, c.a, s, &v)
		}
		return v, err
	}
	s, err := l.end(ctx, c.a)
	if je, ok := errors.AsType[*JobError](err); ok {
		s, err = Settled{ID: je.ID, State: je.State, Failure: je.Failure}, nil
	}
	if err == nil {
		err = settled(ctx, c.a, s, &v)
	}
	return v, err
}

// end returns what l stands for as the end of a job.
func (l *link) end(ctx context.Context, p Port) (Settled, error) {
	switch l.form {
	case refValue:
		return Settled{State: Succeeded, Result: Data{CodecMsgpack, []byte(l.raw)}}, nil
	case refZip, refCross:
		items, err := l.pairs(ctx, p)
		return Settled{State: Succeeded, Result: array(items)}, err
	case refEither:
		s, err := l.of[0].end(ctx, p)
		if err == nil && s.State == Skipped || errors.Is(err, ErrSkipped) {
			return l.of[1].end(ctx, p)
		}
		return s, err
	default:
	}
	id, err := l.job(ctx)
	if err != nil {
		return Settled{}, err
	}
	ends, err := p.Await(ctx, []ID{id})
	if err != nil {
		return Settled{}, err
	}
	return ends[0], nil
}

// element returns the element that the job is for, as the end of a job.
func element(ctx Context) (Settled, error) {
	j := ctx.Job()
	if j.Element == nil {
		return Settled{}, Permanent(fmt.Errorf("%w: the element of a list is meant, but the job is no child of a map", ErrInvalid))
	}
	d := j.Element.Value
	switch {
	case d.Codec == CodecElement:
		var err error
		if d, err = ctx.a.Element(ctx); err != nil {
			return Settled{}, err
		}
	case d.Codec == CodecNode && len(d.Bytes) == 3:
		ends, err := ctx.a.Await(ctx, []ID{j.ID.Run().Node(be24(d.Bytes))})
		if err != nil {
			return Settled{}, err
		}
		return ends[0], nil
	}
	return Settled{ID: j.ID, State: Succeeded, Result: d}, nil
}

// gather puts the results of the children of a map, whose end s is, into the slice that
// into points to.
func gather(ctx context.Context, p Port, s Settled, into any) error {
	first, n, err := span(s.Result)
	if err != nil {
		return err
	}
	ends, err := children(ctx, p, s.ID.Run(), first, n)
	if err != nil {
		return err
	}
	v := reflect.ValueOf(into).Elem()
	list := v
	if v.Kind() == reflect.Interface && v.NumMethod() == 0 {
		list = reflect.New(reflect.TypeFor[[]any]()).Elem()
	}
	if list.Kind() != reflect.Slice {
		return fmt.Errorf("%w: it is a list, and cannot be decoded into a %v", ErrInvalid, v.Type())
	}
	list.Set(reflect.MakeSlice(list.Type(), n, n))
	for i := range ends {
		if err := settled(ctx, p, ends[i], list.Index(i).Addr().Interface()); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	if v.Kind() == reflect.Interface {
		v.Set(list)
	}
	return nil
}
