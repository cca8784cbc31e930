package graph

import (
	"fmt"
	"time"

	"github.com/gomlq/mlq/task"
)

// A RunOption goes with [New] and is about the run as a whole.
type RunOption interface{ run(*task.Plan) }

type runOption func(*task.Plan)

func (f runOption) run(p *task.Plan) { f(p) }

// KeepGoing lets what does not depend on a failed node go on. Without it the run stops
// at the first failure that no other node accepts.
func KeepGoing() RunOption { return runOption(func(p *task.Plan) { p.KeepGoing = true }) }

// Events keeps what becomes of the nodes of the run as a stream of events, which
// [task.Run.Events] gives; without it there is none.
func Events() RunOption { return runOption(func(p *task.Plan) { p.Events = true }) }

// Deadline bounds the whole run: when it has taken d since its submission, it stops
// and fails. Zero, the default, means as long as it takes; the most is [task.MaxDelay].
func Deadline(d time.Duration) RunOption { return runOption(func(p *task.Plan) { p.Deadline = d }) }

// An Option goes with [Add] and [Then], and with maps, and is about the place of the node
// in the graph. How its job is run is said of the task, with t.With.
type Option interface {
	MapOption
	node(b *builder, i int)
}

type option func(b *builder, i int)

func (f option) node(b *builder, i int)   { f(b, i) }
func (f option) mapped(b *builder, i int) { f(b, i) }
func (f option) some(b *builder, i int)   { f(b, i) }

// Name names the node. No other node of the graph may have the same name. Without it a
// node has the name of its task; if that is taken, it has -2 at its end, or -3 and so
// on, in the order in which the nodes were added.
func Name(s string) Option {
	return option(func(b *builder, i int) {
		if s == "" {
			b.fault(i, "Name", invalid("it is empty; leave the option out for the default"))
			return
		}
		b.plan.Nodes[i].Name = b.wishes[i].prefix + s
		b.wishes[i].named = true
	})
}

// AnyRef is a [task.Ref] of any type, and nothing else.
type AnyRef interface {
	Node() (graph uint64, node int, ok bool)
}

// After lets the node start after others whose results it does not take. As in an
// input, they must succeed, unless the Ref is made by [task.OptOf] or [task.ResultOf].
// A Ref made by [task.Value] is nothing to wait for, and is passed over.
func After(refs ...AnyRef) Option {
	return option(func(b *builder, i int) {
		for k, r := range refs {
			needs, err := task.Needs(r)
			if err != nil || len(needs) != 1 {
				b.fault(i, fmt.Sprintf("After[%d]", k), invalid("it is %T, want a task.Ref", r))
				continue
			}
			needs[0].Path = fmt.Sprintf("[%d]", k)
			b.need(i, &needs[0], "After")
		}
	})
}

// When lets the node run only if cond succeeds with true; else it is skipped. Of
// several conditions all must hold. A node that comes after such a node takes its
// result by [task.OptOf], or is skipped with it.
func When(cond task.Ref[bool]) Option { return condition(cond, "When", task.AcceptTrue) }

// Unless lets the node run only if cond succeeds with false; see [When].
func Unless(cond task.Ref[bool]) Option { return condition(cond, "Unless", task.AcceptFalse) }

func condition(cond task.Ref[bool], what string, a task.Accept) Option {
	return option(func(b *builder, i int) {
		needs, _ := task.Needs(cond) // a Ref has no depth
		n := needs[0]
		if n.Kind == task.NeedValue {
			b.fault(i, what, invalid("a value is known now: decide with an if whether to add the node"))
			return
		}
		n.Accept = a
		b.need(i, &n, what)
	})
}

// AtLeast lets the node start as soon as k of its parents that need not succeed have
// done so, and skips it once too few are left. Without it the node waits for the end
// of all of them. k is from 1 to their number: the parents reached by [task.ResultOf]
// or [task.OptOf] alone. [task.Ended] tells in the task which they were.
func AtLeast(k int) Option {
	return option(func(b *builder, i int) {
		b.plan.Nodes[i].AtLeast = k
		b.wishes[i].counted = true
	})
}
