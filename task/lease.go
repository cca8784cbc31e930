package task

import (
	"encoding/hex"
	"time"
)

// SessionID names a worker's stay with a broker: from joining until it leaves
// or is lost. A worker that was lost and comes back has a new one.
type SessionID [8]byte

func (s SessionID) String() string { return hex.EncodeToString(s[:]) }

// Lease is the right to run one attempt of a job. Session and epoch together
// are the token that fences it: each time the job is handed back its epoch is
// raised, and what a former owner says is not believed any more.
type Lease struct {
	ID      ID
	Session SessionID
	Epoch   uint32
}

// Outcome ends an attempt.
type Outcome struct {
	Lease   Lease
	Verdict Verdict
	Delay   time.Duration // for Retry and Postpone
	Result  Data          // for Succeed
	Width   *Width        // for Expand
	Failure Failure       // for the others, where there is one
	Note    Note          // the last note, to be kept with the record
	Then    []Call        // posted in the same step if the outcome is terminal and accepted
}

// Worker is what a worker says of itself when it joins.
type Worker struct {
	Name      string        `msgpack:"n"` // for people; need not be unique
	Host      string        `msgpack:"h"`
	PID       int           `msgpack:"p"`
	Queues    []string      `msgpack:"q"`
	Functions []string      `msgpack:"f"`
	Listeners bool          `msgpack:"l"` // it has at least one listener
	Slots     int           `msgpack:"s"`
	LeaseTTL  time.Duration `msgpack:"t"`
	Started   time.Time     `msgpack:"b"`
}

// Exchange is what a session says and asks in one step: these attempts have
// ended, and so many more are wanted.
type Exchange struct {
	Session   SessionID
	Partition int
	// Fetcher tells exchanges apart that a session has under way with one
	// partition at the same time: 0 to MaxFetchers-1.
	Fetcher int
	// Number counts a fetcher's exchanges from 1. An exchange whose answer was lost
	// is repeated unchanged, under the same number, and gets the same answer.
	Number uint64
	Done   []Outcome
	Want   int // at most this many jobs
	// Held is how many attempts the session goes on running, blocked ones not
	// included. Only a session that runs none is given a suspect.
	Held int
	// Children asks for jobs that were posted by jobs before all others, newest first.
	Children bool
	// Into has room for the jobs of the answer. A broker may use it or not; the jobs it
	// returns are the caller's, who may use their memory for the next answer.
	Into []Job
}

// Exchanged is the answer to an [Exchange].
type Exchanged struct {
	Jobs []Job
	Lost []ID // ended attempts that were not this session's any more
	More bool // there may be more jobs that the session could have
	// Next is in how long a delayed job will be due; zero if that is not known.
	Next time.Duration
	// Drain: a suspect waits for a session that holds nothing else, and this one
	// has been chosen. It should claim nothing until it holds nothing.
	Drain bool
}

// Signal is a hint from the broker to a session. Hints may be lost.
type Signal struct {
	Kind      SignalKind
	Partition int
	Lease     Lease // of SignalRevoked
}

// SignalKind says what a [Signal] is about.
type SignalKind uint8

// The kinds of Signal.
const (
	SignalBell    SignalKind = 'B' // there is a job that the session could have
	SignalRevoked SignalKind = 'C' // the session's attempt was cancelled
	// SignalShutdown asks the worker to drain and to end. It comes again with each beat, so
	// that it is not lost.
	SignalShutdown SignalKind = 'Q'
)

// Ticked says what a tick of the broker's clock has moved.
type Ticked struct {
	Woken    int // delayed jobs that became ready
	Sessions int // sessions that expired
	Lost     int // attempts taken back from lost sessions
	Poisoned int // of those, jobs that became dead letters
	Released int // dependents released by continuations
	Swept    int // dead letters removed after their retention
}

// Add adds o to t.
func (t *Ticked) Add(o Ticked) {
	t.Woken += o.Woken
	t.Sessions += o.Sessions
	t.Lost += o.Lost
	t.Poisoned += o.Poisoned
	t.Released += o.Released
	t.Swept += o.Swept
}

// Limits of an [Exchange]: they bound how long one script runs.
const (
	MaxDone     = 128 // outcomes
	MaxWant     = 128 // jobs
	MaxThen     = 16  // calls that follow one outcome
	MaxFetchers = 4   // of a session and partition: each costs a stored answer
)
