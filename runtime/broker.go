package runtime

import (
	"context"

	"github.com/gomlq/mlq/task"
)

// Jobs is what a client needs of a broker.
type Jobs interface{ task.Port }

// Leases is how a worker gets jobs and says what became of them. Its methods
// are safe for concurrent use and end in bounded time by themselves.
type Leases interface {
	// Join opens a session. From then on, until the session ends, the broker may
	// call signal at any time and from any goroutine; signal does not block.
	Join(ctx context.Context, w task.Worker, signal func(task.Signal)) (task.SessionID, error)
	// Exchange reports and asks in one step. The same number gets the same
	// answer. It returns [task.ErrGone] if there is no such session, and a
	// [*task.OutcomeError], having sent nothing, if an outcome cannot be sent; it
	// wraps [task.ErrTooLarge] if its result is over the limit. After any other
	// error the same exchange is repeated until it is answered. Exchange does not
	// keep x.Done after it has returned.
	Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error)
	// Beat keeps the session and all its leases for another LeaseTTL, and returns
	// which of its jobs were cancelled; it may say so more than once. It returns
	// [task.ErrGone] if there is no such session.
	Beat(ctx context.Context, s task.SessionID) (revoked []task.Lease, err error)
	// Rejoin says anew what the worker of a session can do; it holds from the next
	// exchange on, even after an error, but for [task.ErrGone].
	Rejoin(ctx context.Context, s task.SessionID, w task.Worker) error
	// Leave ends the session; what it still holds goes to others at once.
	Leave(ctx context.Context, s task.SessionID) error
	// Note stores what a running attempt says of itself; [task.ErrLeaseLost] if l
	// is not the lease of its job any more.
	Note(ctx context.Context, l task.Lease, n task.Note) error
	// Checkpoint returns the last checkpoint among the notes of a job's attempts, false
	// if there is none.
	Checkpoint(ctx context.Context, id task.ID) (task.Data, bool, error)
	// Partitions returns how many partitions there are, at least 1. It is fixed.
	Partitions() int
}

// Ticker moves what has come due. The broker itself sees to it that each
// partition is ticked about once a second, however often it is asked.
type Ticker interface {
	Tick(ctx context.Context) (task.Ticked, error)
}

// Waits keeps the edges of the graph of jobs that wait for jobs.
type Waits interface {
	// Block notes that waiter waits for the jobs on. It returns [task.ErrCycle] or
	// [task.ErrTooDeep], having noted nothing, if that must not be, and
	// [task.ErrLeaseLost] if waiter is not its owner's any more. If several
	// goroutines of one attempt wait, a broker may remember only the latest call.
	Block(ctx context.Context, waiter task.Job, on []task.ID) error
	// Unblock notes that waiter waits for nothing any more.
	Unblock(ctx context.Context, waiter task.Job) error
}

// Lists keeps the elements of lists that maps run over.
type Lists interface {
	// Spread stores the elements for the children of the map whose job l is the lease
	// of, and returns how many lie together; [task.ErrLeaseLost] if it is not.
	Spread(ctx context.Context, l task.Lease, elements [][]byte) (chunk int, err error)
	// Element returns the element that j, a child of a map, is for.
	Element(ctx context.Context, j task.Job) (task.Data, error)
}

// Logs keeps what jobs log.
type Logs interface {
	// AppendLog keeps lines that the attempt with lease l has logged, which has kept
	// before lines before. The same call may be repeated. l may be lost meanwhile.
	AppendLog(ctx context.Context, l task.Lease, before uint64, lines []task.LogLine) error
}

// Broker is what a worker needs.
type Broker interface {
	Jobs
	Leases
	Lists
	Logs
	Ticker
	Waits
}
