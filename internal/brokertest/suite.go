// Package brokertest is the conformance suite of brokers: what every broker
// promises to clients and workers, told as stories that drive one by hand.
//
// The suite looks at a broker from outside only. Time is the broker's own, and
// what takes time is waited for by its condition, with short leases and delays
// and long patience.
package brokertest

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/gomlq/mlq/task"
)

// Broker is what the suite tests. Its limits are the default ones: payloads and
// results of up to 8 MiB, and a job is poison at its third loss while alone.
type Broker interface {
	task.Port
	Run(ctx context.Context, id task.RunID) (task.RunRecord, error)
	Leases
	Waits
	Schedules
	// Tick moves what time moves, in each partition at most once a second.
	Tick(ctx context.Context) (task.Ticked, error)
	Partitions() int
	Logs(ctx context.Context, id task.ID, after uint64) ([]task.LogLine, error)
}

// Leases is how workers get jobs and say what became of them.
type Leases interface {
	Join(ctx context.Context, w task.Worker, signal func(task.Signal)) (task.SessionID, error)
	Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error)
	Beat(ctx context.Context, id task.SessionID) (revoked []task.Lease, err error)
	Rejoin(ctx context.Context, id task.SessionID, w task.Worker) error
	Leave(ctx context.Context, id task.SessionID) error
	Note(ctx context.Context, l task.Lease, n task.Note) error
	Checkpoint(ctx context.Context, id task.ID) (task.Data, bool, error)
	AppendLog(ctx context.Context, l task.Lease, before uint64, lines []task.LogLine) error
}

// Waits is how attempts say what they wait for.
type Waits interface {
	Block(ctx context.Context, waiter task.Job, on []task.ID) error
	Unblock(ctx context.Context, waiter task.Job) error
}

// stories are the tests of one area, by the behaviour that they show.
type stories map[string]func(*stage)

// areas are all tests.
var areas = map[string]stories{
	"Order":      orderStories,
	"Post":       postStories,
	"Keys":       keyStories,
	"Exchange":   exchangeStories,
	"Outcome":    outcomeStories,
	"Then":       thenStories,
	"Loss":       lossStories,
	"Cancel":     cancelStories,
	"Await":      awaitStories,
	"Plan":       planStories,
	"WidePlan":   wideStories,
	"Edge":       edgeStories,
	"Block":      blockStories,
	"Note":       noteStories,
	"Watch":      watchStories,
	"Rejoin":     rejoinStories,
	"Exit":       exitStories,
	"Checkpoint": checkpointStories,
	"Data":       dataStories,
	"Schedule":   scheduleStories,
	"Fire":       fireStories,
	"Deadline":   deadlineStories,
	"Log":        logStories,
}

// Run tests the broker that open returns. Each subtest calls open for a broker
// without any jobs that nobody else uses, and which open closes when its test
// ends. All subtests run in parallel, as far as -parallel allows; most of them
// do nothing but wait, so a large number is best.
func Run(t *testing.T, open func(t *testing.T) Broker) {
	t.Helper()
	for _, area := range slices.Sorted(maps.Keys(areas)) {
		t.Run(area, func(t *testing.T) {
			t.Parallel()
			for _, name := range slices.Sorted(maps.Keys(areas[area])) {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					defer cancel()
					areas[area][name](&stage{T: t, b: open(t), ctx: ctx})
				})
			}
		})
	}
}
