package benchmarks

import (
	"fmt"
	"testing"

	"github.com/gomlq/mlq/runtime"
)

const perExchange = "jobs/exchange"

// BenchmarkDrain has one worker run jobs that were posted before. The time is
// from the worker's first claim, when it has joined, until the broker has the
// last result.
func BenchmarkDrain(b *testing.B) {
	for _, c := range []struct{ slots, jobs int }{{1, 2_000}, {10, 10_000}, {64, 24_000}} {
		b.Run(fmt.Sprintf("slots=%d", c.slots), func(b *testing.B) {
			h := newBench(b)
			ins := inputs(1_000)
			var w *worker
			var memory float64
			h.run(plan{
				prepare: func() {
					h.sweep()
					memory = h.gauge().memory
					h.postMany(c.jobs, ins)
					w = h.work(runtime.Config{Slots: c.slots}, noop)
					w.expect(c.jobs)
				},
				work: func() int {
					w.open()
					h.wait(w.reached, "the jobs to end")
					return c.jobs
				},
				finish: func(r *round) {
					r.metrics[perExchange] = float64(c.jobs) / float64(w.exchanges.Load())
					w.stop()
					h.verify(c.jobs)
					if c.slots > 1 { // a few jobs do not tell
						r.metrics[finished] = (h.gauge().memory - memory) / float64(c.jobs)
					}
				},
			})
		})
	}
}

// verify checks that the broker counts n jobs, all of which have succeeded.
func (h *bench) verify(n int) {
	h.Helper()
	counts, err := h.rdb.HGetAll(h.Context(), "mlq:{"+h.broker.Namespace()+":0}:cnt").Result()
	if err != nil {
		h.Fatal(err)
	}
	for field, got := range counts {
		if want := map[string]int{"default:P": n, "default:S": n}[field]; int(number(got)) != want {
			h.Fatalf("the broker counts %s jobs in %s, want %d", got, field, want)
		}
	}
}

// BenchmarkPostAndProcess has 64 callers post jobs one by one while a worker of
// the same process runs them. The time is until the broker has the last result.
func BenchmarkPostAndProcess(b *testing.B) {
	const slots, callers, jobs = 64, 64, 12_800
	b.Run(fmt.Sprintf("slots=%d", slots), func(b *testing.B) {
		h := newBench(b)
		w := h.work(runtime.Config{Slots: slots}, noop)
		h.warm(w, noop)
		h.run(plan{
			prepare: func() { w.expect(jobs) },
			work: func() int {
				if err := together(callers, jobs, func(i int) error {
					_, err := noop.Post(h.queue, input{N: i, Text: text})
					return err
				}); err != nil {
					b.Fatal(err)
				}
				h.wait(w.reached, "the jobs to end")
				return jobs
			},
			finish: func(r *round) {
				r.metrics[perExchange] = jobs / float64(w.exchanges.Swap(0))
			},
		})
	})
}
