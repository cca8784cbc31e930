package broker

import (
	"math"
	"regexp"

	"github.com/gomlq/mlq/task"
)

func (s *stored) takeIdem(digest string, items []any) { s.idems[digest] = asText(items[0]) }

// takeSaved takes checkpoints: ID, length, first byte.
func (s *stored) takeSaved(items []any) {
	for ; len(items) >= 3; items = items[3:] {
		s.takeFields("saved", []any{items[0], items[2]})
	}
}

// takeRecords takes records of one bucket: ID, length, first bytes.
func (s *stored) takeRecords(bucket string, items []any) {
	key := "res:" + bucket
	for ; len(items) >= 3; items = items[3:] {
		name := asText(items[0])
		if len(name) == len(task.ID{})+3 {
			name = name[:16] // elements of a map's list
			if id, ok := s.idOf(key, name); ok && id.Kind() == task.KindNode {
				continue
			}
		}
		id, ok := s.idOf(key, name)
		if !ok {
			continue
		}
		s.records++
		if id.Bucket() != bucket {
			s.brokenf(RuleForm, key, id, "belongs to another bucket")
		}
		size, _ := items[1].(int64)
		r := reader{b: asText(items[2])}
		state := r.u8()
		r.bytes(20)
		version, length := r.u8(), r.uint(4)
		if r.bad || version != wireVersion || length < headerLen || 21+int64(length) > size || (state != 'S' && state != 'C' && state != 'K') {
			s.brokenf(RuleForm, key, id, "has a record that cannot be read")
		}
		if id.Kind() == task.KindNode {
			s.ended[id] = state
		}
		if s.jobs[id] != nil {
			s.both = append(s.both, id)
		}
	}
}

// checkRecords asks that what has ended is nothing else, and expires when it
// should. Records of nodes expire with their run: see checkRuns.
func (s *stored) checkRecords() {
	for _, id := range s.both {
		s.brokenf(RulePlace, "res:"+id.Bucket(), id, "has ended, and is live as well")
	}
	for bucket, info := range s.keys["res:"] {
		if len(bucket) != 5 {
			s.brokenf(RuleForm, "res:"+bucket, task.ID{}, "is no bucket")
			continue
		}
		var id task.ID
		copy(id[6:], bucket)
		if id.Kind() != task.KindNode {
			s.checkExpiry("res:"+bucket, task.ID{}, info, true, id.Class())
		}
	}
}

// checkExpiry asks that a key expires if its jobs have ended and are not kept for
// ever, and only then.
func (s *stored) checkExpiry(key string, id task.ID, info keyInfo, ended bool, class task.Class) {
	switch expires := ended && class != 0; {
	case expires && info.ttl < 0:
		s.brokenf(RuleExpiry, key, id, "never expires, want %v after its end", class.Duration())
	case !expires && info.ttl >= 0:
		s.brokenf(RuleExpiry, key, id, "expires in %v, want never", info.ttl)
	case expires && info.ttl > class.Duration():
		s.brokenf(RuleExpiry, key, id, "expires in %v, want at most %v", info.ttl, class.Duration())
	}
}

// checkKeys asks that live jobs hold their keys, and that keys lead to jobs.
func (s *stored) checkKeys() {
	for key, v := range s.hashes["unique"] {
		id, ok := s.idOf("unique", v)
		if !ok {
			continue
		}
		if j := s.jobs[id]; j == nil || j.dead() || j.unique != key || j.flags&flagUnique == 0 {
			s.brokenf(RuleUnique, "unique", id, "holds %+q, but is no live job with that key", key)
		}
	}
	for digest, v := range s.idems {
		key := "idem:" + digest
		if len(digest) != 16 || len(v) != 24 {
			s.brokenf(RuleForm, key, task.ID{}, "%+q is not a job and a digest", v)
			continue
		}
		if id, ok := s.idOf(key, v[:16]); ok {
			info, j := s.keys["idem:"][digest], s.jobs[id]
			if j != nil && j.idem != digest {
				s.brokenf(RuleIdempotent, key, id, "is a job with another key")
			}
			s.checkExpiry(key, id, info, j == nil, id.Class())
		}
	}
	for id, j := range s.jobs {
		if j.flags&flagUnique != 0 && !j.dead() && s.hashes["unique"][j.unique] != string(id[:]) {
			s.brokenf(RuleUnique, "unique", id, "does not hold its key %+q", j.unique)
		}
		if v := s.idems[j.idem]; j.flags&flagIdem != 0 && (len(v) != 24 || v[:16] != string(id[:])) {
			s.brokenf(RuleIdempotent, "idem:"+j.idem, id, "does not hold its key")
		}
	}
}

// checkAbout asks that what is said of jobs is said of jobs that exist.
func (s *stored) checkAbout() {
	for field, v := range s.hashes["hooks"] {
		if id, ok := s.idOf("hooks", field); ok {
			if v == "" || len(v)%8 != 0 {
				s.brokenf(RuleForm, "hooks", id, "%+q is not a list of inboxes", v)
			}
			if !s.open(id) {
				s.brokenf(RuleAbout, "hooks", id, "is waited for, but is neither a live job nor a run that goes on")
			}
		}
	}
	for field, v := range s.hashes["notes"] {
		if id, ok := s.idOf("notes", field); ok && s.jobs[id] == nil {
			s.brokenf(RuleAbout, "notes", id, "has a note, but does not exist")
		} else if ok {
			if epoch, _, err := decodeNote(v); v == "" || err != nil || epoch > s.jobs[id].epoch {
				s.brokenf(RuleForm, "notes", id, "%+q is no note, or of an attempt that was never made", v)
			}
		}
	}
	for field := range s.hashes["hist"] {
		if id, ok := s.idOf("hist", field); ok && (s.jobs[id] == nil || s.jobs[id].flags&flagHist == 0) {
			s.brokenf(RuleAbout, "hist", id, "has a history, but is no job that says so")
		}
	}
	for id, j := range s.jobs {
		if _, ok := s.hashes["hist"][string(id[:])]; !ok && j.flags&flagHist != 0 {
			s.brokenf(RuleAbout, "hist", id, "has no history, though it says so")
		}
	}
	s.checkWaits()
	s.checkSaved()
	s.checkLogs()
}

// checkSaved asks that checkpoints are of jobs that exist.
func (s *stored) checkSaved() {
	for field, v := range s.hashes["saved"] {
		if id, ok := s.idOf("saved", field); ok && s.jobs[id] == nil {
			s.brokenf(RuleAbout, "saved", id, "has a checkpoint, but does not exist")
		} else if ok && v == "" {
			s.brokenf(RuleForm, "saved", id, "has a checkpoint without a codec")
		}
	}
}

// checkLogs asks that what live jobs have logged is found when they end, and expires then
// and not before.
func (s *stored) checkLogs() {
	for field := range s.hashes["logs"] {
		if id, ok := s.idOf("logs", field); ok && s.jobs[id] == nil {
			s.brokenf(RuleAbout, "logs", id, "has a log, but does not exist")
		} else if _, there := s.keys["log:"][field]; ok && !there {
			s.brokenf(RuleAbout, "log:"+field, id, "has no log, though it says so")
		}
	}
	for field, info := range s.keys["log:"] {
		id, ok := s.idOf("log:"+field, field)
		if !ok {
			continue
		}
		live := s.jobs[id] != nil
		if _, listed := s.hashes["logs"][field]; live && !listed {
			s.brokenf(RuleAbout, "logs", id, "has a log that nobody will find when it ends")
		}
		s.checkExpiry("log:"+field, id, info, !live, id.Class())
	}
}

// checkWaits asks that those that wait for others are running.
func (s *stored) checkWaits() {
	for field, v := range s.hashes["waits"] {
		id, ok := s.idOf("waits", field)
		if !ok {
			continue
		}
		if len(v) < 2 || len(v)%16 != 2 {
			s.brokenf(RuleForm, "waits", id, "%+q is not a depth and IDs", v)
		}
		if _, owned := s.hashes["own"][field]; !owned {
			s.brokenf(RuleAbout, "waits", id, "waits for others, but is not running")
		}
	}
}

// open reports whether id is a live job, or a run that has not ended.
func (s *stored) open(id task.ID) bool {
	if id.Kind() == task.KindRun {
		return s.runs[id] != nil && s.runs[id].state == "a"
	}
	return s.jobs[id] != nil && !s.jobs[id].dead()
}

// lastForm is what exchange.lua keeps of an answer.
var lastForm = regexp.MustCompile(`^\d+ [A-Z]* \d+ `)

// checkSessions asks that what is kept of sessions is kept of those that live.
func (s *stored) checkSessions() {
	for name, deadline := range s.scores["sess"] {
		if len(name) != 8 || math.IsNaN(deadline) {
			s.brokenf(RuleForm, "sess", task.ID{}, "%+q with deadline %v is no session", name, deadline)
		}
		if _, ok := s.hashes["workers"][name]; !ok {
			s.brokenf(RuleSession, "workers", task.ID{}, "lacks session %x", name)
		}
	}
	for name, v := range s.hashes["workers"] {
		if decodeMeta(v, &task.Worker{}) != nil {
			s.brokenf(RuleForm, "workers", task.ID{}, "session %x has said %+q, which is nothing", name, v)
		}
		if _, ok := s.scores["sess"][name]; !ok {
			s.brokenf(RuleSession, "workers", task.ID{}, "has %x, which is no session", name)
		}
	}
	for name, v := range s.hashes["last"] { // session, and for its later fetchers a byte
		if !lastForm.MatchString(v) {
			s.brokenf(RuleForm, "last", task.ID{}, "session %x has %+q, which is no answer", name, v)
		}
		if _, ok := s.scores["sess"][name[:min(len(name), 8)]]; !ok {
			s.brokenf(RuleSession, "last", task.ID{}, "has %x, which is no session", name)
		}
	}
}
