package benchmarks

import (
	"context"
	"log/slog"
	"os"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/runtime"
)

// patience is how long one round may take before it counts as stuck.
const patience = 2 * time.Minute

// logger keeps the daily news of workers out of the figures.
var logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))

// bench is one benchmark: a broker in a namespace of its own, and a connection
// to ask the server how it fares.
type bench struct {
	*testing.B
	url    string
	rdb    *redis.Client
	broker *broker.Broker
	queue  context.Context // leads to the broker
}

// newBench opens the broker with the default configuration. What it leaves in
// Redis is removed when b ends.
func newBench(b *testing.B) *bench {
	b.Helper()
	h := &bench{B: b, url: *redisURL}
	if h.url == "" {
		h.url = redistest.Shared(b).URL()
	}
	o, err := redis.ParseURL(h.url)
	if err != nil {
		b.Fatalf("-redis: %v", err)
	}
	o.Protocol, o.DisableIdentity = 2, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	h.rdb = redis.NewClient(o)
	h.broker, err = broker.Open(b.Context(), h.url, broker.Config{
		Namespace: redistest.Namespace(b),
		Logger:    logger,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := h.broker.Close(); err != nil {
			b.Error(err)
		}
		h.sweep()
		keys := []string{"mlq:" + h.broker.Namespace() + ":meta"}
		for i := range rawConns {
			keys = append(keys, rawKey(i))
		}
		if err := h.rdb.Del(context.Background(), keys...).Err(); err != nil {
			b.Error(err)
		}
		if err := h.rdb.Close(); err != nil {
			b.Error(err)
		}
	})
	h.queue = runtime.NewClient(h.broker).With(b.Context())
	return h
}

// sweep deletes all keys of the benchmark, so that each round begins with none.
// It deletes at once: memory freed later would be some other round's.
func (h *bench) sweep() {
	ctx := context.Background() // it also runs when the benchmark is over
	keys := h.rdb.Scan(ctx, 0, "mlq:{"+h.broker.Namespace()+":*", 1000).Iterator()
	for keys.Next(ctx) {
		if err := h.rdb.Del(ctx, keys.Val()).Err(); err != nil {
			h.Error(err)
		}
	}
	if err := keys.Err(); err != nil {
		h.Error(err)
	}
}

// plan is one round of a benchmark. Only work is measured.
type plan struct {
	prepare func()         // may be nil
	work    func() int     // returns how many jobs it was about
	finish  func(r *round) // may be nil; checks what work did and adds to r
	paced   bool           // work waits between jobs: there is no rate
}

// run makes as many rounds of p as the flags ask for and reports the medians.
func (h *bench) run(p plan) {
	h.Helper()
	var all series
	before, from := h.read(), h.gauge()
	for h.Loop() {
		h.StopTimer()
		if p.prepare != nil {
			p.prepare()
		}
		goruntime.GC() // of what came before
		g := h.gauge()
		h.StartTimer()
		start := time.Now()
		jobs := p.work()
		elapsed := time.Since(start)
		h.StopTimer()
		r := newRound(jobs, elapsed, h.gauge().since(g))
		if p.finish != nil {
			p.finish(r)
		}
		after := h.read()
		r.compare(before.mean(after), p.paced)
		now := h.gauge()
		r.others = now.since(from).others()
		before, from = after, now
		all = append(all, r)
		h.StartTimer()
	}
	counted := all.counted()
	for metric := range all[0].metrics {
		h.ReportMetric(median(counted.values(metric)), metric)
	}
	h.ReportMetric(counted.others(), othersShare)
	summary.add(h.Name(), all)
}

// wait waits for c and fails the benchmark if nothing comes.
func (h *bench) wait(c <-chan struct{}, what string) {
	h.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		h.Fatalf("waited %v for %s", patience, what)
	}
}
