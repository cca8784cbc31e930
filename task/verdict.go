package task

import (
	"errors"
	"fmt"
	"time"
)

// Verdict is what becomes of an attempt.
type Verdict uint8

// The verdicts. The zero Verdict is none.
const (
	_         Verdict = iota
	Succeed           // the job succeeded
	Fail              // the job failed for good: a dead letter
	Retry             // again after a delay; one attempt is spent
	Postpone          // again after a delay; no attempt is spent
	Release           // again at once, first in line; no attempt is spent
	CancelJob         // the job is cancelled
	SkipJob           // the job is skipped
	Expand            // the job, a map, has seen its list: it gets its children, and ends with them
)

var verdictNames = [...]string{"none", "succeeded", "failed", "retried", "snoozed", "released", "cancelled", "skipped", "expanded"}

func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// Ruling is an error by which a task function decides about its job.
// Functions make one with [Permanent], [RetryAfter], [Snooze], [Cancel] or
// [Skip], wrapped or not.
type Ruling struct { //nolint:errname // it rules about the job; an error is only how it travels
	Verdict Verdict
	Delay   time.Duration // for Retry and Postpone
	Err     error
}

func (r *Ruling) Error() string {
	if r.Err == nil {
		return "task: " + r.Verdict.String()
	}
	return r.Err.Error()
}

// Unwrap returns the error that the ruling was made of, if any.
func (r *Ruling) Unwrap() error { return r.Err }

// Permanent says that to try again is useless: the job becomes a dead letter.
// Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &Ruling{Verdict: Fail, Err: err}
}

// RetryAfter says to try again after d instead of the usual backoff. The
// attempt counts. A negative d is 0; a nil err gets a text of its own.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		err = errors.New("task: retry asked for")
	}
	return &Ruling{Verdict: Retry, Delay: max(d, 0), Err: err}
}

// Snooze says to run the job again after d, as if this attempt had never been:
// it does not count. A negative d is 0.
func Snooze(d time.Duration) error { return &Ruling{Verdict: Postpone, Delay: max(d, 0)} }

// Cancel says that the job shall end as cancelled.
func Cancel(reason string) error {
	return &Ruling{Verdict: CancelJob, Err: errors.New(reason)}
}

// Skip says that the job shall end as skipped: there was nothing to do, and
// what depends on its result cannot run.
func Skip(reason string) error {
	return &Ruling{Verdict: SkipJob, Err: errors.New(reason)}
}
