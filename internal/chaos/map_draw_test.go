package chaos

import (
	"math/rand/v2"

	"github.com/gomlq/mlq/task"
)

// mapping is what a vertex is besides that is a list or a map.
type mapping struct {
	bound int // of a list: it has fewer elements, or is long; of a map: it is no wider
	root  int // the vertex of which the width of a map is the length, or -1

	form   task.ListForm // what a map runs over
	of     []int         // vertices, one or two, or known for a list that is known
	bare   bool          // the element is the input
	most   int           // MaxParallel, if it is above 0
	some   bool
	allow  int     // failures, if it is not negative
	rate   float64 // the same, if it is not negative
	hazard uint64  // so many of a thousand children end otherwise than well,
	ends   []ended // in one of these ways
	tries  int     // attempts, if it is above 0
}

// known stands for a list that is known when the graph is built.
const known = -1

// long is the bound of lists of some 300 elements. A map over two lists is no wider than
// widest.
const long, widest = 300, 450

var bounds = []int{1, 4, 4, 12, 12, 12, 41, 41, 41, 41, 41, long}

// gives says what the result of a vertex is.
type gives int

const (
	aMade gives = iota
	aList
	aSome // a list of how jobs ended
	aCoin
)

func (v *vertex) gives() gives {
	switch {
	case v.do == "coin":
		return aCoin
	case v.do == "map" && v.lists.some:
		return aSome
	case v.do == "map" || v.do == "list":
		return aList
	default:
		return aMade
	}
}

// maps makes v a map over lists that are in d already, if there are any.
func (d *drawing) maps(r *rand.Rand, v *vertex) bool {
	var lists, somes []int
	for i := max(0, len(d.vertices)-60); i < len(d.vertices); i++ {
		switch d.vertices[i].gives() {
		case aList:
			lists = append(lists, i)
		case aSome:
			somes = append(somes, i)
		default:
		}
	}
	if len(lists) == 0 {
		return false
	}
	first := lists[r.IntN(len(lists))]
	m := mapping{form: task.ListNode, of: []int{first}, allow: -1, rate: -1}
	switch r.IntN(6) {
	case 0:
		d.pair(r, &m, first, lists)
	case 1:
		m.form, m.of = task.ListCross, []int{first, lists[r.IntN(len(lists))]}
		if r.IntN(3) == 0 {
			m.of[r.IntN(2)] = known
		}
		if d.bound(m.of[0])*d.bound(m.of[1]) > widest {
			m.form, m.of = task.ListNode, []int{first}
		}
	case 2:
		if len(somes) > 0 {
			m.of = []int{somes[r.IntN(len(somes))]}
		} else {
			m.of = []int{known}
		}
	}
	v.do = "map"
	m.bound, m.root = d.bound(m.of[0]), d.root(m.of[0])
	if m.form == task.ListCross {
		m.bound, m.root = m.bound*d.bound(m.of[1]), -1
	}
	for _, i := range m.of {
		if i != known {
			v.ties = append(v.ties, tie{from: i, list: true})
		}
	}
	d.dangers(r, &m)
	v.lists = m
	for range min(r.IntN(3), r.IntN(3), len(d.vertices)) {
		if t := d.tie(r); !v.clashes(t) {
			t.data = t.data && !m.bare
			v.ties = append(v.ties, t)
		}
	}
	return true
}

// pair draws another list that is as long as the first one, most of the time.
func (d *drawing) pair(r *rand.Rand, m *mapping, first int, lists []int) {
	m.form, m.of = task.ListZip, []int{first, first}
	for range 20 {
		other := lists[r.IntN(len(lists))]
		if root := d.root(first); root >= 0 && root == d.root(other) || r.IntN(60) == 0 {
			m.of[r.IntN(2)] = other
			return
		}
	}
}

// dangers draws what may go wrong with the children of a map.
func (d *drawing) dangers(r *rand.Rand, m *mapping) {
	m.bare = r.IntN(3) == 0
	if r.IntN(3) == 0 {
		m.most = 1 + r.IntN(5)
	}
	if m.some = r.IntN(2) == 0; m.some {
		if r.IntN(3) == 0 {
			m.allow = r.IntN(4)
		}
		if r.IntN(4) == 0 {
			m.rate = float64(r.IntN(5)) / 10
		}
	}
	if m.bare || !m.some && r.IntN(4) > 0 {
		return
	}
	m.hazard = []uint64{20, 100, 400}[r.IntN(3)]
	// Where the first child decides that does not succeed, all of those must do so in
	// the same way, for that to be foreseen.
	if m.ends = []ended{hopeless, skipped, cancelled}; !d.keep {
		m.ends = []ended{m.ends[min(r.IntN(12)/10, 1)+r.IntN(20)/19]}
	} else if r.IntN(8) > 0 {
		m.ends = m.ends[:1+r.IntN(2)]
	}
	if r.IntN(5) == 0 && (d.keep || m.ends[0] == hopeless) {
		m.tries = 2
	}
}

func (d *drawing) bound(i int) int {
	if i == known {
		return len(knownList)
	}
	return d.vertices[i].lists.bound
}

func (d *drawing) root(i int) int {
	switch {
	case i == known:
		return -1
	case d.vertices[i].do == "list":
		return i
	default:
		return d.vertices[i].lists.root
	}
}
