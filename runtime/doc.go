// Package runtime has the two halves of a program that uses a queue: the
// [Client], which posts jobs and waits for them, and the [Worker], which claims
// jobs, runs them, keeps their leases alive and reports how they ended. Beside them
// stands the [Scheduler], which posts jobs at their times.
//
//	q := runtime.NewClient(b).With(ctx)
//	h, err := Train.Post(q, in)
//
//	w, err := runtime.NewWorker(b, runtime.Config{Slots: 8}, Train, Evaluate)
//	err = w.Run(ctx) // blocks; drains when ctx ends
//
// # How a worker works
//
// A worker joins the broker and has a session from then on. For each partition
// one fetcher exchanges with the broker, one exchange at a time: it reports the
// attempts that have ended and asks for as many jobs as there are free slots.
// There is no timer that gathers a batch; what has piled up while one exchange
// was under way goes into the next. A partition that has no jobs is left alone
// until the broker rings, until a job of it ends here, or until its turn of the
// safety claim comes: at most two a second over all partitions together, since
// a bell is a hint that may be lost.
//
// An exchange whose answer did not come is repeated unchanged, under the same
// number, until the broker has answered or has forgotten the session. In the
// latter case every attempt is told so ([task.ErrLeaseLost]), nothing of it is
// reported, and the worker joins anew. An outage of the broker therefore costs
// time only.
//
// # What an attempt may do
//
// A task function gets a [task.Context]. While it waits for other jobs through
// it, its slot is free for others; when the wait is over it is first in line
// for the next free slot. Jobs that it posts have IDs derived from its own, so
// that a retried attempt posts nothing twice. A function that goes on after its
// context has ended is given Config.AbandonAfter; then its slot is freed,
// whatever it says later is ignored, and [Worker.Abandoned] counts it.
//
// The package shadows the standard runtime: import that one as goruntime.
package runtime
