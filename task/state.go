package task

import (
	"fmt"
	"slices"
)

// State is where a job or a run stands.
type State uint8

// The states. The last four are terminal: only redrive and resume leave them.
const (
	_         State = iota
	Blocked         // waits for its parents
	Scheduled       // waits for a time
	Ready           // waits for a worker
	Running         // a worker has it
	Succeeded
	Failed // a dead letter
	Cancelled
	Skipped
)

var stateNames = [...]string{"unknown", "blocked", "scheduled", "ready", "running", "succeeded", "failed", "cancelled", "skipped"}

// States lists the states in order.
func States() []State {
	return []State{Blocked, Scheduled, Ready, Running, Succeeded, Failed, Cancelled, Skipped}
}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return stateNames[0]
}

// Terminal reports whether s is final.
func (s State) Terminal() bool { return s >= Succeeded && s <= Skipped }

// MarshalText implements [encoding.TextMarshaler].
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. The error wraps
// [ErrInvalid].
func (s *State) UnmarshalText(b []byte) error {
	i := slices.Index(stateNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("%w: no state is called %.40q", ErrInvalid, b)
	}
	*s = State(i)
	return nil
}
