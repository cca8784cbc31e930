package task

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Map makes a node of a plan stand for as many children as a list has elements when the
// run comes to it. The node's job looks at the list, on some worker that has its
// function; its children are jobs of that function, each for one element. The node
// ends with them, and its result is the list of theirs, in the order of the elements.
//
// The payload is [CodecElement] where the element is the input, or an input with Refs
// to it.
type Map struct {
	Node int  `msgpack:"n"` // the number of the node itself; the broker sets it
	Over List `msgpack:"o"` // nodes in it must be parents of this one, with AcceptSuccess
	// MaxParallel bounds how many children are ready, delayed or running at a time;
	// zero leaves it to [RunWindow].
	MaxParallel int `msgpack:"p,omitempty"`
	// Some: the map succeeds though some children did not, as many as MaxFailures and
	// MaxFailureRate (0 to 1, of the width) both allow. Otherwise it fails with the first.
	Some           bool    `msgpack:"s,omitempty"`
	MaxFailures    int     `msgpack:"f,omitempty"`
	MaxFailureRate float64 `msgpack:"r,omitempty"`
}

// Limits of maps.
const (
	// MaxMapWidth is how many children a map has at most: as many as the results of
	// which one job can take in.
	MaxMapWidth = 100_000
	// MaxListValue bounds the lists within a [List], in bytes: every child carries them.
	MaxListValue = 4 << 10
)

// Width is what the job of a map has learned of its list; see [Expand].
type Width struct {
	N int // how many elements
	// First is the number of the first of the nodes whose results are the elements, if
	// the list is the result of another map; else zero.
	First       int
	Chunk       int // how many elements lie together, as the broker has stored them; 0 if First is set
	MaxParallel int
	MaxFailures int
	Some        bool
}

// Element is what a child of a map is for.
type Element struct {
	Index int
	// Value is the element; its codec is [CodecNode] where it is another node's result,
	// and [CodecElement] where it is stored elsewhere, since it is large.
	Value Data
}

func (m *Map) validate(parents []Edge) error {
	var errs []error
	if err := m.Over.validate(); err != nil {
		return err
	}
	for _, i := range m.Over.Nodes() {
		if !slices.Contains(parents, Edge{From: i}) {
			errs = append(errs, fmt.Errorf("%w: a map over the result of node %d, which is not a parent that must succeed", ErrInvalid, i))
		}
	}
	if m.MaxParallel < 0 || m.MaxParallel > MaxMapWidth {
		errs = append(errs, fmt.Errorf("%w: MaxParallel is %d, want 0 to %d", ErrInvalid, m.MaxParallel, MaxMapWidth))
	}
	if m.MaxFailures < 0 || m.MaxFailures > MaxMapWidth || !(m.MaxFailureRate >= 0 && m.MaxFailureRate <= 1) {
		errs = append(errs, fmt.Errorf("%w: MaxFailures is %d and MaxFailureRate %v, want 0 to %d and 0 to 1", ErrInvalid, m.MaxFailures, m.MaxFailureRate, MaxMapWidth))
	}
	return errors.Join(errs...)
}

// Look is what the job of a map does: it waits for the list, and returns how many
// children the map gets and, unless they are the results of another map, the elements,
// each encoded with msgpack. The error is [Permanent] if it is not a list, or too wide.
func (m *Map) Look(ctx Context) (Width, [][]byte, error) {
	w := Width{MaxParallel: m.MaxParallel, Some: m.Some}
	l := m.Over.link()
	items, first, n, err := l.elements(ctx, ctx.a)
	if err != nil {
		return w, nil, err
	}
	w.N, w.First = n, first
	if m.Some {
		w.MaxFailures = min(m.MaxFailures, int(math.Floor(m.MaxFailureRate*float64(n)+1e-9)))
	}
	return w, items, nil
}
