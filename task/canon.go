package task

import (
	"bytes"
	"reflect"
	"slices"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
)

// holdsMaps reports whether encodings of equal values of type t may differ,
// since Go walks over a map in any order.
func holdsMaps(t reflect.Type) bool {
	if known, ok := mapHolders.Load(t); ok {
		return known == true
	}
	holds := findMaps(t, map[reflect.Type]bool{})
	mapHolders.Store(t, holds)
	return holds
}

var mapHolders sync.Map // reflect.Type to bool

var (
	customEncoder = reflect.TypeFor[msgpack.CustomEncoder]()
	marshaler     = reflect.TypeFor[msgpack.Marshaler]()
	reference     = refInterface
)

// findMaps looks for a map, and for what may hide one: an interface, or a type
// that encodes itself. A [Ref] does, and holds what its fields hold.
func findMaps(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	for _, e := range []reflect.Type{customEncoder, marshaler} {
		if (t.Implements(e) || reflect.PointerTo(t).Implements(e)) && !t.Implements(reference) {
			return true
		}
	}
	switch t.Kind() {
	case reflect.Map, reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return findMaps(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if findMaps(f.Type, seen) {
				return true
			}
		}
	default:
	}
	return false
}

// sortMaps returns the well-formed msgpack value b with the entries of each map
// in the order of their bytes. What a job's ID is derived from, and what an
// idempotency key is compared with, must not depend on chance.
func sortMaps(b []byte) []byte {
	s := sorter{in: checker{b: b}, out: make([]byte, 0, len(b))}
	s.value()
	return s.out
}

type sorter struct {
	in  checker
	out []byte
}

// value copies one value.
func (s *sorter) value() {
	start := s.in.i
	n, _ := s.in.value() // it has been checked
	s.out = append(s.out, s.in.b[start:s.in.i]...)
	if h := s.in.b[start]; h&0xf0 != 0x80 && h != 0xde && h != 0xdf { // no map
		for range n {
			s.value()
		}
		return
	}
	begin := len(s.out)
	ends := make([]int, 0, n/2)
	for range n / 2 {
		s.value()
		s.value()
		ends = append(ends, len(s.out))
	}
	s.sort(begin, ends)
}

// sort sorts the entries of a map: the first begins at begin, and each ends
// where the next one begins. Their keys are unique, and no key is the beginning
// of another, so whole entries can be compared.
func (s *sorter) sort(begin int, ends []int) {
	entries := make([][]byte, len(ends))
	from := begin
	for i, end := range ends {
		entries[i], from = s.out[from:end], end
	}
	if slices.IsSortedFunc(entries, bytes.Compare) {
		return
	}
	slices.SortFunc(entries, bytes.Compare)
	s.out = append(s.out[:begin], slices.Concat(entries...)...)
}
