package task

import (
	"fmt"
)

// List says where the elements of a map come from.
type List struct {
	Form  ListForm `msgpack:"f"`
	Node  int      `msgpack:"n,omitempty"` // of ListNode
	Value []byte   `msgpack:"v,omitempty"` // of ListValue: an array, encoded with msgpack
	Of    []List   `msgpack:"o,omitempty"` // of ListZip and ListCross: two
}

// ListForm says what a [List] is.
type ListForm uint8

// The forms of a List.
const (
	ListNode  ListForm = iota // the result of a node
	ListValue                 // a list that is carried along
	ListZip                   // pairs of the elements at the same places of two lists
	ListCross                 // pairs of each element of one list with each of another
)

// Pair is an element of two lists that were put together; see [Zip] and [Cross].
type Pair[A, B any] struct {
	_msgpack struct{} `msgpack:",as_array"` //nolint:unused,revive // msgpack reads it: the pair is an array of two, not a map
	First    A
	Second   B
}

// Zip returns a Ref to the pairs of the elements at the same places of two lists. They
// must have as many elements as each other, or who takes the pairs fails. No job of its
// own is needed for it. Lists of a [Result] or an [Opt] cannot be paired: a graph refuses it.
func Zip[A, B any](a Ref[[]A], b Ref[[]B]) Ref[[]Pair[A, B]] {
	return Ref[[]Pair[A, B]]{link: link{form: refZip, of: &[2]link{listLink(a), listLink(b)}}}
}

// Cross returns a Ref to the pairs of each element of a with each element of b: first
// those with the first element of a. No job of its own is needed for it.
func Cross[A, B any](a Ref[[]A], b Ref[[]B]) Ref[[]Pair[A, B]] {
	return Ref[[]Pair[A, B]]{link: link{form: refCross, of: &[2]link{listLink(a), listLink(b)}}}
}

// listLink returns r without its type, the zero link if its elements say more of a job's
// end than its value, and so are not encoded.
func listLink[T any](r Ref[[]T]) link {
	if _, ok := any((*T)(nil)).(settler); ok {
		return link{}
	}
	return linkOf(r)
}

// linkOf returns r without its type: a value that cannot be encoded stands for nothing.
func linkOf[T any](r Ref[T]) link {
	l := r.link
	if l.form == refValue {
		d, err := encode(&r.value) // in one codec, whatever it is
		if err != nil {
			return link{}
		}
		l.raw = string(d.Bytes)
	}
	return l
}

// ElementRef returns a Ref to the element that each child of the map is for: in the
// payload of a map, as package graph makes it.
func ElementRef[T any](graph uint64, node int) Ref[T] {
	return Ref[T]{link: link{form: refElement, graph: graph, node: node}}
}

// ListOf returns where the elements of the list are that r stands for. The error wraps
// [ErrInvalid]: it is none that a map of a plan can run over.
func ListOf[T any](r Ref[[]T]) (List, error) {
	l := linkOf(r)
	return l.list()
}

func (l *link) list() (out List, err error) {
	switch l.form {
	case refNode:
		return List{Form: ListNode, Node: l.node}, nil
	case refValue:
		if len(l.raw) > MaxListValue {
			return List{}, fmt.Errorf("%w: a list that is carried along has %d bytes, want at most %d; let a task return it", ErrInvalid, len(l.raw), MaxListValue)
		}
		return List{Form: ListValue, Value: []byte(l.raw)}, nil
	case refZip, refCross:
		out.Form = ListZip
		if l.form == refCross {
			out.Form = ListCross
		}
		for i := range l.of {
			part, err := l.of[i].list()
			if err != nil {
				return List{}, err
			}
			out.Of = append(out.Of, part)
		}
		return out, nil
	case refNothing:
		return List{}, fmt.Errorf("%w: a zero Ref, or a value that cannot be encoded, is no list", ErrInvalid)
	default:
		return List{}, fmt.Errorf("%w: a map runs over the result of a node, a value, or pairs of them", ErrInvalid)
	}
}

// link turns l into what a Ref stands for.
func (l *List) link() link {
	switch l.Form {
	case ListNode:
		return link{form: refNode, node: l.Node}
	case ListValue:
		return link{form: refValue, raw: string(l.Value)}
	default:
	}
	of := link{form: refZip, of: new([2]link)}
	if l.Form == ListCross {
		of.form = refCross
	}
	for i := range of.of {
		of.of[i] = l.Of[i].link()
	}
	return of
}

// Nodes returns the nodes in l.
func (l *List) Nodes() []int {
	if l.Form == ListNode {
		return []int{l.Node}
	}
	var ns []int
	for i := range l.Of {
		ns = append(ns, l.Of[i].Nodes()...)
	}
	return ns
}

// title returns what l is called in a text.
func (l *List) title(p Plan) string {
	switch {
	case l.Form == ListNode:
		return p.title(l.Node)
	case len(l.Of) != 2:
		return "a list"
	case l.Form == ListZip:
		return "zip(" + l.Of[0].title(p) + ", " + l.Of[1].title(p) + ")"
	default:
		return "cross(" + l.Of[0].title(p) + ", " + l.Of[1].title(p) + ")"
	}
}

func (l *List) validate() error {
	size, deep := 0, 0
	var walk func(l *List, depth int) error
	walk = func(l *List, depth int) error {
		deep = max(deep, depth)
		size += len(l.Value)
		pair := l.Form == ListZip || l.Form == ListCross
		if l.Form > ListCross || pair != (len(l.Of) == 2) || !pair && len(l.Of) > 0 {
			return fmt.Errorf("%w: a list of form %d, of %d others", ErrInvalid, l.Form, len(l.Of))
		}
		for i := range l.Of {
			if err := walk(&l.Of[i], depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(l, 1); err != nil {
		return err
	}
	if size > MaxListValue || deep > maxLists {
		return fmt.Errorf("%w: lists of %d bytes, %d deep, want at most %d and %d", ErrInvalid, size, deep, MaxListValue, maxLists)
	}
	return nil
}

// maxLists bounds how deeply lists are put together.
const maxLists = 8
