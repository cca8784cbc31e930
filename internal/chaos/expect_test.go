package chaos

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlq/mlq/task"
)

// fact is what must become of a vertex: worked out from the drawing alone, without
// a queue, a script or a clock.
type fact struct {
	state    task.State
	gives    gives
	sum      uint64
	failures []string // of attempts that failed, in order; of a map, of its children, one of which it has
	begun    bool
	text     string // what it gives to others, if it has succeeded
	kids     []fact // the elements of a list, the children of a map
	short    bool   // of a map: it may end before all of its children have
}

// expect returns what must become of all vertices, in order.
func (d *drawing) expect() []fact {
	fs := make([]fact, len(d.vertices))
	for i := range d.vertices {
		v := &d.vertices[i]
		fs[i].gives = v.gives()
		if f := &fs[i]; !v.begins(fs) {
			f.state = task.Skipped
		} else if f.begun = true; v.do == "map" {
			v.expectMap(i, f, fs, d.keep)
		} else {
			f.sum = v.sum(i, fs)
			v.endAs(i, f)
		}
	}
	return fs
}

// begins reports whether the ends of its parents let v begin.
func (v *vertex) begins(fs []fact) bool {
	good := map[int]bool{}
	for _, t := range v.ties {
		p := &fs[t.from]
		ok := p.state == task.Succeeded
		switch t.accept {
		case task.AcceptAny:
			good[t.from] = ok
			ok = true
		case task.AcceptSkip:
			ok = ok || p.state == task.Skipped
		case task.AcceptTrue:
			ok = ok && heads(p.sum)
		case task.AcceptFalse:
			ok = ok && !heads(p.sum)
		case task.AcceptSuccess:
		}
		if !ok {
			return false
		}
	}
	n := 0
	for _, ok := range good {
		if ok {
			n++
		}
	}
	return n >= v.atLeast
}

// sum returns the result of vertex i.
func (v *vertex) sum(i int, fs []fact) uint64 {
	m := newMix(i)
	if v.atLeast > 0 {
		return m.sum() // which of its inputs it finds is left to chance
	}
	v.mixTies(m, fs)
	return m.sum()
}

// mixTies adds what v takes of others.
func (v *vertex) mixTies(m mix, fs []fact) {
	for g := aMade; g <= aSome; g++ {
		for _, a := range []task.Accept{task.AcceptSuccess, task.AcceptSkip, task.AcceptAny} {
			for _, t := range v.ties {
				if t.data && t.accept == a && fs[t.from].gives == g {
					m.add(fs[t.from].token())
				}
			}
		}
	}
}

// token is what a vertex gives to those who take its result.
func (f *fact) token() string {
	switch {
	case f.state == task.Succeeded:
		return token(f.state, f.text, "")
	case f.state == task.Failed && f.gives == aMade:
		return token(f.state, "", f.failures[len(f.failures)-1])
	default:
		return token(f.state, "", "") // that of a list that has failed is left to chance
	}
}

func (v *vertex) endAs(i int, f *fact) {
	for a := range v.fails {
		f.failures = append(f.failures, complaint(i, a+1))
	}
	switch v.end {
	case well:
		f.state = task.Succeeded
		v.give(f)
	case exhausted:
		f.state = task.Failed
	case hopeless:
		f.state = task.Failed
		f.failures = append(f.failures, complaint(i, v.fails+1))
	case skipped:
		f.state = task.Skipped
	case cancelled:
		f.state = task.Cancelled
	}
}

// expectRun returns how the run must end, and the messages that its failure may have.
func (d *drawing) expectRun(fs []fact) (task.State, []string) {
	var messages []string
	state := task.Succeeded
	for i := range fs {
		switch fs[i].state {
		case task.Cancelled:
			state = task.Cancelled
		case task.Failed:
			if d.taken(i) {
				break
			}
			if d.vertices[i].do != "map" {
				messages = append(messages, fs[i].failures[len(fs[i].failures)-1])
			} else {
				messages = append(messages, fs[i].failures...)
			}
		default:
		}
		if d.vertices[i].do == "map" && slices.ContainsFunc(fs[i].kids, func(k fact) bool { return k.state == task.Cancelled }) {
			state = task.Cancelled
		}
	}
	if messages != nil {
		state = task.Failed
	}
	return state, messages
}

// taken reports whether vertex i has children, and all of them take its failure.
func (d *drawing) taken(i int) bool {
	children := 0
	for k := range d.vertices {
		for _, t := range d.vertices[k].ties {
			if t.from == i {
				if children++; t.accept != task.AcceptAny {
					return false
				}
			}
		}
	}
	return children > 0
}

// The words that the model and the tasks share: what a result says, and what a failure.

// mix makes a number of a vertex and of what it was given, in order.
type mix struct{ h hash.Hash }

func newMix(i int) mix {
	m := mix{sha256.New()}
	m.add(fmt.Sprint("vertex ", i))
	return m
}

func (m mix) add(token string) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(token)))
	m.h.Write(size[:])
	m.h.Write([]byte(token))
}

func (m mix) sum() uint64 { return binary.BigEndian.Uint64(m.h.Sum(nil)) }

// heads is what a coin with that sum shows.
func heads(sum uint64) bool { return sum%3 > 0 }

// pad makes some results so large that they do not travel with the news of them.
func pad(sum uint64) []byte {
	if sum%8 != 0 {
		return nil
	}
	return slices.Repeat([]byte{byte(sum >> 8)}, 3000)
}

func token(s task.State, text, message string) string {
	return fmt.Sprintf("%v %s %s", s, text, message)
}

func madeText(m made) string { return fmt.Sprintf("%x %x", m.Sum, m.Pad) }

// listText is what a list says, of the texts or tokens of its elements.
func listText(of []string) string {
	m := newMix(len(of))
	for _, s := range of {
		m.add(s)
	}
	return fmt.Sprintf("list of %d, %x", len(of), m.sum())
}

func complaint(i, attempt int) string { return fmt.Sprintf("vertex %d, attempt %d", i, attempt) }

func TestDrawingsHaveEveryKindOfVertexAndEnd(t *testing.T) {
	t.Parallel()
	states, ties, tasks, least := map[task.State]int{}, map[task.Accept]int{}, map[string]int{}, 0
	for seed := range uint64(50) {
		d := draw(rand.New(rand.NewPCG(seed, 0)), 100)
		for _, f := range d.expect() {
			states[f.state]++
		}
		for i := range d.vertices {
			v := &d.vertices[i]
			tasks[v.do]++
			if v.atLeast > 0 {
				least++
			}
			for _, e := range v.ties {
				ties[e.accept]++
			}
		}
	}
	for _, s := range []task.State{task.Succeeded, task.Failed, task.Skipped, task.Cancelled} {
		if states[s] < 50 {
			t.Errorf("%d vertices end as %v, want more: %v", states[s], s, states)
		}
	}
	for a := task.AcceptSuccess; a <= task.AcceptFalse; a++ {
		if ties[a] < 100 {
			t.Errorf("%d edges accept %v, want more: %v", ties[a], a, ties)
		}
	}
	if tasks["stir"] < 50 || tasks["coin"] < 50 || tasks["pass"] < 50 || least < 50 {
		t.Errorf("tasks %v, %d with AtLeast, want more of each", tasks, least)
	}
	if states[task.Succeeded] < 1500 {
		t.Errorf("too little succeeds: %v", states)
	}
	t.Logf("states %v, edges %v, tasks %v, %d with AtLeast", states, ties, tasks, least)
}

func TestEveryInputAndItsPlaceChangesTheSum(t *testing.T) {
	t.Parallel()
	sum := func(i int, tokens ...string) uint64 {
		m := newMix(i)
		for _, s := range tokens {
			m.add(s)
		}
		return m.sum()
	}
	seen := map[uint64]bool{}
	all := []uint64{sum(0), sum(1), sum(0, ""), sum(0, "a", "b"), sum(0, "b", "a"), sum(0, "ab"), sum(0, "a"), sum(0, "a", "a", "b"), sum(0, "a", "b", "b")}
	for _, s := range all {
		seen[s] = true
	}
	if len(seen) != len(all) {
		t.Errorf("%d sums of %d different inputs", len(seen), len(all))
	}
}
