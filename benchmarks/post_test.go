package benchmarks

import (
	"fmt"
	"testing"
)

// BenchmarkPost posts jobs one by one, nobody runs them. One caller is judged by
// the latency of posts 2 ms apart, many by their rate.
func BenchmarkPost(b *testing.B) {
	for _, c := range []struct{ callers, jobs int }{{1, 3_000}, {64, 24_000}} {
		b.Run(fmt.Sprintf("callers=%d", c.callers), func(b *testing.B) {
			h := newBench(b)
			post := func(i int) error {
				_, err := noop.Post(h.queue, input{N: i, Text: text})
				return err
			}
			h.run(plan{
				prepare: h.sweep,
				work: func() int {
					if err := together(c.callers, c.jobs, post); err != nil {
						b.Fatal(err)
					}
					return c.jobs
				},
				finish: func(r *round) {
					if c.callers == 1 {
						r.latencies(h.paced(post))
					}
				},
			})
		})
	}
}

// BenchmarkPostMany posts jobs a thousand at once, from one caller.
func BenchmarkPostMany(b *testing.B) {
	const batch, jobs = 1_000, 48_000
	b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
		h := newBench(b)
		ins := inputs(batch)
		h.run(plan{
			prepare: h.sweep,
			work:    func() int { h.postMany(jobs, ins); return jobs },
			finish:  func(r *round) { r.metrics[queued] = r.used.memory / jobs },
		})
	})
}

// postMany posts ins again and again until n jobs are posted.
func (h *bench) postMany(n int, ins []input) {
	h.Helper()
	for n > 0 {
		hs, err := noop.PostMany(h.queue, ins[:min(n, len(ins))])
		if err != nil {
			h.Fatal(err)
		}
		n -= len(hs)
	}
}
