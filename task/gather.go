package task

import (
	"context"
	"fmt"
	goruntime "runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// gatherer brings the jobs of one task on one worker together. It has no goroutine of
// its own: who comes first sets a timer, and who comes last starts the batch.
type gatherer[In, Out any] struct {
	task  string
	fn    func(context.Context, []In) ([]Result[Out], error)
	size  int // of a batch, at most
	delay time.Duration
	slots int // of the worker

	mu   sync.Mutex
	held int             // attempts that wait in a batch or for its end
	open *batch[In, Out] // that others may join; nil if there is none
}

// batch is the jobs of one call of the function. The gatherer's lock guards its fields
// until it has begun, and then what is said to be.
type batch[In, Out any] struct {
	g       *gatherer[In, Out]
	members []*member[In]
	timer   *time.Timer   // nil if it began at once
	begun   bool          // guarded for ever
	waiting int           // how many attempts wait for its end; guarded for ever
	done    chan struct{} // closed when the function has ended

	// How it ended; set before done is closed.
	results []Result[Out]
	err     error
	thrown  *Panic // if it panicked
	exited  bool   // it ended its goroutine
}

// member is a job in a batch.
type member[In any] struct {
	ctx   Context
	in    In
	place int // among the inputs of the function, once that is called
}

// do runs one job as a member of a batch.
func (g *gatherer[In, Out]) do(ctx Context, in In) (Out, error) {
	m := &member[In]{ctx: ctx, in: in}
	b := g.join(m)
	select {
	case <-b.done:
	case <-ctx.Done():
		if g.leave(b, m) {
			var zero Out
			return zero, context.Cause(ctx)
		}
		<-b.done
	}
	return b.result(m.place)
}

// join makes m a member of a batch, and starts that if nobody else can come.
func (g *gatherer[In, Out]) join(m *member[In]) *batch[In, Out] {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.open
	if b == nil {
		b = &batch[In, Out]{g: g, done: make(chan struct{})}
		g.open = b
	}
	b.members = append(b.members, m)
	b.waiting++
	g.held++
	switch {
	case b.waiting >= g.size, g.held >= g.slots, m.ctx.Job().Alone:
		g.begin(b)
		go b.run() // ends with the function; the last member to leave waits for it
	case b.timer == nil:
		b.timer = time.AfterFunc(g.delay, func() { g.late(b) })
	}
	return b
}

// begin closes b to others. It wants the lock.
func (g *gatherer[In, Out]) begin(b *batch[In, Out]) {
	g.open, b.begun = nil, true
	if b.timer != nil {
		b.timer.Stop()
	}
}

// late runs b, unless it has begun or everybody has left.
func (g *gatherer[In, Out]) late(b *batch[In, Out]) {
	g.mu.Lock()
	mine := g.open == b
	if mine {
		g.begin(b)
	}
	g.mu.Unlock()
	if mine {
		b.run()
	}
}

// leave takes m, whose context has ended, out of b. It returns false if m has to wait
// for the function: where nobody else does, the worker must know that it still runs;
// and a worker that ends wants the results.
func (g *gatherer[In, Out]) leave(b *batch[In, Out], m *member[In]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	shutdown := context.Cause(m.ctx) == ErrShutdown //nolint:errorlint // it is the worker who gave the cause
	if b.begun && (shutdown || b.waiting <= 1) {
		return false
	}
	b.waiting--
	g.held--
	if b.begun {
		return true
	}
	b.members = slices.DeleteFunc(b.members, func(o *member[In]) bool { return o == m })
	if b.waiting == 0 {
		g.begin(b) // with nobody in it
	}
	return true
}

// run calls the function.
func (b *batch[In, Out]) run() {
	defer close(b.done)
	ctxs, ins := make([]Context, len(b.members)), make([]In, len(b.members))
	for i, m := range b.members {
		ctxs[i], ins[i], m.place = m.ctx, m.in, i
	}
	ctx, cancel := together(ctxs)
	returned := false
	defer func() {
		if !returned {
			v := recover()
			b.exited = v == nil
			b.thrown = &Panic{v, debug.Stack()}
		}
		cancel()
		b.g.mu.Lock()
		b.g.held -= b.waiting
		b.waiting = 0
		b.g.mu.Unlock()
	}()
	b.results, b.err = b.g.fn(ctx, ins)
	if b.err == nil && len(b.results) != len(ins) {
		b.err = fmt.Errorf("task %q: its function returned %d results for a batch of %d jobs; it must return one for each, in their order", b.g.task, len(b.results), len(ins))
	}
	returned = true
}

// result returns what the function did for member i, in the way it did it.
func (b *batch[In, Out]) result(i int) (out Out, err error) {
	switch {
	case b.exited:
		goruntime.Goexit()
	case b.thrown != nil:
		panic(b.thrown)
	case b.err != nil:
		return out, b.err
	}
	return b.results[i].Value, b.results[i].Err
}

// together returns a context that ends when all of ctxs have, and what frees it.
func together(ctxs []Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(rootless(ctxs))
	var left atomic.Int64
	left.Store(int64(len(ctxs)))
	stops := make([]func() bool, len(ctxs))
	for i, c := range ctxs {
		stops[i] = context.AfterFunc(c, func() {
			if left.Add(-1) == 0 {
				end(context.Cause(c))
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		end(nil)
	}
}

// rootless is the context that the one of a batch is derived from: it has no end, and
// no value but the members.
type rootless []Context

// Deadline implements [context.Context].
func (rootless) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements [context.Context].
func (rootless) Done() <-chan struct{} { return nil }

// Err implements [context.Context].
func (rootless) Err() error { return nil }

// Value implements [context.Context].
func (m rootless) Value(key any) any {
	if _, ok := key.(membersKey); ok {
		return []Context(m)
	}
	return nil
}
