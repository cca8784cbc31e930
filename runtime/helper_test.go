package runtime

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gomlq/mlq/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is c without a log.
func quiet(c Config) Config {
	c.Logger = slog.New(slog.DiscardHandler)
	return c
}

// running is a worker that runs.
type running struct {
	*Worker
	t    *testing.T
	f    *fake
	end  context.CancelFunc
	done chan error
	over bool
}

func start(t *testing.T, f *fake, c Config, hs ...task.Handler) *running {
	t.Helper()
	w, err := NewWorker(f, quiet(c), hs...)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Worker: w, t: t, f: f, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	r.end = cancel
	go func() { r.done <- w.Run(ctx) }()
	t.Cleanup(func() {
		if !r.over {
			_ = r.stop()
		}
	})
	return r
}

// stop ends the worker and returns what Run returned.
func (r *running) stop() error {
	r.t.Helper()
	r.over = true
	r.end()
	err := <-r.done
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	problems := r.f.problems
	if r.f.calls["block"] == 0 {
		problems = append(problems, r.f.unlessBlocked...)
	}
	for _, p := range problems {
		r.t.Errorf("the worker did what it must not: %s", p)
	}
	if n := len(r.pool.attempts); n > 0 {
		r.t.Errorf("attempts entered after the end: got %d, want 0", n)
	}
	return err
}

// ok stops the worker, which must drain cleanly with its books in order.
func (r *running) ok() {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Errorf("Run: got %v, want nil", err)
	}
	r.balanced()
}

func (r *running) balanced() {
	r.t.Helper()
	q := r.pool
	if q.free != r.cfg.Slots || q.reserved != 0 || q.held != 0 || q.blocked != 0 {
		r.t.Errorf("books: got %d free, %d reserved, %d held, %d blocked, want %d, 0, 0, 0",
			q.free, q.reserved, q.held, q.blocked, r.cfg.Slots)
	}
}

// wait waits for the end of a job.
func (f *fake) wait(t *testing.T, id task.ID) task.Settled {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	defer cancel()
	ends, err := f.Await(ctx, []task.ID{id})
	if err != nil {
		t.Fatalf("job %v did not end: %v", id, err)
	}
	return ends[0]
}

// post posts one call as a client does.
func (f *fake) post(t *testing.T, c task.Call) task.ID {
	t.Helper()
	ids, err := NewClient(f).Post(t.Context(), []task.Call{c})
	if err != nil {
		t.Fatal(err)
	}
	return ids[0]
}

func (f *fake) job(id task.ID) fakeJob {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *f.jobs[id]
}

func (f *fake) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// gauge counts what is going on at once.
type gauge struct{ now, most atomic.Int64 }

func (g *gauge) in() {
	n := g.now.Add(1)
	for {
		most := g.most.Load()
		if n <= most || g.most.CompareAndSwap(most, n) {
			return
		}
	}
}

func (g *gauge) out() { g.now.Add(-1) }

var noop = task.Define("noop", func(task.Context, int) (int, error) { return 0, nil })

// journal is a list of what happened, in order.
type journal[T any] struct {
	mu   sync.Mutex
	list []T
}

func (j *journal[T]) add(v T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.list = append(j.list, v)
}

func (j *journal[T]) all() []T {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.list)
}
