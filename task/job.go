package task

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// Codec says how bytes are to be read.
type Codec uint8

// The codecs. The zero value is no bytes at all.
const (
	CodecNone    Codec = 0
	CodecMsgpack Codec = 'm'
	CodecJSON    Codec = 'j'
	CodecBytes   Codec = 'b'
	// CodecNode is no data but the number of a node of the same run, whose result is
	// meant: see [NodeResult].
	CodecNode Codec = 'n'
	// CodecElement is no data either: the element of a list is meant that the job is
	// for; see [Map].
	CodecElement Codec = 'e'
	// CodecList is the result of a map: the numbers of its first child and of how many
	// there are, three bytes each. Their results are the list.
	CodecList Codec = 'l'
	// CodecSealed is encrypted data, and CodecZstd compressed data, of another codec:
	// package sealed makes and opens them.
	CodecSealed Codec = 's'
	CodecZstd   Codec = 'z'
)

// Data is encoded data.
type Data struct {
	Codec Codec
	Bytes []byte
}

// Call is one prepared job: what to run, on what, and how. It is what a typed
// task's Call makes, what Post takes, and a node of a [Plan]. Post gives it its
// ID; a Call that has one is posted under it, once, however often it is posted.
type Call struct {
	ID        ID
	Functions []string // the function filter; empty means all listeners
	Payload   Data
	Spec      Spec
	Parent    ID   // the job that posted it, or the run whose end did; zero for neither
	Depth     int  // how many jobs deep below a client's post; 0 for the first
	Notify    bool // the poster waits: send it the result without being asked

	err error // why the call cannot be posted
}

// Err returns why c cannot be posted, nil if it can: its name, its options or
// its input were refused when it was made.
func (c *Call) Err() error { return c.err }

// Job is a call that is stored, as a worker is given it.
type Job struct {
	Call
	Lease   Lease
	Name    string    // of a node of a run: its own, or of a child of a map the map's
	Attempt int       // 1 for the first
	Losses  int       // how many workers were lost with it
	Alone   bool      // suspected of losing workers: nothing else may run beside it
	Posted  time.Time // by the broker's clock
	Fault   error     // why it cannot be run, though it was claimed: it fails for good, or as a [*Ruling] says
	Map     *Map      // of a node that is a map, and of its children
	Element *Element  // of a child of a map: what it is for
}

// Title returns the name of a node as people read it: that of a child of a map has its
// index behind it. It is empty for a job of no run.
func (j *Job) Title() string {
	if j.Name == "" || j.Element == nil {
		return j.Name
	}
	return fmt.Sprintf("%s[%d]", j.Name, j.Element.Index)
}

// Record is all that is kept of a job.
type Record struct {
	Job
	State    State
	Worker   string    // the session of the last attempt, in hex; failures have names
	Started  time.Time // of the last attempt; zero if there was none
	Finished time.Time // zero while it is not terminal
	// What the attempt that runs has said of itself; of a job that does not run,
	// the last attempt. A retry begins with none.
	Progress    float64 // 0 to 100; a succeeded job has 100
	Note        string  // what it said it was doing
	ShortResult string
	Result      Data      // of a succeeded job
	Failures    []Failure // of failed attempts, in order
}

// settled returns the end of a job that has ended.
func (r *Record) settled() Settled {
	s := Settled{ID: r.ID, State: r.State, Result: r.Result}
	if n := len(r.Failures); n > 0 && r.State != Succeeded {
		s.Failure = r.Failures[n-1]
	}
	return s
}

// Settled is the end of a job as its waiters learn it.
type Settled struct {
	ID      ID
	State   State
	Result  Data
	Failure Failure
}

// Err returns nil if the job succeeded, else a [*JobError].
func (s Settled) Err() error {
	if s.State == Succeeded {
		return nil
	}
	return &JobError{ID: s.ID, State: s.State, Node: s.Failure.Node, Failure: s.Failure}
}

// Failure is what is kept of a failed attempt.
type Failure struct {
	Attempt int       `msgpack:"a,omitempty"` // which attempt, from 1
	Kind    string    `msgpack:"k,omitempty"` // one of the Failure kinds
	Message string    `msgpack:"m,omitempty"` // at most MaxMessage bytes
	Stack   string    `msgpack:"s,omitempty"` // of a panic; at most MaxStack bytes
	Worker  string    `msgpack:"w,omitempty"` // whose attempt it was
	Node    string    `msgpack:"n,omitempty"` // title of the node that failed, if it is one: see [Job.Title]
	At      time.Time `msgpack:"t,omitempty"` // when it failed, by the worker's clock
}

// The kinds of failure.
const (
	FailureError    = "error"    // the function returned an error
	FailurePanic    = "panic"    // the function panicked
	FailureExit     = "exit"     // the function ended its goroutine
	FailureTimeout  = "timeout"  // the attempt ran too long
	FailureDecode   = "decode"   // the payload cannot be decoded: permanent
	FailureUnknown  = "unknown"  // the worker has no such function: permanent
	FailureTooLarge = "toolarge" // the result is over the limit: permanent
	FailureLate     = "late"     // it was claimed after its deadline: it is skipped
	FailurePoison   = "poison"   // workers were lost with it while it ran alone
)

// Limits of what is kept of a failure.
const (
	MaxMessage = 2 << 10 // bytes of a failure's message, enough for any wrapped error
	MaxStack   = 8 << 10 // bytes of a stack: some forty frames
)

// Clip returns f with message and stack cut to their limits.
func (f Failure) Clip() Failure {
	f.Message, f.Stack = clip(f.Message, MaxMessage), clip(f.Stack, MaxStack)
	return f
}

// clip cuts s to at most n bytes, between two characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("...")
	for back := 0; back < utf8.UTFMax && n > 0 && !utf8.RuneStart(s[n]); back++ {
		n--
	}
	return s[:n] + "..."
}

// Note is what a running attempt says about itself. A nil field says nothing.
type Note struct {
	Progress *float64 // 0 to 100
	Text     *string  // what it is doing, at most MaxMessage bytes
	Short    *string  // the short result, at most MaxMessage bytes
	// Checkpoint is what the next attempt is to go on from, at most MaxCheckpoint
	// bytes. Unlike the others it stays until there is another, or the job has ended.
	Checkpoint *Data
}
