package benchmarks

import (
	"slices"
	"time"
)

// The metrics that more than one benchmark reports.
const (
	perOp     = "ns/op" // a job is an op
	rate      = "jobs/s"
	redisCPU  = "redis-us/job"
	clientCPU = "client-us/job"
	calls     = "calls/job" // scripts called
	xSet      = "x-SET"     // rate over that of unpipelined SETs
	xSetMany  = "x-SET100"  // rate over that of SETs in pipelines of 100
	xPing     = "x-PING"    // latency over that of a PING
	p50       = "p50-us"
	p99       = "p99-us"
	queued    = "B/queued-job"
	finished  = "B/finished-job"

	othersShare = "others" // share of the machine's processors that other processes had
)

// round is what was measured in one round, by metric.
type round struct {
	jobs    int
	used    usage
	others  float64 // share of the machine that others had meanwhile
	metrics map[string]float64
}

func newRound(jobs int, elapsed time.Duration, u usage) *round {
	n := float64(jobs)
	return &round{jobs: jobs, used: u, metrics: map[string]float64{
		perOp:     float64(elapsed.Nanoseconds()) / n,
		rate:      n / elapsed.Seconds(),
		redisCPU:  micros(u.redis) / n,
		clientCPU: micros(u.client) / n,
		calls:     u.calls / n,
	}}
}

// latencies adds the percentiles of ds, and their multiple of a PING.
func (r *round) latencies(ds, pings []time.Duration) {
	r.metrics[p50] = micros(percentile(ds, 0.50))
	r.metrics[p99] = micros(percentile(ds, 0.99))
	r.metrics[xPing] = r.metrics[p50] / micros(percentile(pings, 0.50))
}

// compare adds the multiples of raw. Paced work has no rate, and what it cost
// includes its PINGs.
func (r *round) compare(raw reading, paced bool) {
	m := r.metrics
	if paced {
		for _, metric := range []string{rate, perOp, redisCPU, clientCPU} {
			delete(m, metric)
		}
		return
	}
	n := max(m[rate], m[nodeRate]) // it has one of them
	m[xSet], m[xSetMany] = n/raw.set, n/raw.setMany
}

// series is the rounds of one benchmark.
type series []*round

// Rounds in which others had more than quiet of the machine do not count, if
// enough are left: they tell of the others.
const (
	quiet  = 0.1
	enough = 3
)

// counted returns the rounds that count.
func (s series) counted() series {
	var out series
	for _, r := range s {
		if r.others <= quiet {
			out = append(out, r)
		}
	}
	if len(out) < enough {
		return s
	}
	return out
}

// values returns what the rounds have of metric.
func (s series) values(metric string) []float64 {
	var out []float64
	for _, r := range s {
		if v, ok := r.metrics[metric]; ok {
			out = append(out, v)
		}
	}
	return out
}

// others returns the median share of the machine that others had.
func (s series) others() float64 {
	var out []float64
	for _, r := range s {
		out = append(out, r.others)
	}
	return median(out)
}

// median returns the middle of vs, 0 if there is none; of two it is the mean.
func median(vs []float64) float64 {
	if len(vs) == 0 {
		return 0
	}
	vs = slices.Sorted(slices.Values(vs))
	return (vs[(len(vs)-1)/2] + vs[len(vs)/2]) / 2
}

// percentile returns the value that a share of q of ds does not exceed.
func percentile(ds []time.Duration, q float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	ds = slices.Sorted(slices.Values(ds))
	return ds[min(len(ds)-1, int(q*float64(len(ds))))]
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
