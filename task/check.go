package task

import (
	"encoding/binary"
	"fmt"
)

// MaxDepth bounds how deeply encoded data may be nested, since decoders recurse.
const MaxDepth = 1000

// CheckMsgpack reports whether b is exactly one well-formed msgpack value whose
// lengths lie within b. A decoder may believe the lengths in such data; of
// unchecked data it may not: five bytes can announce 4 GiB. Of the extensions
// only the timestamp is allowed. The error wraps [ErrInvalid]. See
// https://github.com/msgpack/msgpack/blob/master/spec.md.
func CheckMsgpack(b []byte) error {
	_, err := check(b)
	return err
}

// check is CheckMsgpack, and tells where in b the bodies of extensions begin:
// these are the bytes of which it has not seen what a decoder might take them for.
func check(b []byte) (bodies []int, err error) {
	c := checker{b: b}
	// One entry for each open container: how many values are still to come.
	var shallow [16]int // most data need no more
	open := append(shallow[:0], 1)
	for len(open) > 0 {
		if open[len(open)-1] == 0 {
			open = open[:len(open)-1]
			continue
		}
		open[len(open)-1]--
		n, err := c.value()
		if err != nil {
			return nil, err
		}
		if n > len(c.b)-c.i {
			return nil, c.fail("announces more values than bytes follow")
		}
		if n > 0 {
			if len(open) > MaxDepth {
				return nil, c.fail(fmt.Sprintf("is nested deeper than %d", MaxDepth))
			}
			open = append(open, n)
		}
	}
	if c.i != len(b) {
		return nil, c.fail("ends before the data does")
	}
	return c.bodies, nil
}

// checker walks over msgpack data.
type checker struct {
	b      []byte
	i      int
	bodies []int // of extensions
}

func (c *checker) fail(what string) error {
	return fmt.Errorf("%w: msgpack value %s (byte %d of %d)", ErrInvalid, what, c.i, len(c.b))
}

// value steps over the head of the value at c.i and over its bytes, and returns
// how many values are nested in it.
func (c *checker) value() (nested int, err error) {
	if c.i >= len(c.b) {
		return 0, c.fail("is cut short")
	}
	h := c.b[c.i]
	c.i++
	switch {
	case h <= 0x7f, h >= 0xe0, h == 0xc0, h == 0xc2, h == 0xc3: // small ints, nil, bools
		return 0, nil
	case h <= 0x8f: // small map
		return 2 * int(h&0x0f), nil
	case h <= 0x9f: // small array
		return int(h & 0x0f), nil
	case h <= 0xbf: // small string
		return 0, c.skip(int(h & 0x1f))
	}
	switch h {
	case 0xc4, 0xd9: // bin 8, str 8
		return 0, c.sized(1)
	case 0xc5, 0xda:
		return 0, c.sized(2)
	case 0xc6, 0xdb:
		return 0, c.sized(4)
	case 0xc7, 0xc8, 0xc9: // ext 8, 16, 32
		n, err := c.length(1 << (h - 0xc7))
		if err != nil {
			return 0, err
		}
		return 0, c.ext(n)
	case 0xcc, 0xd0: // numbers
		return 0, c.skip(1)
	case 0xcd, 0xd1:
		return 0, c.skip(2)
	case 0xca, 0xce, 0xd2:
		return 0, c.skip(4)
	case 0xcb, 0xcf, 0xd3:
		return 0, c.skip(8)
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // fixext
		return 0, c.ext(1 << (h - 0xd4))
	case 0xdc, 0xdd: // array 16, 32
		return c.length(2 << (h - 0xdc))
	case 0xde, 0xdf: // map 16, 32
		n, err := c.length(2 << (h - 0xde))
		return 2 * n, err
	}
	return 0, c.fail("has a type that does not exist")
}

func (c *checker) skip(n int) error {
	if n > len(c.b)-c.i {
		return c.fail("announces more bytes than follow")
	}
	c.i += n
	return nil
}

// ext steps over the type and the n bytes of an extension.
func (c *checker) ext(n int) error {
	const timestamp = 0xff
	if c.i == len(c.b) {
		return c.fail("is cut short")
	}
	if t := c.b[c.i]; t != timestamp {
		return c.fail(fmt.Sprintf("has an extension of type %d; only timestamps, type -1, are understood", int8(t)))
	}
	c.i++
	c.bodies = append(c.bodies, c.i)
	return c.skip(n)
}

// length reads a big-endian length of width bytes. A length beyond the end of
// the data is none; so it fits an int of any size.
func (c *checker) length(width int) (int, error) {
	if width > len(c.b)-c.i {
		return 0, c.fail("is cut short")
	}
	var buf [8]byte
	copy(buf[8-width:], c.b[c.i:c.i+width])
	c.i += width
	n := binary.BigEndian.Uint64(buf[:])
	if n > uint64(len(c.b)) {
		return 0, c.fail("announces more than follows")
	}
	return int(n), nil
}

func (c *checker) sized(width int) error {
	n, err := c.length(width)
	if err != nil {
		return err
	}
	return c.skip(n)
}
