package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/gomlq/mlq/task"
)

// errExited: the function ended its goroutine with [runtime.Goexit], as
// testing's FailNow does.
var errExited = errors.New("runtime: the task function ended its goroutine; return an error instead")

// panicError is a panic of a task function. It wraps nothing: what was thrown
// decides nothing.
type panicError struct {
	value string
	stack string
}

func (e *panicError) Error() string { return "panic: " + e.value }

// newPanicError describes v, which was recovered by the caller.
func newPanicError(v any) *panicError {
	if p, ok := v.(*task.Panic); ok && p != nil {
		return &panicError{value: textOf(p.Value), stack: trimStack(p.Stack)}
	}
	return &panicError{value: textOf(v), stack: trimStack(debug.Stack())}
}

// textOf prints v, which may panic again in doing so; fmt sees to that, but for
// a String method that ends its goroutine, which nobody can help.
func textOf(v any) string { return fmt.Sprintf("%v", v) }

// trimStack cuts off what stands above the panic: the frames that caught it.
func trimStack(stack []byte) string {
	const head = "\npanic("
	_, rest, ok := bytes.Cut(stack, []byte(head))
	if !ok {
		return string(stack)
	}
	for range 2 { // the call and the line where it stands
		if j := bytes.IndexByte(rest, '\n'); j >= 0 {
			rest = rest[j+1:]
		}
	}
	return string(rest)
}

// unknownError: a job came that the worker has no function for.
type unknownError struct {
	name  string // "" for a message without a function filter
	meant string // the nearest name that the worker has, or ""
	// removed: the worker had the function when it asked for the job, or shortly before.
	removed bool
}

func (e *unknownError) Error() string {
	switch {
	case e.name == "":
		return "runtime: a message without a function filter, but no listener is registered on this worker; define one with task.Listener()"
	case e.meant == "":
		return fmt.Sprintf("runtime: no task %q is registered on this worker; give it to NewWorker", e.name)
	default:
		return fmt.Sprintf("runtime: no task %q is registered on this worker; did you mean %q?", e.name, e.meant)
	}
}

// refusal is the verdict on a job that cannot be run.
func refusal(fault error) error {
	if gone, ok := errors.AsType[*unknownError](fault); ok && gone.removed {
		return task.Snooze(removedPause) // it is for others now
	}
	if _, ruled := errors.AsType[*task.Ruling](fault); ruled {
		return fault
	}
	return task.Permanent(fault)
}
