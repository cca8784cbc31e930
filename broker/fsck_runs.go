package broker

import (
	"strconv"

	"github.com/gomlq/mlq/task"
)

// storedRun is what fsck keeps of a run.
type storedRun struct {
	nodes  int
	state  string
	counts map[byte]int // by state letter
	over   bool         // it has a time at which it ended
	failed bool         // it has the first failure
	stop   bool         // nothing new of it may start
	flying int          // nodes that have started and not ended
	lined  int          // entries of its line
	taken  map[int]bool // nodes whose failure all their children take
	waits  map[int]int  // by node, how many parents it waits for
	need   map[int]int  // by node, how many of those must succeed; 0 means that all must end
	events int          // that there were, if it is watched
	halted int          // children that were cancelled since their map had ended
	soft   map[int]int  // by node, how many of those that may end in any way it waits for
	kids   map[int]map[int]string
	names  map[byte]string
	plan   int // nodes that were submitted, once there are more
	top    int // the first number that nobody has, once there are more
	maps   map[int]*storedMap
	blocks map[int]string
	aside  map[int]bool // ready nodes that are in no list, since the run is paused
	bad    bool         // it cannot be judged
}

// takeRest takes continuations: node, its state, the first chunk of its children
// that was not followed.
func (s *stored) takeRest(items []any) {
	for _, item := range items {
		r := reader{b: asText(item)}
		raw, state, chunk := r.bytes(16), r.u8(), int(r.uint(3))
		if r.bad || r.i != len(r.b) {
			s.brokenf(RuleForm, "cont", task.ID{}, "%+q is no continuation", r.b)
			continue
		}
		id, ok := s.idOf("cont", raw)
		if id.Kind() == task.KindRun || state == 'M' {
			continue // it is swept, or its line is looked at
		}
		if old, has := s.rest[id]; ok && (!has || chunk < old) {
			s.rest[id] = chunk
		}
	}
}

// takeLine takes entries of a run's line: number, and the byte of a pend name.
func (s *stored) takeLine(name string, items []any) {
	id, ok := s.idOf("line:"+name, name)
	for _, item := range items {
		e := asText(item)
		if len(e) != 4 && (len(e) != 5 || e[4] != '+') {
			s.brokenf(RuleForm, "line:"+name, id, "%+q is not an entry", e)
		} else if ok {
			s.lines[id] = append(s.lines[id], e)
		}
	}
}

// takeRun takes fields of a run's hash; see lua/lib/run.lua.
func (s *stored) takeRun(name string, items []any) {
	key := "run:" + name
	id, ok := s.idOf(key, name)
	if !ok {
		return
	}
	r := s.runs[id]
	if r == nil {
		r = &storedRun{
			counts: map[byte]int{}, taken: map[int]bool{}, waits: map[int]int{}, need: map[int]int{}, soft: map[int]int{},
			kids: map[int]map[int]string{}, names: map[byte]string{}, maps: map[int]*storedMap{}, blocks: map[int]string{}, aside: map[int]bool{},
		}
		s.runs[id] = r
	}
	for ; len(items) >= 2; items = items[2:] {
		if f, v := asText(items[0]), asText(items[1]); !r.set(f, v) {
			r.bad = true
			s.brokenf(RuleForm, key, id, "has %+q = %+.80q", f, v)
		}
	}
}

// set takes one field, and reports whether it is one.
func (r *storedRun) set(f, v string) bool {
	n, err := strconv.Atoi(v)
	count := err == nil && n >= 0
	switch {
	case f == "name" || f == "nonce":
		return v != ""
	case f == "f":
		r.failed = true
		return v != ""
	case f == "stop":
		r.stop = true
		return v == "F" || v == "C"
	case f == "d":
		return v != ""
	case f == "xs":
		return count && n > 0 && n <= task.MaxExits
	case f == "xe":
		return len(v) == len(task.ID{})
	case len(f) == 2 && f[0] == 'x':
		return f[1] < task.MaxExits && len(v) > 2
	case f == "y":
		for y := v; len(y) >= 6; y = y[6:] {
			r.aside[place(y)] = true
		}
		return v != "" && len(v)%6 == 0
	case f == "halted":
		r.halted = n
		return count && n > 0
	case f == "e":
		r.events = n
		return count
	case f == "keep" || f == "paused" || f == "parts" || f == "swept" || len(f) == 2 && f[0] == 'c':
		return count
	case f == "w":
		r.flying = n
		return count
	case f == "l":
		r.lined = n
		return count
	case f == "state":
		r.state = v
		return runStates[v] != 0 || v == "-" || v == "x"
	case f == "n":
		r.nodes = n
		return count && n > 0
	case f == "begun":
		return count
	case f == "end":
		r.over = true
		return count
	case f == "S" || f == "F" || f == "C" || f == "K":
		r.counts[f[0]] = n
		return count
	case len(f) == 4 && f[0] == 'p':
		r.waits[place(f[1:])] = n
		return count
	case len(f) == 4 && f[0] == 'o':
		if len(v) == 6 {
			r.soft[place(f[1:])] = place(v)
		}
		return len(v) == 6 && place(v) > 0 && place(v) >= place(v[3:])
	case len(f) == 4 && f[0] == 'a':
		r.need[place(f[1:])] = n
		return count && n > 0
	case f == "rn" || f == "rc" || f == "again" || f == "turn":
		return count
	case len(f) == 4 && f[0] == 't':
		r.taken[place(f[1:])] = true
		return v == ""
	case len(f) == 7 && f[0] == 'k':
		i := place(f[1:4])
		if r.kids[i] == nil {
			r.kids[i] = map[int]string{}
		}
		r.kids[i][place(f[4:])] = v
		return v != "" && len(v)%kidLen == 0 && len(v) <= kidLen*kidsPerChunk
	case len(f) == 2 && f[0] == 'q':
		r.names[f[1]] = v
		return goodPend(v)
	}
	return r.setMap(f, v, n, count)
}

// place reads a number of three bytes.
func place(s string) int { return int(s[0])<<16 | int(s[1])<<8 | int(s[2]) }

// edge is a parent of a node, in which chunk of its children it has the node, and
// which of its ends the node accepts.
type edge struct {
	parent, chunk int
	accept        task.Accept
}

// parents turns the children of all nodes around.
func (r *storedRun) parents() (map[int][]edge, bool) {
	m, ok := map[int][]edge{}, true
	for parent, chunks := range r.kids {
		for chunk, kids := range chunks {
			for ; len(kids) >= kidLen; kids = kids[kidLen:] {
				child := place(kids)
				e := edge{parent, chunk, task.Accept(kids[4])}
				m[child] = append(m[child], e)
				ok = ok && parent < child && child < r.nodes && r.names[kids[3]] != "" && e.accept <= task.AcceptFalse
			}
		}
	}
	return m, ok
}

// checkRuns asks that runs agree with their nodes.
func (s *stored) checkRuns() {
	buckets := map[string]bool{}
	for id, r := range s.runs {
		key := "run:" + string(id[:])
		bucket := id.Node(0).Bucket()
		buckets[bucket] = true
		parents, ok := r.parents()
		if !ok || r.nodes == 0 || r.state == "" {
			s.brokenf(RuleForm, key, id, "has children that are no nodes of it, or lacks its state")
			continue
		}
		if r.bad {
			continue // said already
		}
		if r.staged() {
			s.checkStaged(key, id, r)
			continue
		}
		ended := r.state != "a" && r.state != "r"
		s.checkExpiry(key, id, s.keys["run:"][string(id[:])], ended, id.Class())
		if info, ok := s.keys["events:"][string(id[:])]; ok {
			s.checkExpiry("events:"+string(id[:]), id, info, ended, id.Class())
		}
		if info, ok := s.keys["res:"][bucket]; ok {
			s.checkExpiry("res:"+bucket, id, info, ended, id.Class())
		}
		if r.state != "r" { // else it is being put in order
			s.checkNodes(key, id, r, parents)
		}
	}
	for id := range s.ended {
		if !buckets[id.Bucket()] {
			s.brokenf(RuleRun, "res:"+id.Bucket(), id, "is a node of a run that does not exist")
		}
	}
	for id, j := range s.jobs {
		if id.Kind() == task.KindNode && s.runs[id.Run()] == nil && !j.dead() {
			s.brokenf(RuleRun, "jobs", id, "is a node of a run that does not exist")
		}
	}
}

// checkStaged asks that a run which has not come whole goes on or is removed.
func (s *stored) checkStaged(key string, id task.RunID, r *storedRun) {
	if _, ok := s.scores["staged"][string(id[:])]; !ok {
		s.brokenf(RuleRun, key, id, "was not submitted whole, and nobody will remove it: it is not in staged")
	}
	roots := 0
	for _, waits := range r.waits {
		if waits == 0 {
			roots++
		}
	}
	if n := len(s.lines[id]); n != roots && r.state == "-" {
		s.brokenf(RuleRun, key, id, "%d of its nodes are to begin with, but %d stand in its line", roots, n)
	}
}

// staged reports whether parts of r are missing: nothing of it is seen yet.
func (r *storedRun) staged() bool { return r.state == "-" || r.state == "x" }

// hidden reports whether id is a node of a run that is not seen yet.
func (s *stored) hidden(id task.ID) bool {
	r := s.runs[id.Run()]
	return r != nil && r.staged()
}

// nodeState returns the letter of a node's state: of the end it came to, 'j' if it
// is a live job, and 0 if nothing is known of it.
func (s *stored) nodeState(id task.ID) byte {
	if j := s.jobs[id]; j != nil && j.dead() {
		return 'F'
	} else if j != nil {
		return 'j'
	}
	return s.ended[id]
}

// statesOf returns the letters of the states of a run's nodes by number, 0 for one of
// which nothing is known, and how many have each.
func (s *stored) statesOf(id task.RunID, r *storedRun) (states []byte, counts map[byte]int) {
	counts = map[byte]int{}
	states = make([]byte, max(r.nodes, r.top))
	for i := range states {
		if r.begun(i) {
			states[i] = s.nodeState(id.Node(i))
			counts[states[i]]++
		}
	}
	for _, m := range r.maps {
		if never := m.never(); never != 0 {
			counts[never] += m.width - m.born
		}
	}
	return states, counts
}

// checkNodes asks that the counts and edges of a run are those of its nodes.
func (s *stored) checkNodes(key string, id task.RunID, r *storedRun, parents map[int][]edge) {
	states, counts := s.statesOf(id, r)
	missing := counts[0]
	// Dead letters are deleted after their retention; nothing else is while the run is kept.
	if swept := r.counts['F'] - counts['F']; missing > max(swept, 0) {
		s.brokenf(RuleRun, key, id, "%d of %d nodes are neither jobs nor records, %d dead letters were deleted", missing, r.nodes, swept)
	} else {
		counts['F'] += missing
	}
	over := 0
	for _, letter := range []byte("SFCK") {
		if over += counts[letter]; r.counts[letter] != counts[letter] {
			s.brokenf(RuleRun, key, id, "%c is %d, but there are %d", letter, r.counts[letter], counts[letter])
		}
	}
	want := "a"
	switch {
	case over < r.nodes:
	case r.failed:
		want = "F"
	case counts['C'] > r.halted || r.stop && r.state == "C":
		want = "C"
	default:
		want = "S"
	}
	if r.state != want || r.over != (want != "a") {
		s.brokenf(RuleRun, key, id, "its state is %q (with an end: %t, with a failure: %t), want %q: %d of %d nodes have ended, %d failed",
			r.state, r.over, r.failed, want, over, r.nodes, counts['F'])
	}
	flying, lined := 0, map[int]int{}
	for _, e := range s.lines[id] {
		lined[place(e)]++
	}
	if n := len(s.lines[id]); n != r.lined {
		s.brokenf(RuleRun, key, id, "l is %d, but %d stand in its line", r.lined, n)
	}
	for i, state := range states {
		if _, waits := r.waits[i]; state == 'j' && !waits {
			flying++
		}
		if r.top > 0 && i >= r.plan {
			continue // a child, see checkMaps
		}
		if state == 'F' && !r.taken[i] && !r.failed && !r.stop {
			s.brokenf(RuleRun, key, id.Node(i), "has failed, and nothing takes that, but the run has no failure")
		}
		if !r.stop {
			s.checkNode(key, id, r, parents[i], states, i, state, lined[i])
		}
	}
	s.checkMaps(key, id, r, states, lined)
	if flying != r.flying {
		s.brokenf(RuleRun, key, id, "w is %d, but %d nodes have started and not ended", r.flying, flying)
	}
}

// checkNode asks that node i waits for those of its parents that have not
// succeeded, as far as their ends were followed.
func (s *stored) checkNode(key string, id task.RunID, r *storedRun, parents []edge, states []byte, i int, state byte, lined int) {
	open, soft, broken := 0, 0, 0
	for _, e := range parents {
		first, left := s.rest[id.Node(e.parent)]
		end := states[e.parent]
		switch {
		case end == 'j' || left && e.chunk >= first:
			if soft++; !e.accept.Soft() {
				soft--
				open++
			}
		case e.accept == task.AcceptAny, e.accept.Soft() && r.need[i] > 0, e.accept == task.AcceptSkip && end == 'K', end == 'S':
		default:
			broken++
		}
	}
	waits, blocked := r.waits[i]
	if m := r.maps[i]; m != nil && m.ended == '-' {
		open++ // it waits for its children
	}
	if left, ok := r.soft[i]; ok && state == 'j' {
		open++
		if left != soft {
			s.brokenf(RuleRun, key, id.Node(i), "waits for %d parents that may end in any way, but %d have not ended", left, soft)
		}
	}
	node := id.Node(i)
	switch {
	case state != 'j' && blocked:
		s.brokenf(RuleRun, key, node, "has ended, but waits for %d parents", waits)
	case state == 'j' && broken > 0:
		s.brokenf(RuleRun, key, node, "is live, though %d of its parents did not end as it must", broken)
	case state == 'j' && waits != open:
		s.brokenf(RuleRun, key, node, "waits for %d parents, but %d have not succeeded", waits, open)
	case state == 'j' && blocked && waits == 0 && lined != 1:
		s.brokenf(RuleRun, key, node, "waits for its place in line, where it stands %d times", lined)
	}
}
