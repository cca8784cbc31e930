package runtime

import (
	"errors"
	"time"

	"github.com/gomlq/mlq/task"
)

// ruling is what judge decides.
type ruling struct {
	verdict task.Verdict  // none: report nothing, the broker knows already
	delay   time.Duration // for Retry and Postpone
	failure task.Failure  // kind, message and stack
}

// judge decides what becomes of an attempt of j, whose options have their
// defaults, that ended with err. cause is why the attempt's context ended, nil
// if it did not. lot draws a number below n, for the jitter.
func judge(j *task.Job, err, cause error, lot func(n int64) int64) ruling {
	switch {
	case errors.Is(cause, task.ErrLeaseLost), errors.Is(cause, task.ErrCancelled):
		return ruling{}
	case err == nil:
		return ruling{verdict: task.Succeed}
	}
	r := ruling{verdict: task.Retry}
	own, ruled := errors.AsType[*task.Ruling](err)
	switch {
	case ruled && own.Verdict > task.Succeed && own.Verdict <= task.SkipJob:
		r.verdict, r.delay = own.Verdict, min(own.Delay, task.MaxDelay)
		if own.Err == nil {
			return r // a snooze: nothing has failed
		}
	case errors.Is(cause, task.ErrShutdown) && !broken(err):
		return ruling{verdict: task.Release} // whatever it says: it was interrupted
	case hopeless(err):
		r.verdict = task.Fail
	default:
		r.delay = backoff(j.Spec.BackoffMin, j.Spec.BackoffMax, j.Attempt, lot)
	}
	if r.verdict == task.Retry && j.Attempt >= j.Spec.MaxAttempts {
		r.verdict, r.delay = task.Fail, 0
	}
	r.failure = describe(err, cause)
	return r
}

// broken reports whether the function panicked or ended its goroutine.
func broken(err error) bool {
	_, panicked := errors.AsType[*panicError](err)
	return panicked || errors.Is(err, errExited)
}

// hopeless reports whether err says that the same call will be refused again: by
// its options, by a key that is another's, by its size.
func hopeless(err error) bool {
	return errors.Is(err, task.ErrInvalid) || errors.Is(err, task.ErrConflict) || errors.Is(err, task.ErrTooLarge)
}

// describe returns what is kept of err: its kind, its text, and of a panic the
// stack.
func describe(err, cause error) task.Failure {
	f := task.Failure{Kind: task.FailureError, Message: err.Error()}
	var panicked *panicError
	var undecoded *task.DecodeError
	var unknown *unknownError
	switch {
	case errors.As(err, &panicked):
		f.Kind, f.Stack = task.FailurePanic, panicked.stack
	case errors.Is(err, errExited):
		f.Kind = task.FailureExit
	case errors.As(err, &undecoded):
		f.Kind = task.FailureDecode
	case errors.Is(err, task.ErrLate):
		f.Kind = task.FailureLate
	case errors.As(err, &unknown):
		f.Kind = task.FailureUnknown
	case errors.Is(cause, task.ErrTimeout):
		f.Kind = task.FailureTimeout
	}
	return f
}
