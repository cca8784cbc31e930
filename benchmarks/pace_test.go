package benchmarks

import "time"

// An idle system is one whose calls come 2 ms apart. PINGs alternate with them,
// ten by ten: how fast an idle processor wakes up changes from second to second.
const (
	apart   = 2 * time.Millisecond
	samples = 100 // of a round
	block   = 10
)

// paced calls f with 0 to samples-1, 2 ms apart, and returns how long each call
// took, and how long a PING took each.
func (h *bench) paced(f func(i int) error) (ds, pings []time.Duration) {
	h.Helper()
	timed := func(f func() error) time.Duration {
		time.Sleep(apart)
		start := time.Now()
		if err := f(); err != nil {
			h.Fatal(err)
		}
		return time.Since(start)
	}
	for i := range samples {
		if i%block == 0 {
			for range block {
				pings = append(pings, timed(ping))
			}
		}
		ds = append(ds, timed(func() error { return f(i) }))
	}
	yard.pings = append(yard.pings, micros(percentile(pings, 0.5)))
	return ds, pings
}
