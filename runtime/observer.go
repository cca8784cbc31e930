package runtime

import (
	"context"

	"github.com/gomlq/mlq/task"
)

// Observer is told of every attempt of a worker: for metrics and traces.
type Observer interface {
	// Attempt is called before an attempt begins, on the attempt's goroutine. The
	// context it returns, derived from ctx, is the task function's. The function
	// it returns, if not nil, is called once, when the attempt is over, maybe from
	// another goroutine. Its argument is what is going to be reported; where
	// nothing is, because the job is another's or was cancelled, the verdict is
	// none or [task.CancelJob] respectively.
	Attempt(ctx context.Context, j task.Job) (context.Context, func(task.Outcome))
}

// PostObserver is told of every post. An [Observer] that is one too is told of
// the posts of running jobs.
type PostObserver interface {
	// Post is called before calls are sent. It may change their headers, each in a
	// map of its own since calls may share one. The function it returns, if not
	// nil, is called with the error of the post, nil if there was none.
	Post(ctx context.Context, calls []task.Call) (context.Context, func(error))
}
