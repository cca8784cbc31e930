package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomlq/mlq/task"
)

// Worker claims jobs and runs them. Make one with [NewWorker].
type Worker struct {
	b          Broker
	cfg        Config
	log        *slog.Logger
	complaints complaints
	functions  atomic.Pointer[registry]
	changing   sync.Mutex      // of functions, and of telling the broker of them
	poster     poster          // of jobs
	through    task.InvokeFunc // nil without middleware
	scheduler  *Scheduler      // nil for none

	started   atomic.Bool
	begun     time.Time
	end       context.CancelFunc // ends the working, and lets it drain
	closed    atomic.Bool        // the broker was closed
	dismissed atomic.Bool        // an operator has asked it to end
	base      context.Context    // of every attempt; does not end
	pool      *pool
	runners   *runners
	scribe    *scribe
	abandoned atomic.Int64
}

// NewWorker returns a worker that runs jobs of the tasks hs. It reports every
// fault of c and hs at once; such an error wraps [task.ErrInvalid] where it is
// about a name or a task. It does not talk to b.
func NewWorker(b Broker, c Config, hs ...task.Handler) (*Worker, error) {
	c = c.withDefaults(hs)
	functions, err := newRegistry(hs, c.Slots)
	var missing error
	if b == nil {
		missing = errors.New("runtime: the broker is nil; open one with broker.Open")
	}
	scheduler, bad := schedulerOf(b, c)
	w := &Worker{b: b, cfg: c, runners: newRunners(), scheduler: scheduler}
	w.functions.Store(functions)
	if err := errors.Join(missing, c.validate(), err, w.wrap(), bad); err != nil {
		return nil, err
	}
	w.pool = newPool(c.Slots, c.MaxBlocked)
	w.log = c.Logger.With("worker", c.Name)
	w.complaints.log = w.log
	w.scribe = newScribe(b, w.log)
	if o, ok := c.Observer.(PostObserver); ok {
		w.poster.observers = []PostObserver{o}
	}
	return w, nil
}

// wrap puts the middleware around attempts and posts.
func (w *Worker) wrap() error {
	var errs [2]error
	if len(w.cfg.Middleware) > 0 {
		w.through, errs[0] = task.InvokeFunc(last).Through(w.cfg.Middleware...)
	}
	w.poster, errs[1] = w.poster.with(w.cfg.PostMiddleware)
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("runtime: %w", err)
		}
	}
	return errors.Join(errs[:]...)
}

// schedulerOf returns the scheduler that a worker runs, nil for none.
func schedulerOf(b Broker, c Config) (*Scheduler, error) {
	if len(c.Schedules) == 0 || b == nil {
		return nil, nil
	}
	keeper, ok := b.(Schedules)
	if !ok {
		return nil, errors.New("runtime: Schedules is set, but this broker keeps none; use one of package broker")
	}
	return NewScheduler(keeper, SchedulerConfig{Logger: c.Logger}, c.Schedules...)
}

// schedule posts the jobs of schedules until ctx ends.
func (w *Worker) schedule(ctx context.Context) {
	if err := w.scheduler.Run(ctx); err != nil && !w.deserted(err) {
		w.log.Error("the schedules of this worker are refused; it goes on without", "error", err)
	}
}

// Abandoned returns how many attempts go on although they were given up: their
// contexts have ended, and AbandonAfter has passed since. Each is a goroutine
// that is lost to the process until the task function returns.
func (w *Worker) Abandoned() int { return int(w.abandoned.Load()) }

// LogLinesLost returns how many lines that jobs have logged could not be kept with them:
// the broker was out of reach for too long, or refused them. They are in the log of the
// process. It grows, and does not fall.
func (w *Worker) LogLinesLost() int { return int(w.scribe.lost.Load()) }

// Run joins the broker and works until ctx ends, or an operator asks the worker to end, by
// the broker's Shutdown; then it drains: it claims
// nothing more, lets the attempts end for Config.Grace, ends the contexts of
// those left with [task.ErrShutdown], hands their jobs back, and leaves.
//
// It returns nil after a clean drain, whoever has asked for it, else how many attempts it had to leave
// behind or could not report. It returns at once with the broker's error if the
// broker refuses the worker; one that cannot be reached is waited for. If the broker
// is closed before Run has returned, nothing can be reported any more: Run ends the
// contexts of its attempts with [task.ErrLeaseLost], and returns an error that wraps
// [task.ErrClosed]. A worker runs once.
func (w *Worker) Run(ctx context.Context) error {
	if !w.started.CompareAndSwap(false, true) {
		return errors.New("runtime: this worker has run already; make another one with NewWorker")
	}
	if name, meant := misspelt(w.cfg.Queues, queuesOf(w.functions.Load().all())); name != "" {
		w.log.Warn("no task is defined for a queue of this worker; is it misspelt?", "queue", name, "meant", meant)
	}
	w.begun = time.Now()
	// Attempts and calls must outlive ctx: the drain needs them.
	w.base = context.WithoutCancel(ctx)
	calls, stop := context.WithCancel(w.base)
	defer stop()
	ctx, w.end = context.WithCancel(ctx)
	defer w.end()
	s, err := w.join(ctx, calls, func(err error) bool {
		return errors.Is(err, task.ErrUnavailable) && !errors.Is(err, task.ErrClosed)
	})
	switch {
	case s == nil && ctx.Err() != nil:
		return nil
	case s == nil:
		return fmt.Errorf("runtime: join the broker: %w", err)
	}
	for i := range w.b.Partitions() {
		w.pool.parts = append(w.pool.parts, newPart(i))
	}
	w.open(calls, s)
	defer close(w.runners.quit)

	var wg sync.WaitGroup
	for _, p := range w.pool.parts {
		wg.Go(func() { w.fetch(calls, p) })
	}
	wg.Go(func() { w.heart(ctx, calls, s) })
	wg.Go(func() { w.watchdog(calls) })
	wg.Go(func() { w.pace(ctx) })
	rest := w.scribe.begin(calls)
	if !w.cfg.NoTick {
		wg.Go(func() { w.tick(ctx, calls) })
	}
	if w.scheduler != nil {
		wg.Go(func() { w.schedule(ctx) })
	}
	<-ctx.Done()
	err = w.drain()
	rest()
	stop()
	wg.Wait()
	w.leave()
	if w.closed.Load() {
		err = errors.Join(fmt.Errorf("runtime: %w under worker %q; close it after Run has returned", task.ErrClosed, w.cfg.Name), err)
	}
	return err
}

// self is what the worker says of itself when it has the functions of r.
func (w *Worker) self(r *registry) task.Worker {
	return task.Worker{
		Name: w.cfg.Name, Host: host(), PID: os.Getpid(),
		Queues: w.cfg.Queues, Functions: r.names, Listeners: len(r.listeners) > 0,
		Slots: w.cfg.Slots, LeaseTTL: w.cfg.LeaseTTL, Started: w.begun,
	}
}
