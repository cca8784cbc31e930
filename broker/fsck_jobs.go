package broker

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/gomlq/mlq/task"
)

// storedJob is what fsck keeps of a job's header.
type storedJob struct {
	pend    string
	flags   byte
	epoch   uint32
	unique  string
	idem    string
	entries int // live ones, in any list
	delayed int // live entries of delayed
}

func (j *storedJob) dead() bool { return j.flags&flagDead != 0 }

func (j *storedJob) queue() string {
	queue, _, _ := strings.Cut(j.pend, ":")
	return queue
}

// asText returns an item of a reply that should be a string.
func asText(item any) string {
	s, _ := item.(string)
	return s
}

// idOf reads a field that should be an ID of the partition.
func (s *stored) idOf(key, field string) (task.ID, bool) {
	if len(field) != 16 {
		s.brokenf(RuleForm, key, task.ID{}, "%+q is not an ID", field)
		return task.ID{}, false
	}
	id := task.ID([]byte(field))
	if id.Partition() != s.p {
		s.brokenf(RuleForm, key, id, "belongs to partition %d", id.Partition())
		return id, false
	}
	return id, true
}

// takeJobs takes jobs: ID, length, first bytes.
func (s *stored) takeJobs(items []any) {
	for ; len(items) >= 3; items = items[3:] {
		id, ok := s.idOf("jobs", asText(items[0]))
		if !ok {
			continue
		}
		size, _ := items[1].(int64)
		j, wrong := parseHead(asText(items[2]), int(size))
		if wrong != "" {
			s.brokenf(RuleForm, "jobs", id, "%s", wrong)
		}
		s.jobs[id] = j
	}
}

// parseHead reads the header of a stored job of a given length, of which it has
// the first bytes. It says what is wrong with it, "" if nothing is.
func parseHead(v string, size int) (*storedJob, string) {
	j := &storedJob{}
	if size < headerLen || len(v) < headerLen {
		return j, fmt.Sprintf("has %d bytes, too few for a job", size)
	}
	if v[0] != wireVersion {
		return j, fmt.Sprintf("is of version %d, want %d", v[0], wireVersion)
	}
	if n := binary.BigEndian.Uint32([]byte(v[1:5])); int(n) != size {
		return j, fmt.Sprintf("says it has %d bytes, but has %d", n, size)
	}
	r := reader{b: v, i: 5}
	j.flags, j.epoch = r.u8(), uint32(r.uint(3))
	r.bytes(4)
	j.pend = r.bytes(int(r.uint(2)))
	if j.flags&flagInbox != 0 {
		r.bytes(8)
	}
	if j.flags&flagUnique != 0 {
		j.unique = r.bytes(int(r.uint(2)))
	}
	if j.flags&flagIdem != 0 {
		j.idem = r.bytes(16)
	}
	if r.bad {
		return j, "has a header that is cut short"
	}
	if !goodPend(j.pend) {
		return j, fmt.Sprintf("names the list %+q, which is none", j.pend)
	}
	return j, ""
}

// goodPend reports whether s is queue:route:lane.
func goodPend(s string) bool {
	var j task.Job
	return setPend(&j, s) && j.Spec.Queue != "" && (s[len(s)-1] == laneSuspect || strings.IndexByte(lanes, s[len(s)-1]) >= 0)
}

// takeFields takes a hash that is read whole.
func (s *stored) takeFields(kind string, items []any) {
	h := s.hashes[kind]
	if h == nil {
		h = map[string]string{}
		s.hashes[kind] = h
	}
	for ; len(items) >= 2; items = items[2:] {
		h[asText(items[0])] = asText(items[1])
	}
}

func (s *stored) takeScores(kind string, items []any) {
	h := s.scores[kind]
	if h == nil {
		h = map[string]float64{}
		s.scores[kind] = h
	}
	for ; len(items) >= 2; items = items[2:] {
		score, err := strconv.ParseFloat(asText(items[1]), 64)
		if err != nil {
			score = math.NaN()
		}
		h[asText(items[0])] = score
	}
}

func (s *stored) takeMembers(key string, items []any) {
	h := s.members[key]
	if h == nil {
		h = map[string]bool{}
		s.members[key] = h
	}
	for _, m := range items {
		h[asText(m)] = true
	}
}

// takeEntries takes entries of a list: ID, and the epoch unless it is 0.
func (s *stored) takeEntries(pend string, items []any) {
	for _, item := range items {
		e := asText(item)
		if len(e) != 16 && len(e) != 19 {
			s.brokenf(RuleForm, "pend:"+pend, task.ID{}, "%+q is not an entry", e)
			continue
		}
		id, r := task.ID([]byte(e[:16])), reader{b: e, i: 16}
		epoch := uint32(0)
		if len(e) == 19 {
			epoch = uint32(r.uint(3))
		}
		j := s.jobs[id]
		if j == nil || j.epoch != epoch || j.dead() {
			s.stale++
			continue
		}
		if j.entries++; j.pend != pend {
			s.brokenf(RulePlace, "pend:"+pend, id, "its header names the list %s", j.pend)
		}
	}
}

// owner is a value of own.
type owner struct {
	session string
	epoch   uint32
}

func parseOwner(v string) (owner, bool) {
	if len(v) != 17 && (len(v) != 18 || v[17] != 'a') {
		return owner{}, false
	}
	r := reader{b: v}
	o := owner{session: r.bytes(8), epoch: uint32(r.uint(3))}
	return o, true
}

// checkPlaces asks that each job is in exactly one place.
func (s *stored) checkPlaces(cfg FsckConfig) {
	s.checkOwners(cfg)
	s.checkDelayed()
	for field := range s.scores["dead"] {
		if id, ok := s.idOf("dead", field); ok && (s.jobs[id] == nil || !s.jobs[id].dead()) {
			s.brokenf(RulePlace, "dead", id, "is listed, but is no dead letter")
		}
	}
	for id, j := range s.jobs {
		if !goodPend(j.pend) {
			continue // said already
		}
		var places []string
		if _, ok := s.hashes["own"][string(id[:])]; ok {
			places = append(places, "owned")
		}
		if j.dead() {
			places = append(places, "dead")
			if _, ok := s.scores["dead"][string(id[:])]; !ok {
				s.brokenf(RulePlace, "jobs", id, "is a dead letter, but is not listed as one")
			}
		}
		if j.delayed > 0 {
			places = append(places, "delayed")
		}
		if s.blocked(id) {
			places = append(places, "blocked")
		}
		for range j.entries {
			places = append(places, "listed")
		}
		if r := s.runs[id.Run()]; r != nil && r.aside[id.Number()] && len(places) == 0 {
			places = append(places, "kept aside") // an older entry may be there, too
		}
		switch {
		case len(places) == 0 && s.stopping(id): // who claims drops it, and the sweep ends it
		case len(places) == 0:
			s.brokenf(RulePlace, "jobs", id, "is nowhere: not owned, delayed, blocked or dead, and not in list %s", j.pend)
		case len(places) > 1:
			s.brokenf(RulePlace, "jobs", id, "is in several places: %s", strings.Join(places, ", "))
		}
	}
}

// checkOwners asks that what is owned exists, and by whom it is owned.
func (s *stored) checkOwners(cfg FsckConfig) {
	for field, v := range s.hashes["own"] {
		if field == "" {
			continue // the long value that makes it a table
		}
		id, ok := s.idOf("own", field)
		if !ok {
			continue
		}
		o, ok := parseOwner(v)
		switch j := s.jobs[id]; {
		case !ok:
			s.brokenf(RuleForm, "own", id, "%+q is no owner", v)
			continue
		case j == nil:
			s.brokenf(RuleOwner, "own", id, "is owned, but does not exist")
		case j.epoch != o.epoch:
			s.brokenf(RuleOwner, "own", id, "is owned under epoch %d, but has %d", o.epoch, j.epoch)
		}
		if _, ok := s.scores["sess"][o.session]; !ok {
			s.lost++
			if cfg.Reaped {
				s.brokenf(RuleLost, "own", id, "is owned by %x, which is no session", o.session)
			}
		}
	}
}

// checkDelayed asks that what waits for its time is a job that does.
func (s *stored) checkDelayed() {
	for m := range s.scores["delayed"] {
		if len(m) < 19 {
			s.brokenf(RuleForm, "delayed", task.ID{}, "%+q is not an entry", m)
			continue
		}
		id, r := task.ID([]byte(m[:16])), reader{b: m, i: 16}
		epoch, pend := uint32(r.uint(3)), m[19:]
		switch j := s.jobs[id]; {
		case id.Kind() == task.KindRun:
			if r := s.runs[id]; r == nil || r.over {
				s.brokenf(RulePlace, "delayed", id, "is the deadline of a run that is over")
			}
		case j == nil:
			s.brokenf(RulePlace, "delayed", id, "is to be woken, but does not exist")
		case j.epoch != epoch || j.pend != pend:
			s.brokenf(RulePlace, "delayed", id, "is to be woken for list %s under epoch %d, but has %s and %d", pend, epoch, j.pend, j.epoch)
		default:
			j.delayed++
		}
	}
}

// blocked reports whether id is a node that waits for parents, or for its place.
func (s *stored) blocked(id task.ID) bool {
	if id.Kind() != task.KindNode {
		return false
	}
	r := s.runs[id.Run()]
	if r == nil {
		return false
	}
	_, waits := r.waits[id.Number()]
	return waits
}

// stopping reports whether id is a node of a run that was stopped.
func (s *stored) stopping(id task.ID) bool {
	r := s.runs[id.Run()]
	return r != nil && r.stop
}

// checkLists asks that lists that are not empty can be found.
func (s *stored) checkLists() {
	for pend, info := range s.keys["pend:"] {
		if info.typ != "list" {
			continue
		}
		queue, rest, _ := strings.Cut(pend, ":")
		if !goodPend(pend) {
			s.brokenf(RuleForm, "pend:"+pend, task.ID{}, "is not the name of a list")
			continue
		}
		if !s.members["live:"+queue][rest] {
			s.brokenf(RuleList, "live:"+queue, task.ID{}, "lacks %s, which is not empty", rest)
		}
		if !s.members["queues"][queue] {
			s.brokenf(RuleList, "queues", task.ID{}, "lacks %s, which has jobs", queue)
		}
	}
	for kind := range s.keys["live:"] {
		for m := range s.members["live:"+kind] {
			if m != pausedMark && !goodPend(kind+":"+m) {
				s.brokenf(RuleForm, "live:"+kind, task.ID{}, "%+q is not the name of a list", m)
			}
		}
	}
	s.checkHeld()
}

// checkHeld asks that who looks for work sees which queues are paused.
func (s *stored) checkHeld() {
	held := map[string]bool{}
	for queue, v := range s.hashes["held"] {
		times, err := strconv.Atoi(v)
		if err != nil || times < 1 {
			s.brokenf(RuleForm, "held", task.ID{}, "%+q was paused %+q times, which is no number", queue, v)
			continue
		}
		if held[queue] = paused(times); !s.members["live:"+queue][pausedMark] && held[queue] {
			s.brokenf(RuleList, "live:"+queue, task.ID{}, "does not say that the queue is paused")
		}
		if !s.members["queues"][queue] {
			s.brokenf(RuleList, "queues", task.ID{}, "lacks %s, which was paused", queue)
		}
	}
	for queue := range s.keys["live:"] {
		if s.members["live:"+queue][pausedMark] && !held[queue] {
			s.brokenf(RuleList, "live:"+queue, task.ID{}, "says that the queue is paused, which it is not")
		}
	}
}

// checkCounts counts jobs by queue and state.
func (s *stored) checkCounts() {
	want := map[string]int{}
	for id, j := range s.jobs {
		if s.hidden(id) {
			continue // it is counted when the run begins
		}
		state := "r"
		_, owned := s.hashes["own"][string(id[:])]
		switch {
		case j.dead():
			state = "F"
		case owned:
			state = "a"
		case j.delayed > 0:
			state = "s"
		case s.blocked(id):
			state = "b"
		}
		want[j.queue()+":"+state]++
	}
	queues, got := map[string]bool{}, map[string]int{}
	for f, v := range s.hashes["cnt"] {
		queue, state, ok := strings.Cut(f, ":")
		n, err := strconv.Atoi(v)
		if !ok || err != nil || n < 0 || len(state) != 1 || !strings.Contains(countStates, state) {
			s.brokenf(RuleForm, "cnt", task.ID{}, "%+q is %+q, which is no count", f, v)
			continue
		}
		queues[queue], got[f] = true, n
	}
	for f := range want {
		queue, _, _ := strings.Cut(f, ":")
		queues[queue] = true
	}
	for queue := range queues {
		sum := want[queue+":r"] + got[queue+":S"] + got[queue+":C"] + got[queue+":K"] + got[queue+":D"]
		for _, state := range []string{"b", "s", "a", "F"} {
			f := queue + ":" + state
			if sum += got[f]; got[f] != want[f] {
				s.brokenf(RuleCount, "cnt", task.ID{}, "%s is %d, but there are %d", f, got[f], want[f])
			}
		}
		if posted := got[queue+":P"]; posted != sum {
			s.brokenf(RuleCount, "cnt", task.ID{}, "%s:P is %d, but %d are live, finished or deleted", queue, posted, sum)
		}
	}
}
