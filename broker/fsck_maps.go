package broker

import "github.com/gomlq/mlq/task"

// storedMap is what is known of a map; see lua/lib/kin.lua.
type storedMap struct {
	base, width, born, next, live, done, good, bad, parallel, allow int

	ended byte // the state it has ended in, or -
	lined bool
}

// mapLen is how long the field of a map is.
const mapLen = 12*3 + 4

// setMap takes a field of a run that is about maps, and reports whether it is one. n is
// its number if count.
func (r *storedRun) setMap(f, v string, n int, count bool) bool {
	switch {
	case f == "top":
		r.top = n
		return count && n > 0
	case f == "nodes":
		r.plan = n
		return count && n > 0
	case len(f) == 3 && f[0] == 'b':
		r.blocks[int(f[1])<<8|int(f[2])] = v
		return len(v) == 6
	case len(f) == 4 && f[0] == 'g':
		return v != ""
	case len(f) == 4 && f[0] == 'm':
		m, ok := readMap(v)
		if ok {
			r.maps[place(f[1:])] = m
		}
		return ok
	}
	return false
}

// readMap reads the field of a map.
func readMap(v string) (m *storedMap, ok bool) {
	if len(v) != mapLen {
		return nil, false
	}
	var ns [10]int
	for i := range ns {
		ns[i] = place(v[3*i:])
	}
	return &storedMap{
		base: ns[0], width: ns[1], born: ns[2], next: ns[3], live: ns[4], done: ns[5], good: ns[6], bad: ns[7], parallel: ns[8], allow: ns[9],
		ended: v[mapLen-3], lined: v[mapLen-2] == '+',
	}, true
}

// begun reports whether number i is that of a node that was submitted, or of a child
// that has begun.
func (r *storedRun) begun(i int) bool {
	if r.top == 0 || i < r.plan {
		return true
	}
	b, ok := r.blocks[i/256]
	if !ok {
		return false
	}
	m := r.maps[place(b)]
	return m != nil && place(b[3:])+i%256 < m.born
}

// never is the letter of the state of children that will not begin; 0 while they may.
func (m *storedMap) never() byte {
	switch m.ended {
	case '-':
		return 0
	case 'C':
		return 'C'
	default:
		return 'K'
	}
}

// checkMaps asks that maps agree with their children.
func (s *stored) checkMaps(key string, id task.RunID, r *storedRun, states []byte, lined map[int]int) {
	for i, m := range r.maps {
		node := id.Node(i)
		if i >= r.plan || m.base+m.width > r.top || m.base < r.plan || m.born > m.width || m.next > m.width {
			s.brokenf(RuleForm, key, node, "is a map with children %d to %d, %d of them begun, of %d submitted nodes and %d numbers", m.base, m.base+m.width-1, m.born, r.plan, r.top)
			continue
		}
		live, done, good := 0, 0, 0
		for k := range m.born {
			state := states[m.base+k]
			_, waits := r.waits[m.base+k]
			switch {
			case state == 'j' && !waits:
				live++
			case state == 'j' && k < m.next && !r.stop && m.ended == '-':
				s.brokenf(RuleRun, key, id.Node(m.base+k), "waits to begin, but its map is past it")
			case state == 'S':
				done, good = done+1, good+1
			case state != 'j': // its dead letter may have been deleted
				done++
			}
		}
		if live != m.live || done != m.done || good != m.good {
			s.brokenf(RuleRun, key, node, "has %d children that run or may, %d that have ended, %d of them with success, but there are %d, %d and %d", m.live, m.done, m.good, live, done, good)
		}
		if live > m.parallel {
			s.brokenf(RuleRun, key, node, "has %d children under way, at most %d are allowed", live, m.parallel)
		}
		switch state := states[i]; {
		case (state == 'j') != (m.ended == '-') || state != 'j' && state != m.ended && state != 0:
			s.brokenf(RuleRun, key, node, "is %c as a node, but %c as a map", state, m.ended)
		case state != 'j' || r.stop:
		case done == m.width:
			s.brokenf(RuleRun, key, node, "has not ended, though all its children have")
		case m.lined != (lined[i] == 1) || lined[i] > 1:
			s.brokenf(RuleRun, key, node, "stands in line %d times, and says that it does: %t", lined[i], m.lined)
		case m.next < m.width && m.live < m.parallel && !m.lined:
			s.brokenf(RuleRun, key, node, "has children to begin, but nobody will begin them")
		}
	}
}
