package task

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

// Encode encodes v as a task's input or output is encoded; struct tags are
// `msgpack`, else `json`. Equal values are equal bytes, whatever order the
// entries of their maps come in. The error wraps [ErrInvalid].
//
// Typed tasks encode by themselves: Encode is for tools and tests.
func Encode(v any) (Data, error) { return encode(v) }

func encode[T any](v T) (Data, error) {
	switch v := any(v).(type) {
	case None:
		return Data{}, nil
	case []byte:
		return Data{CodecBytes, v}, nil
	}
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	buf, _ := buffers.Get().(*bytes.Buffer)
	defer keep(buf)
	enc.Reset(buf)
	enc.SetCustomStructTag("json")
	enc.UseCompactInts(true)
	err := enc.Encode(v)
	if err == nil {
		err = CheckMsgpack(buf.Bytes()) // what no worker could decode is refused here
	}
	if err != nil {
		return Data{}, fmt.Errorf("%w: cannot encode %T: %w", ErrInvalid, v, err)
	}
	b := bytes.Clone(buf.Bytes())
	if holdsMaps(reflect.TypeFor[T]()) {
		b = sortMaps(b)
	}
	return Data{CodecMsgpack, b}, nil
}

// buffers are for encode, which would have to grow one each time.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxKept is the largest buffer that is kept, in bytes: most inputs are small.
const maxKept = 64 << 10

func keep(buf *bytes.Buffer) {
	if buf.Cap() <= maxKept {
		buf.Reset()
		buffers.Put(buf)
	}
}

// decode decodes what encode has made of a T. It is safe on hostile bytes.
func decode[T any](d Data) (T, error) {
	var v, zero T
	if d.Codec == CodecNone {
		return zero, nil
	}
	if err := d.Decode(&v); err != nil {
		return zero, err
	}
	return v, nil
}

// Decode decodes d into what the pointer into points to. It is safe on hostile
// bytes; the error wraps [ErrInvalid].
func (d Data) Decode(into any) error {
	if err := checkPointer(into); err != nil {
		return err
	}
	switch d.Codec {
	case CodecNone:
		return nil
	case CodecBytes:
		switch p := into.(type) {
		case *[]byte:
			*p = d.Bytes
			return nil
		case *any:
			*p = d.Bytes
			return nil
		}
		return fmt.Errorf("%w: plain bytes cannot be decoded into a %T", ErrInvalid, into)
	case CodecJSON:
		return decodeJSON(d.Bytes, into)
	case CodecMsgpack:
		bodies, err := check(d.Bytes)
		if err != nil {
			return fmt.Errorf("cannot decode into a %T: %w", into, err)
		}
		return decodeChecked(d.Bytes, bodies, into)
	case CodecSealed, CodecZstd:
		return fmt.Errorf("%w: the data is sealed or compressed; reach the queue through package sealed, with the key", ErrInvalid)
	default:
		return fmt.Errorf("%w: unknown codec %q", ErrInvalid, byte(d.Codec))
	}
}

// decodeChecked makes an error of a panic too: the decoder panics on a nil
// where a time should be, or on a list as the key of a map[any]any.
func decodeChecked(b []byte, bodies []int, into any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: cannot decode into a %T: %v", ErrInvalid, into, r)
		}
	}()
	d, _ := decoders.Get().(*decoder)
	d.guard.Reset(b)
	d.guard.bodies = bodies
	d.Reset(&d.guard)
	d.SetCustomStructTag("json")
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: cannot decode into a %T: %w", ErrInvalid, into, err)
	}
	d.guard.Reset(nil)
	decoders.Put(d) // not after a failure, which may leave it half way
	return nil
}

// decoder is a decoder with what it reads from.
type decoder struct {
	*msgpack.Decoder
	guard guard
}

var decoders = sync.Pool{New: func() any { return &decoder{Decoder: msgpack.NewDecoder(nil)} }}

func checkPointer(into any) error {
	if v := reflect.ValueOf(into); v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("%w: cannot decode into a %T, want a pointer that is not nil", ErrInvalid, into)
	}
	return nil
}

// guard reads data that check has seen, and keeps the decoder on the path that
// check has gone. Where it wants a map, the decoder steps over the head of an
// extension and takes the body for a map, and believes the length it finds
// there. Those who read a body as such read it in one piece.
type guard struct {
	bytes.Reader
	bodies []int // where extension bodies begin, in order
}

// ReadByte implements [io.ByteReader].
func (g *guard) ReadByte() (byte, error) {
	at := int(g.Size()) - g.Len()
	for len(g.bodies) > 0 && g.bodies[0] < at {
		g.bodies = g.bodies[1:]
	}
	if len(g.bodies) > 0 && g.bodies[0] == at {
		return 0, fmt.Errorf("%w: a timestamp where there should be something else", ErrInvalid)
	}
	return g.Reader.ReadByte()
}
