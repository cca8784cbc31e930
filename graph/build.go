package graph

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gomlq/mlq/task"
)

// fault is something wrong with a node.
type fault struct {
	node  int
	where string // path in its input, or an option
	err   error  // wraps task.ErrInvalid
}

func (b *builder) fault(i int, where string, err error) {
	b.faults = append(b.faults, fault{i, where, err})
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{task.ErrInvalid}, args...)...)
}

// add appends a node and returns its index.
func (b *builder) add(c task.Call, prefix string) int {
	i := len(b.plan.Nodes)
	if i == cap(b.plan.Nodes) {
		b.plan.Nodes = slices.Grow(b.plan.Nodes, max(i, 16)) // nodes are large: copy them less often than append would
	}
	b.plan.Nodes = append(b.plan.Nodes, task.Node{Call: c})
	b.wishes = append(b.wishes, wish{prefix: prefix})
	if err := c.Err(); err != nil {
		b.fault(i, "", err)
	}
	return i
}

// finish applies the options of node i and puts its edges in order.
func (b *builder) finish(i int, opts []Option) {
	for _, o := range opts {
		o.node(b, i)
	}
	b.order(i)
}

// order puts the edges of node i in order.
func (b *builder) order(i int) {
	n := &b.plan.Nodes[i]
	var clash []int
	n.Parents, clash = merge(n.Parents)
	for _, from := range clash {
		b.fault(i, "", invalid("When and Unless of the same condition, node %q: it can never run", b.label(from)))
	}
	b.count(i)
}

// count checks AtLeast.
func (b *builder) count(i int) {
	if !b.wishes[i].counted {
		return
	}
	n, soft := &b.plan.Nodes[i], 0
	for _, e := range n.Parents {
		if e.Accept.Soft() {
			soft++
		}
	}
	switch {
	case soft == 0:
		b.fault(i, "AtLeast", invalid("all parents must succeed; take the results of some by task.ResultOf or task.OptOf, or leave the option out"))
	case n.AtLeast < 1 || n.AtLeast > soft:
		b.fault(i, "AtLeast", invalid("it is %d, want 1 to %d, the number of parents that need not succeed", n.AtLeast, soft))
	default:
		return
	}
	n.AtLeast = 0 // it has been told
}

// take makes edges of the Refs in the input of node i.
func (b *builder) take(i int, needs []task.Need) {
	n := &b.plan.Nodes[i]
	n.Parents = slices.Grow(n.Parents, len(needs))
	for k := range needs {
		b.need(i, &needs[k], "input")
	}
}

// need makes an edge of a Ref in an input or an option of node i.
func (b *builder) need(i int, n *task.Need, where string) {
	if err := b.refuse(i, n); err != nil {
		b.fault(i, join(where, n.Path), err)
		return
	}
	if n.Kind == task.NeedNode {
		p := &b.plan.Nodes[i].Parents
		*p = append(*p, task.Edge{From: n.Node, Accept: n.Accept})
	}
}

// refuse says what is wrong with a Ref in node i.
func (b *builder) refuse(i int, n *task.Need) error {
	switch {
	case n.Lost:
		return invalid(`the Ref is in a field that is not encoded, so that the task would never see it; ` +
			`export the field and do not tag it "-", or use graph.After for an edge without data`)
	case n.Kind == task.NeedNothing:
		return invalid("a zero Ref stands for nothing; was it forgotten? Where it may be absent, let the field be a *task.Ref")
	case n.Kind == task.NeedJob:
		return invalid("a graph cannot wait for the posted job %v; wait for it first, and pass its value with task.Value", n.Job)
	case n.Kind == task.NeedElement:
		return invalid("the element of a map is only known in its own input, which build makes")
	case n.Kind == task.NeedNode && n.Graph != b.id:
		return invalid("the Ref is to node %d of another graph; add both nodes to the same graph", n.Node)
	case n.Kind == task.NeedNode && (n.Node < 0 || n.Node >= i):
		return invalid("the Ref is to node %d, which is not in the graph yet", n.Node)
	}
	return nil
}

// hand makes the result of a parent the input of node i.
func (b *builder) hand(i int, n *task.Need) {
	const where = "parent"
	switch {
	case n.Kind == task.NeedElement:
		b.need(i, n, where)
	case n.Kind == task.NeedValue:
		b.fault(i, where, invalid("a value is no node; use graph.Add with the value as the input"))
	case n.Kind == task.NeedNode && n.Accept.Soft():
		b.fault(i, where, invalid("graph.Then hands on a result as it is, so the parent must succeed; "+
			"use graph.Add, with the Ref in the input"))
	default:
		b.need(i, n, where)
		b.plan.Nodes[i].Payload = task.NodeResult(n.Node)
	}
}

// withoutInput returns a call of t whose input is still to come: that its zero input
// could not be encoded does not matter.
func withoutInput(t any, c task.Call) task.Call {
	if d, ok := t.(interface{ Err() error }); ok && d.Err() == nil {
		return task.Call{Functions: c.Functions, Spec: c.Spec}
	}
	return c
}

// join returns the path of a Ref.
func join(where, path string) string {
	if path == "" || path[0] == '[' {
		return where + path
	}
	return where + "." + path
}

// merge sorts edges by parent and leaves the strictest to each. It also returns the
// parents that would have to be both true and false.
func merge(es []task.Edge) (merged []task.Edge, clash []int) {
	slices.SortStableFunc(es, func(a, b task.Edge) int { return cmp.Compare(a.From, b.From) })
	merged = es[:0]
	for _, e := range es {
		last := len(merged) - 1
		if last < 0 || merged[last].From != e.From {
			merged = append(merged, e)
			continue
		}
		m := &merged[last]
		if strict(m.Accept) == strict(e.Accept) && m.Accept != e.Accept {
			clash = append(clash, e.From)
		}
		if strict(e.Accept) > strict(m.Accept) {
			m.Accept = e.Accept
		}
	}
	return merged, slices.Compact(clash)
}

// strict orders what edges accept: less with each step, and a condition least of all.
func strict(a task.Accept) int {
	switch a {
	case task.AcceptAny:
		return 0
	case task.AcceptSkip:
		return 1
	case task.AcceptSuccess:
		return 2
	default:
		return 3
	}
}
