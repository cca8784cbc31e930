package broker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gomlq/mlq/task"
)

// A Rule names what must hold of the stored state; see [Broker.Fsck].
type Rule string

// The rules.
const (
	// RuleForm: keys have their types, and values the form the broker gives them.
	RuleForm Rule = "form"
	// RulePlace: a job is in exactly one place: owned by a session, waiting for its
	// time, waiting for its parents, dead, or in the list that its header names.
	RulePlace Rule = "place"
	// RuleOwner: what is owned exists, and the owner has its current epoch.
	RuleOwner Rule = "owner"
	// RuleLost: the owner of a job is a session. Lost ones are what ticks are for, so
	// this is asked only with [FsckConfig.Reaped].
	RuleLost Rule = "lost"
	// RuleList: who looks for work finds every list that is not empty, and which queues
	// are paused.
	RuleList Rule = "list"
	// RuleCount: the counts of a queue are what counting its jobs comes to, and what
	// was posted is live, finished or deleted.
	RuleCount Rule = "count"
	// RuleUnique and RuleIdempotent: a live job holds its keys, and keys lead to jobs.
	RuleUnique     Rule = "unique"
	RuleIdempotent Rule = "idempotent"
	// RuleAbout: hooks, notes, checkpoints, histories and waits are about jobs that have them.
	RuleAbout Rule = "about"
	// RuleSession: what is kept of a session is kept of one that lives.
	RuleSession Rule = "session"
	// RuleRun: the counts of a run are what counting its nodes comes to, a node waits
	// for as many parents as have not succeeded, and a run ends with its last node.
	RuleRun Rule = "run"
	// RuleData: stored data has the chunks that it consists of, and chunks are of stored
	// data unless they expire.
	RuleData Rule = "data"
	// RuleSchedule: a schedule can be read, and what was fired of it is kept beside it.
	RuleSchedule Rule = "schedule"
	// RuleExpiry: nothing that a live job or run needs expires, and what has ended
	// does unless it is kept for ever.
	RuleExpiry Rule = "expiry"
)

// MaxFindings is how many violations one [Broker.Fsck] lists; more are counted.
const MaxFindings = 1000

// FsckConfig says how strict [Broker.Fsck] is.
type FsckConfig struct {
	// Reaped says that a tick has passed since a session was last lost: a job that
	// is still owned by one is then a violation of [RuleLost].
	Reaped bool
}

// A Finding is one violation of a rule.
type Finding struct {
	Rule      Rule
	Partition int
	ID        task.ID // the job or run it is about; zero if it is about none
	Key       string  // where it was found: a Redis key without its prefix, quoted if need be
	Detail    string
}

func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: partition %d, %s", f.Rule, f.Partition, f.Key)
	if !f.ID.IsZero() {
		fmt.Fprintf(&b, ", %v", f.ID)
	}
	return b.String() + ": " + f.Detail
}

// Findings is what [Broker.Fsck] has seen.
type Findings struct {
	Broken []Finding // in order of partition, rule and key; empty if all is well
	More   int       // further violations, past [MaxFindings]

	Jobs    int // live jobs and dead letters
	Records int // of jobs that have ended
	Runs    int
	Lost    int // jobs owned by lost sessions, for a tick to take back
	Stale   int // list entries that lead to no job any more; they do no harm
	Unknown int // keys of a kind that this version does not know
}

// Fsck reads all that is stored in the namespace, changes nothing, and reports
// where the state is not as the scripts keep it. It reads in steps of bounded
// size, and holds some 300 bytes a job in memory. The steps are not one
// snapshot: on a namespace where nothing moves the findings are exact; while jobs
// move it may report some that were between two places when it looked, so look
// twice before believing. Damaged values are findings; the error says that
// the state could not be read.
func (b *Broker) Fsck(ctx context.Context, cfg FsckConfig) (Findings, error) {
	var all Findings
	for p := range b.prefixes {
		s := newStored(b, p)
		if err := s.read(ctx); err != nil {
			return all, fmt.Errorf("broker: fsck: %w", err)
		}
		s.check(cfg)
		all.add(s)
	}
	return all, nil
}

func (f *Findings) add(s *stored) {
	slices.SortFunc(s.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Key, b.Key), slices.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.Detail, b.Detail))
	})
	found := slices.Compact(s.found) // a scan may return a thing twice
	n := min(len(found), MaxFindings-len(f.Broken))
	f.Broken = append(f.Broken, found[:n]...)
	f.More += len(found) - n + s.more
	f.Jobs += len(s.jobs)
	f.Records += s.records
	f.Runs += len(s.runs)
	f.Lost += s.lost
	f.Stale += s.stale
	f.Unknown += s.unknown
}

// check applies all rules to what was read.
func (s *stored) check(cfg FsckConfig) {
	s.checkPlaces(cfg)
	s.checkLists()
	s.checkCounts()
	s.checkKeys()
	s.checkAbout()
	s.checkSessions()
	s.checkRuns()
	s.checkRecords()
	s.checkData()
	s.checkSchedules()
}

// brokenf reports a violation.
func (s *stored) brokenf(rule Rule, key string, id task.ID, format string, args ...any) {
	if len(s.found) >= 10*MaxFindings { // found twice perhaps, but enough
		s.more++
		return
	}
	s.found = append(s.found, Finding{rule, s.p, id, printable(key), fmt.Sprintf(format, args...)})
}

// printable returns a key as it can be shown: some have binary parts.
func printable(key string) string {
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return fmt.Sprintf("%+q", key)
		}
	}
	return key
}
