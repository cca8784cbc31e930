// Package task has the words of MLQ: what a task function, its context, a job,
// a lease, a plan and an outcome are.
//
// A task is a plain typed function with a name:
//
//	var Train = task.Define("train", train, task.Queue("gpu"), task.MaxAttempts(3))
//
//	func train(ctx task.Context, in TrainIn) (Model, error) { ... }
//
// Post it from anywhere that has a queue behind its context (a client's
// With(ctx), or the context that a task was given) and wait for its result:
//
//	h, err := Train.Post(q, in, task.Delay(time.Minute))
//	model, err := h.Wait(ctx)
//
// The package knows no broker and starts nothing. Everything else in the
// module imports it, and nothing else in the module is imported by it.
//
// # Verdicts
//
// What becomes of an attempt is what its function returns: nil succeeds;
// [Permanent], [RetryAfter], [Snooze], [Cancel] and [Skip] say more; any other
// error is tried again with exponential backoff and full jitter until the
// attempts are used up, unless it wraps [ErrInvalid], [ErrConflict] or
// [ErrTooLarge], which would only come again. A panic is a failed attempt with its
// stack.
//
// # A task that posts itself
//
// A variable whose initialiser refers to itself does not compile. Split it:
//
//	var Crawl = task.Declare[string, int]("crawl")
//
//	func crawl(ctx task.Context, url string) (int, error) { ... Crawl.Post(ctx, next) ... }
//
//	runtime.NewWorker(b, cfg, Crawl.Handle(crawl))
package task
