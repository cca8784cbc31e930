package svm

import (
	"math"

	"github.com/vmihailenco/msgpack/v5"
)

// A Vector is a list of numbers that takes little room in msgpack: small whole
// numbers, such as pixels and the weights at their limits, take one byte and
// not nine. Decoding gives the same numbers; it needs nothing special, and
// takes a list of floats as well.
type Vector []float64

// EncodeMsgpack implements [msgpack.CustomEncoder].
func (v Vector) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := e.EncodeArrayLen(len(v)); err != nil {
		return err
	}
	for _, f := range v {
		if err := encode(e, f); err != nil {
			return err
		}
	}
	return nil
}

func encode(e *msgpack.Encoder, f float64) error {
	if f == math.Trunc(f) && math.Abs(f) < 1<<15 {
		return e.EncodeInt(int64(f)) // 1 to 3 bytes
	}
	return e.EncodeFloat64(f)
}
