package runtime

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/gomlq/mlq/task"
)

// endless is a broker that has jobs without end and forgets what became of them.
type endless struct {
	*fake
	jobs  []task.Job
	ended atomic.Int64
	calls atomic.Int64
	limit int64
	done  chan struct{}
}

func (e *endless) Exchange(_ context.Context, x task.Exchange) (task.Exchanged, error) {
	e.calls.Add(1)
	if n := e.ended.Add(int64(len(x.Done))); n >= e.limit && n-int64(len(x.Done)) < e.limit {
		close(e.done)
	}
	return task.Exchanged{Jobs: e.jobs[:x.Want]}, nil
}

// BenchmarkWorker measures what a worker itself costs for each job: claim, run a
// task that does nothing, report; no broker, no network.
func BenchmarkWorker(b *testing.B) {
	for _, slots := range []int{1, 10, 64, 1000} {
		b.Run(fmt.Sprintf("slots=%d", slots), func(b *testing.B) {
			e := &endless{fake: newFake(), done: make(chan struct{}), limit: int64(b.N)}
			for i := range task.MaxWant {
				c := noop.Call(i)
				c.ID = task.NewID(0, task.KindLone, 0, 0, uint32(i), 0)
				e.jobs = append(e.jobs, task.Job{Call: c, Attempt: 1})
			}
			w, err := NewWorker(e, quiet(Config{Slots: slots, NoTick: true}), noop)
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			over := make(chan error, 1)
			b.ReportAllocs()
			b.ResetTimer()
			go func() { over <- w.Run(ctx) }()
			<-e.done
			b.StopTimer()
			cancel()
			if err := <-over; err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(e.ended.Load())/float64(e.calls.Load()), "jobs/exchange")
		})
	}
}
