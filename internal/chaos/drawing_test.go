package chaos

import (
	"math/rand/v2"
	"slices"

	"github.com/gomlq/mlq/task"
)

// drawing is a graph drawn by lot. The plan that is submitted is made of it, and so,
// by other code, is what must become of it.
type drawing struct {
	vertices []vertex
	keep     bool // a failure does not stop the run
	rarely   int  // one in so many vertices is a list, and more are maps
}

// vertex is a node of a drawing.
type vertex struct {
	do      string // a name of a task: stir, coin, pass, list, map or fold
	ties    []tie  // in the order in which the vertex takes what they bring
	atLeast int
	fails   int   // so many attempts fail
	end     ended // and then it ends so
	lists   mapping
}

// tie is an edge.
type tie struct {
	from   int
	accept task.Accept
	data   bool // the result is taken; else it is only waited for
	list   bool // the result is the list that a map runs over, or a part of it
}

// ended is how a vertex ends that has begun.
type ended uint8

const (
	well      ended = iota // it succeeds
	exhausted              // its last attempt has failed
	hopeless               // it says that to try again is useless
	skipped                // it says that there is nothing to do
	cancelled              // it says so
)

// maxTies is the highest in-degree, but for the last vertex, which takes whatever
// nothing else does.
const maxTies = 6

// largest is how many vertices a graph has at most. There are some that are huge: they
// are wider than a run may be at a time, and one of the vertices has more children
// than are looked after at once.
const largest, huge = 200, 4000

// size draws how many vertices a graph has.
func size(r *rand.Rand, mayBeHuge bool) int {
	if mayBeHuge && r.IntN(10) == 0 {
		return huge
	}
	return 20 + r.IntN(largest-20)
}

// draw draws a graph of n vertices and a sink.
func draw(r *rand.Rand, n int) *drawing {
	d := &drawing{keep: r.IntN(4) > 0, rarely: 4}
	if n > largest {
		d.rarely = 40
	}
	for range n {
		d.vertices = append(d.vertices, d.vertex(r))
	}
	d.sink()
	return d
}

func (d *drawing) vertex(r *rand.Rand) vertex {
	v := vertex{do: "stir"}
	switch kind := r.IntN(d.rarely * 5 / 2); {
	case kind == 0:
		v.do, v.lists = "list", mapping{bound: bounds[r.IntN(len(bounds))]}
	case kind <= 2 && d.maps(r, &v):
		return v
	case r.IntN(5) == 0:
		v.do = "coin"
	}
	for range min(r.IntN(maxTies+1), r.IntN(maxTies+1), len(d.vertices)) {
		if t := d.tie(r); !v.clashes(t) {
			v.ties = append(v.ties, t)
		}
	}
	if len(v.ties) > 1 && r.IntN(12) == 0 {
		for i := range v.ties {
			v.ties[i].accept = task.AcceptAny
			v.ties[i].data = v.ties[i].data && d.vertices[v.ties[i].from].gives() == aMade
		}
		v.do, v.atLeast = "stir", 1+r.IntN(len(v.parents()))
		return v
	}
	if len(v.ties) > 0 && v.do != "list" && v.ties[0].data && v.ties[0].accept == task.AcceptSuccess && r.IntN(4) == 0 {
		v.do = "fold"
		if d.vertices[v.ties[0].from].gives() == aMade {
			v.do = "pass"
		}
		for i := range v.ties[1:] {
			v.ties[i+1].data = false
		}
		return v
	}
	v.fate(r)
	return v
}

// tie draws an edge. Most come from near by, so that graphs are deep.
func (d *drawing) tie(r *rand.Rand) tie {
	n := len(d.vertices)
	t := tie{from: r.IntN(n)}
	switch hub := n > largest && r.IntN(4) == 0; {
	case hub:
		t.from = 0
	case r.IntN(4) > 0:
		t.from = max(0, n-1-r.IntN(12))
	}
	t.data = d.vertices[t.from].do != "coin" && r.IntN(5) > 0
	switch x := r.IntN(20); {
	case d.vertices[t.from].do == "coin" && x < 3:
		t.accept = task.AcceptTrue
	case d.vertices[t.from].do == "coin" && x < 6:
		t.accept = task.AcceptFalse
	case x < 10:
		t.accept = task.AcceptSuccess
	case x < 15:
		t.accept = task.AcceptSkip
	default:
		t.accept = task.AcceptAny
	}
	return t
}

// clashes reports whether v cannot have t beside what it has: a result may be taken
// twice, a condition may not.
func (v *vertex) clashes(t tie) bool {
	return slices.ContainsFunc(v.ties, func(o tie) bool {
		return o.from == t.from && (t.accept >= task.AcceptTrue || o.accept >= task.AcceptTrue)
	})
}

// parents returns what v waits for, each once.
func (v *vertex) parents() []int {
	var ps []int
	for _, t := range v.ties {
		ps = append(ps, t.from)
	}
	slices.Sort(ps)
	return slices.Compact(ps)
}

// fate draws how v ends.
func (v *vertex) fate(r *rand.Rand) {
	if r.IntN(5) == 0 {
		v.fails = 1 + r.IntN(3)
	}
	switch r.IntN(40) {
	case 0:
		v.end, v.fails = exhausted, 1+r.IntN(3)
	case 1:
		v.end = hopeless
	case 2:
		v.end = skipped
	case 3:
		v.end = cancelled
	}
}

// sink adds a vertex that takes the end of all that nothing takes, so that its result
// depends on that of every vertex which matters to anything.
func (d *drawing) sink() {
	taken := make([]bool, len(d.vertices))
	for i := range d.vertices {
		for _, t := range d.vertices[i].ties {
			taken[t.from] = taken[t.from] || t.data || t.list
		}
	}
	v := vertex{do: "stir"}
	for i, yes := range slices.Backward(taken) {
		if !yes {
			v.ties = append(v.ties, tie{from: i, accept: task.AcceptAny, data: d.vertices[i].do != "coin"})
		}
	}
	d.vertices = append(d.vertices, v)
}
