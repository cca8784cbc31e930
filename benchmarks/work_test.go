package benchmarks

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// input is encoded in about 100 bytes.
type input struct {
	N    int    `msgpack:"n"`
	Text string `msgpack:"t"`
}

var text = strings.Repeat("x", 88)

// noop is the job: it does nothing and returns a small number.
var noop = task.Define("noop", func(_ task.Context, in input) (int, error) { return answer(in.N), nil })

func answer(n int) int { return n % 100 }

// inputs returns n inputs, numbered from 0.
func inputs(n int) []input {
	ins := make([]input, n)
	for i := range ins {
		ins[i] = input{N: i, Text: text}
	}
	return ins
}

// together calls f for 0 to n-1 from so many callers at once, and returns their
// first error.
func together(callers, n int, f func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for c := range callers {
		wg.Go(func() {
			for i := c; i < n && errs[c] == nil; i += callers {
				errs[c] = f(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// meter is a broker that counts what a worker's exchanges report. That is how
// the end of a round is seen without asking Redis, which would cost it time.
type meter struct {
	*broker.Broker
	here func()        // called once, when the worker has joined and first asks
	gate chan struct{} // exchanges wait until it is closed

	exchanges atomic.Int64
	reported  atomic.Int64 // jobs that have ended and whose end the broker has
	goal      atomic.Int64
	reached   chan struct{} // gets a token when reported reaches goal
}

// Exchange implements runtime.Leases.
func (m *meter) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	m.here()
	<-m.gate
	got, err := m.Broker.Exchange(ctx, x)
	if err != nil {
		return got, err
	}
	m.exchanges.Add(1)
	n := int64(len(x.Done) - len(got.Lost))
	if now, goal := m.reported.Add(n), m.goal.Load(); now >= goal && now-n < goal {
		m.reached <- struct{}{}
	}
	return got, nil
}

// expect has a token sent to reached when n more jobs are reported.
func (m *meter) expect(n int) { m.goal.Store(m.reported.Load() + int64(n)) }

// worker is a worker that runs, and what it does is metered.
type worker struct {
	*meter
	open func() // lets it begin
	stop func() // ends it and waits for that
}

// work starts a worker and returns when it has joined and stands at the gate.
func (h *bench) work(c runtime.Config, hs ...task.Handler) *worker {
	h.Helper()
	joined := make(chan struct{})
	m := &meter{
		Broker: h.broker, gate: make(chan struct{}), reached: make(chan struct{}, 1),
		here: sync.OnceFunc(func() { close(joined) }),
	}
	m.goal.Store(-1)
	c.Logger = logger
	rw, err := runtime.NewWorker(m, c, hs...)
	if err != nil {
		h.Fatal(err)
	}
	ctx, cancel := context.WithCancel(h.Context())
	ended := make(chan error, 1)
	go func() { ended <- rw.Run(ctx) }()
	w := &worker{meter: m, open: sync.OnceFunc(func() { close(m.gate) })}
	w.stop = sync.OnceFunc(func() {
		w.open()
		cancel()
		if err := <-ended; err != nil {
			h.Error(err)
		}
	})
	h.Cleanup(w.stop)
	h.wait(joined, "the worker to join")
	return w
}

// warm has w do a few jobs, until all connections and subscriptions are there.
func (h *bench) warm(w *worker, t task.Task[input, int]) {
	h.Helper()
	w.open()
	for range 50 {
		if _, err := t.Do(h.queue, input{Text: text}); err != nil {
			h.Fatal(err)
		}
	}
}
