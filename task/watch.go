package task

import (
	"cmp"
	"slices"
	"time"
)

// RunNode is what is known of a node of a run for those who watch it.
type RunNode struct {
	Number   int    // its place in the plan; children of maps follow the plan's nodes
	Name     string // of a child of a map the map's; empty, as Task is, if its record is gone
	Task     string // the function
	State    State  // a map is Blocked while its children run
	Started  time.Time
	Finished time.Time // zero while it has not ended
	// Attempts is how many attempts have failed, and the one that runs or was the last.
	Attempts int
	Progress float64 // what the attempt that runs has said, 0 to 100; a succeeded node has 100
	Parents  []Edge  // in order; none for a child of a map
	Map      *RunMap // nil for a node that is no map
}

// RunMap is what is known of a map. Its width is zero before its list has been looked at.
type RunMap struct {
	First     int // number of the first child; the others follow
	Width     int // how many children it has
	Ended     int // how many have ended, or never begin since the map has
	Succeeded int
}

// PathStep is a node of a critical path.
type PathStep struct {
	RunNode

	Waited time.Duration // from the end of the step before, or of the run's beginning, until it started
	Took   time.Duration // from then until its end, or until now
}

// CriticalPath returns the chain of nodes that determined when a run ended, or when it
// will end as far as that is known now: the last is the node that ended last, or of those
// that run the one that started first, or, if none runs, one that is ready or scheduled;
// before each stands the parent that ended last. It is empty if no node has begun.
//
// Started is when the last attempt began: earlier ones count as waiting. A map takes from the
// end of its last parent to that of its last child; if its children are among nodes, the
// one that ended last stands in its place. Nodes that were skipped or
// cancelled before they began are passed over, unless no other node has ended. A join that
// did not wait for all of its parents is accounted to the last that had ended when it began.
//
// begun is when the run was submitted, and now the time until which what has not ended is
// counted; both are by the broker's clock, as the times of nodes are, in any order.
func CriticalPath(nodes []RunNode, begun, now time.Time) []PathStep {
	w := watch{now: now, nodes: make(map[int]*RunNode, len(nodes))}
	for i := range nodes {
		w.nodes[nodes[i].Number] = &nodes[i]
	}
	var path []PathStep
	for n := w.last(nodes); n != nil; {
		parent := w.before(n)
		from := begun
		if parent != nil {
			from = parent.Finished
		}
		path = append(path, w.step(n, from))
		n = parent
	}
	slices.Reverse(path)
	return path
}

// watch is the nodes of a run at a time.
type watch struct {
	nodes map[int]*RunNode
	now   time.Time
}

// Ranks of nodes as the last of a path.
const (
	rankNone  = iota // it has not begun
	rankUnrun        // it has ended, but never began
	rankEnded        // it ran
	rankWaits        // ready or scheduled
	rankRuns
)

func rank(n *RunNode) int {
	isMap := n.Map != nil && n.Map.Width > 0
	switch {
	case n.State == Running, isMap && n.State == Blocked:
		return rankRuns
	case n.State == Ready, n.State == Scheduled:
		return rankWaits
	case n.Finished.IsZero():
		return rankNone
	case n.Started.IsZero() && n.State != Succeeded && !isMap:
		return rankUnrun
	default:
		return rankEnded
	}
}

// last returns the node that a path ends with; nil if there is none. Children of maps
// are looked at by way of their map.
func (w *watch) last(nodes []RunNode) *RunNode {
	children := make(map[int]bool)
	for i := range nodes {
		if m := nodes[i].Map; m != nil {
			for k := range m.Width {
				children[m.First+k] = true
			}
		}
	}
	var best *RunNode
	for i := range nodes {
		if n := &nodes[i]; rank(n) > rankNone && !children[n.Number] && (best == nil || later(n, best) > 0) {
			best = n
		}
	}
	return best
}

// later orders nodes by when they end, or would: of those that run the one that started
// first is the latest. Where that is the same, the first in the plan is.
func later(a, b *RunNode) int {
	of := rank(a)
	if c := cmp.Compare(of, rank(b)); c != 0 {
		return c
	}
	c := a.Finished.Compare(b.Finished)
	if of == rankRuns {
		c = b.Started.Compare(a.Started)
	}
	return cmp.Or(c, cmp.Compare(b.Number, a.Number))
}

// before returns the parent of n that ended last, but not after n had begun; nil if
// there is none.
func (w *watch) before(n *RunNode) *RunNode {
	var best *RunNode
	for _, e := range n.Parents {
		p := w.nodes[e.From]
		if p == nil || e.From >= n.Number || p.Finished.IsZero() || !n.Started.IsZero() && p.Finished.After(n.Started) {
			continue
		}
		if best == nil || p.Finished.After(best.Finished) {
			best = p
		}
	}
	return best
}

// step returns the step of n, whose parents had ended at from.
func (w *watch) step(n *RunNode, from time.Time) PathStep {
	if c := w.child(n); c != nil {
		n = c
	}
	until := n.Finished
	if until.IsZero() {
		until = w.now
	}
	started := n.Started
	switch {
	case !started.IsZero():
	case n.Map != nil:
		started = from
	default: // it waits, or never began
		started = until
	}
	return PathStep{RunNode: *n, Waited: max(started.Sub(from), 0), Took: max(until.Sub(started), 0)}
}

// child returns the child of a map that ends or ended last; nil if none is known.
func (w *watch) child(n *RunNode) *RunNode {
	if n.Map == nil {
		return nil
	}
	var best *RunNode
	for k := range n.Map.Width {
		if c := w.nodes[n.Map.First+k]; c != nil && rank(c) > rankUnrun && (best == nil || later(c, best) > 0) {
			best = c
		}
	}
	return best
}
