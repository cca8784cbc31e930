package task

import (
	"errors"
	"fmt"
)

// Facts that callers branch on. Errors of the module wrap them; test with
// [errors.Is].
var (
	// ErrNoPort: the context leads to no queue.
	ErrNoPort = errors.New("task: this context has no queue behind it; use client.With(ctx), or the context a task was given")
	// ErrNotInTask: the verb needs the context that a task function was given.
	ErrNotInTask = errors.New("task: this context is not a task's; call it from inside a task function, with the context it was given")

	// ErrUnknown: no job or run has this ID, or no stored data this key.
	ErrUnknown = errors.New("task: unknown ID")
	// ErrExpired: the record has outlived its retention and was removed.
	ErrExpired = errors.New("task: the record has expired; keep it longer with task.Retention")

	// ErrFailed: the job is a dead letter.
	ErrFailed = errors.New("task: job failed")
	// ErrCancelled: the job was cancelled. It is also the cause of the context
	// of an attempt whose job was cancelled.
	ErrCancelled = errors.New("task: job cancelled")
	// ErrSkipped: the job was skipped, because a parent did not succeed or by
	// its own verdict.
	ErrSkipped = errors.New("task: job skipped")

	// ErrLate: no attempt had begun by the job's [Deadline]. It is the text of the
	// failure of a job that was skipped for that.
	ErrLate = errors.New("task: the job was claimed after its Deadline; give it more time, or more workers")

	// ErrTimeout is the cause of the context of an attempt that ran longer than
	// its Timeout.
	ErrTimeout = errors.New("task: attempt timed out")
	// ErrLeaseLost: the attempt is not the owner of its job any more; stop, and
	// report nothing. It is also the cause of the attempt's context.
	ErrLeaseLost = errors.New("task: lease lost")
	// ErrShutdown is the cause of the context of an attempt whose worker ends.
	ErrShutdown = errors.New("task: worker is shutting down")

	// ErrGone: the broker does not know the session (any more).
	ErrGone = errors.New("task: session gone")
	// ErrConflict: the key or ID belongs to a job with another payload.
	ErrConflict = errors.New("task: the key or ID is taken by a job with another payload")
	// ErrTooLarge: a payload, result or batch is over its limit.
	ErrTooLarge = errors.New("task: too large")
	// ErrFull: the store has no memory left. Running work still drains.
	ErrFull = errors.New("task: the store is full")
	// ErrUnavailable: the broker cannot be reached, or cannot serve now. What
	// was asked may or may not have happened. To ask again is safe, but a second
	// Post is a second job: post the same []Call again with [PostMany], or use an
	// [IdempotencyKey].
	ErrUnavailable = errors.New("task: broker unavailable")
	// ErrClosed: the broker was closed in this process, and stays so. It comes
	// with [ErrUnavailable].
	ErrClosed = errors.New("task: the broker was closed")
	// ErrDamaged: the stored state is not as the broker wrote it.
	ErrDamaged = errors.New("task: stored state is damaged")
	// ErrReplaced: stored data was replaced or removed while it was read piece by
	// piece. What was read is the beginning of the old data; read it again.
	ErrReplaced = errors.New("task: the data was replaced or removed while it was read")
	// ErrInvalid: the call was refused as it stands; to repeat it is useless.
	ErrInvalid = errors.New("task: invalid")

	// ErrPending: the job has not ended yet; see [Ended].
	ErrPending = errors.New("task: the job has not ended yet")

	// ErrCycle: the wait would never end, since what is waited for waits for
	// the waiter.
	ErrCycle = errors.New("task: these jobs would wait for each other for ever")
	// ErrTooDeep: more than [MaxWaitDepth] jobs wait inside one another.
	ErrTooDeep = errors.New("task: waits are nested too deeply")
)

// MaxWaitDepth is how many jobs may wait inside one another: a chain of blocked
// attempts longer than this is a recursion without end more often than a plan.
const MaxWaitDepth = 64

// JobError is what waiting for a job returns when the job did not succeed. It
// wraps [ErrFailed], [ErrCancelled] or [ErrSkipped] by its state.
type JobError struct {
	ID      ID // a job's or a run's
	State   State
	Node    string  // title of the node, of a run that of its first failure; empty for other jobs, and where it is not known
	Failure Failure // of the last attempt; its Message may be empty
}

func (e *JobError) Error() string {
	s := fmt.Sprintf("task: job %v %v", e.ID, e.State)
	switch {
	case e.ID.Kind() == KindRun && e.Node == "":
		s = fmt.Sprintf("task: run %v %v", e.ID, e.State)
	case e.ID.Kind() == KindRun:
		s = fmt.Sprintf("task: run %v %v: node %q", e.ID, e.State, e.Node)
	case e.Node != "":
		s = fmt.Sprintf("task: node %q, job %v, %v", e.Node, e.ID, e.State)
	}
	if e.Failure.Message == "" {
		return s
	}
	return s + ": " + e.Failure.Message
}

// Unwrap returns the sentinel of the job's state.
func (e *JobError) Unwrap() error {
	switch e.State {
	case Cancelled:
		return ErrCancelled
	case Skipped:
		return ErrSkipped
	default:
		return ErrFailed
	}
}

// PostError is what posting several calls returns when not all were posted.
// Calls before First are posted; those from First on may be or not. Posting the
// same slice again is safe: its calls have their IDs.
type PostError struct {
	First int // index of the first call that was not posted for certain
	Err   error
}

func (e *PostError) Error() string {
	return fmt.Sprintf("task: post call %d: %v", e.First, e.Err)
}

// Unwrap returns the cause.
func (e *PostError) Unwrap() error { return e.Err }

// OutcomeError says which outcome of an [Exchange] was refused. Nothing of the
// exchange was sent.
type OutcomeError struct {
	Index int // in Exchange.Done
	Err   error
}

func (e *OutcomeError) Error() string {
	return fmt.Sprintf("task: outcome %d: %v", e.Index, e.Err)
}

// Unwrap returns the cause.
func (e *OutcomeError) Unwrap() error { return e.Err }
