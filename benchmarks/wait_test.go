package benchmarks

import (
	"fmt"
	"testing"
	"time"

	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

const perSecond = "commands/s"

// BenchmarkIdle measures a system with one worker and little to do: jobs come
// 2 ms apart.
func BenchmarkIdle(b *testing.B) {
	b.Run("PostToStart", func(b *testing.B) {
		h := newBench(b)
		var posted, started [samples]time.Time
		var pings []time.Duration
		probe := task.Define("probe", func(_ task.Context, in input) (int, error) {
			started[in.N] = time.Now()
			return answer(in.N), nil
		})
		w := h.work(runtime.Config{}, probe)
		h.warm(w, probe)
		h.run(plan{
			paced:   true,
			prepare: func() { w.expect(samples) },
			work: func() int {
				_, pings = h.paced(func(i int) error {
					posted[i] = time.Now()
					_, err := probe.Post(h.queue, input{N: i, Text: text})
					return err
				})
				h.wait(w.reached, "the jobs to end")
				return samples
			},
			finish: func(r *round) {
				ds := make([]time.Duration, samples)
				for i := range ds {
					ds[i] = started[i].Sub(posted[i])
				}
				r.latencies(ds, pings)
			},
		})
	})

	b.Run("Do", func(b *testing.B) {
		h := newBench(b)
		w := h.work(runtime.Config{}, noop)
		h.warm(w, noop)
		var ds, pings []time.Duration
		h.run(plan{
			paced:  true,
			work:   func() int { ds, pings = h.paced(h.do); return samples },
			finish: func(r *round) { r.latencies(ds, pings) },
		})
	})

	// What a worker without any work asks of the server.
	b.Run("Commands", func(b *testing.B) {
		h := newBench(b)
		w := h.work(runtime.Config{}, noop)
		h.warm(w, noop)
		const seconds = 3
		h.run(plan{
			paced: true,
			work:  func() int { time.Sleep(seconds * time.Second); return 1 },
			finish: func(r *round) {
				clear(r.metrics)
				r.metrics[perSecond] = r.used.sent / seconds
			},
		})
	})
}

// BenchmarkCallers has a thousand goroutines call a task and wait for its
// result, again and again.
func BenchmarkCallers(b *testing.B) {
	const callers, jobs = 1_000, 12_000
	b.Run(fmt.Sprint(callers), func(b *testing.B) {
		h := newBench(b)
		w := h.work(runtime.Config{Slots: 64}, noop)
		h.warm(w, noop)
		h.run(plan{
			work: func() int {
				if err := together(callers, jobs, h.do); err != nil {
					b.Fatal(err)
				}
				return jobs
			},
			finish: func(r *round) {
				r.metrics[perExchange] = jobs / float64(w.exchanges.Swap(0))
			},
		})
	})
}

// do calls the task with number i and checks the result.
func (h *bench) do(i int) error {
	got, err := noop.Do(h.queue, input{N: i, Text: text})
	if err == nil && got != answer(i) {
		err = fmt.Errorf("the result of job %d is %d, want %d", i, got, answer(i))
	}
	return err
}
