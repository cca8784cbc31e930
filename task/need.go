package task

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// Need is a Ref that was found in an input.
type Need struct {
	Kind   NeedKind
	Graph  uint64 // of NeedNode and NeedElement: which graph
	Node   int    // of NeedNode: which node of it; of NeedElement: which map
	Job    ID     // of NeedJob
	Accept Accept // which ends of it the input can take
	Path   string // where it was found, like Scores[3]; empty if the input is the Ref
	// Lost: the task would never see the Ref, since its field is not encoded, or is of an
	// interface type, which does not tell how to decode it. Then the rest may be unknown.
	Lost bool
}

// NeedKind says what a Ref in an input stands for.
type NeedKind uint8

// The kinds of Need.
const (
	NeedNothing NeedKind = iota // the zero Ref: it was forgotten, most likely
	NeedNode                    // a node of a graph
	NeedJob                     // a posted job
	NeedValue                   // a value that is carried along: nothing to wait for
	NeedElement                 // the element of a list that a child of a map is for
)

// maxNeedDepth bounds how deep Needs looks: an input that is deeper is a cycle of
// pointers, which cannot be encoded either.
const maxNeedDepth = 100

// Needs returns the Refs in the input v: in fields, slices, arrays, maps, pointers
// and interfaces, however nested, in the order of the fields. The error wraps
// [ErrInvalid] where v leads to itself.
func Needs(v any) ([]Need, error) {
	var s search
	s.look(reflect.ValueOf(v), "", false, 0)
	return s.found, s.err
}

type search struct {
	found []Need
	err   error
}

// refType is implemented by Refs of any type.
type refType interface{ needs() []Need }

var refInterface = reflect.TypeFor[refType]()

func (s *search) look(v reflect.Value, path string, lost bool, depth int) {
	if s.err != nil || !v.IsValid() || !mayHoldRefs(v.Type()) {
		return
	}
	if depth > maxNeedDepth {
		s.err = fmt.Errorf("%w: the input is nested more than %d deep at %.60s; does it lead to itself?", ErrInvalid, maxNeedDepth, path)
		return
	}
	if v.Type().Implements(refInterface) && v.Kind() == reflect.Struct {
		if !isRef(v.Type()) {
			s.err = fmt.Errorf("%w: %v at %.60q embeds a task.Ref, and would be encoded as that alone; give the Ref a name", ErrInvalid, v.Type(), path)
			return
		}
		ns := []Need{{Kind: NeedNothing}}
		if v.CanInterface() {
			ns = v.Interface().(refType).needs() //nolint:forcetypeassert // it implements it
		}
		for i := range ns {
			ns[i].Path, ns[i].Lost = path, lost
		}
		s.found = append(s.found, ns...)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			hidden := lost || !f.IsExported() && !f.Anonymous || ignored(f.Tag)
			s.look(v.Field(i), strings.TrimPrefix(path+"."+f.Name, "."), hidden, depth+1)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			s.look(v.Index(i), fmt.Sprintf("%s[%d]", path, i), lost, depth+1)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			s.look(it.Key(), path+" key", lost, depth+1)
			s.look(it.Value(), fmt.Sprintf("%s[%v]", path, it.Key()), lost, depth+1)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			s.look(v.Elem(), path, lost || v.Kind() == reflect.Interface, depth+1)
		}
	default:
	}
}

// isRef reports whether t is a Ref, and not a struct that has the methods of one.
func isRef(t reflect.Type) bool {
	return t.PkgPath() == refInterface.PkgPath() && strings.HasPrefix(t.Name(), "Ref[")
}

// ignored reports whether a field's tag says that it is not encoded.
func ignored(tag reflect.StructTag) bool {
	name, ok := tag.Lookup("msgpack")
	if !ok {
		name = tag.Get("json")
	}
	return name == "-"
}

// holders remembers which types may hold Refs, so that large inputs without any are
// not walked through.
var holders sync.Map // reflect.Type -> bool

func mayHoldRefs(t reflect.Type) bool {
	if v, ok := holders.Load(t); ok {
		return v.(bool) //nolint:forcetypeassert // nothing else is stored
	}
	holds := holdsRefs(t, map[reflect.Type]bool{})
	holders.Store(t, holds)
	return holds
}

// holdsRefs looks into a type; seen has those that are being looked into.
func holdsRefs(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t.Implements(refInterface) || t.Kind() == reflect.Interface {
		return true
	}
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Struct:
		for f := range t.Fields() {
			if holdsRefs(f.Type, seen) {
				return true
			}
		}
	case reflect.Map:
		return holdsRefs(t.Key(), seen) || holdsRefs(t.Elem(), seen)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return holdsRefs(t.Elem(), seen)
	default:
	}
	return false
}
