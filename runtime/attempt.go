package runtime

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomlq/mlq/task"
)

// attempt is one run of a job. It is the [task.Attempt] that the task function
// finds behind its context.
type attempt struct {
	w      *Worker
	s      *session // under which its job was claimed
	p      *part
	job    task.Job       // with the defaults of its functions
	todo   []task.Handler // in this order
	width  *task.Width    // of the job of a map that has seen its list
	ctx    context.Context
	cancel context.CancelCauseFunc
	expire context.CancelFunc // frees the timer of the time-out; nil if there is none

	ended atomic.Bool // who sets it reports the attempt: its goroutine or the watchdog

	// The pool's lock guards these.
	place    int           // in pool.attempts
	deadline time.Time     // when it is abandoned; zero if nothing has ended its context
	waits    int           // goroutines of it that wait for other jobs
	slot     bool          // it has one
	wants    bool          // it wants one back; then resumed is closed when it has it
	inLine   bool          // it is in pool.line
	resumed  chan struct{} // see wants

	extras atomic.Pointer[extras] // nil until something of it is needed
}

// extras are what an attempt has that many attempts do without: a job that does little
// costs its process what is made for it.
type extras struct {
	mu       sync.Mutex         // guards these
	observed func(task.Outcome) // tells the observer
	note     task.Note          // all that it has said of itself
	log      *slog.Logger       // the process's
	kept     *slog.Logger       // that of the function, whose lines are kept
	diary    *diary             // of kept

	noting sync.Mutex   // held while a note is sent, so that none overtakes another
	edges  sync.RWMutex // held for writing while its edges of the wait graph are removed
	births births
}

// extra returns the extras of a, and makes them if need be.
func (a *attempt) extra() *extras {
	if e := a.extras.Load(); e != nil {
		return e
	}
	a.extras.CompareAndSwap(nil, new(extras))
	return a.extras.Load()
}

// newAttempt makes the attempt of a job that was claimed under s in p.
func (w *Worker) newAttempt(s *session, p *part, j *task.Job) *attempt {
	a := &attempt{w: w, s: s, p: p, job: *j}
	var under task.Spec
	if j.Fault == nil {
		a.todo, a.job.Fault = w.functions.Load().find(j.Functions)
	}
	if a.job.Fault == nil {
		under = a.todo[0].Defaults()
	}
	a.job.Spec = j.Spec.WithDefaults(under)
	a.ctx, a.cancel = context.WithCancelCause(w.base)
	if d := a.job.Spec.Timeout; d > 0 {
		a.deadline = time.Now().Add(d).Add(w.cfg.AbandonAfter)
		a.ctx, a.expire = context.WithTimeoutCause(a.ctx, d, task.ErrTimeout)
	}
	return a
}

// release frees what the context holds.
func (a *attempt) release() {
	a.cancel(nil)
	if a.expire != nil {
		a.expire()
	}
}

// run runs the attempt and reports it.
func (a *attempt) run() {
	out, err := task.Data{}, errExited // unless the functions return
	defer func() {                     // even if they end the goroutine
		if !a.end(out, err) {
			a.w.abandoned.Add(-1)
		}
		a.release()
	}()
	out, err = a.call()
}

// call calls the functions one after the other, through the middleware, and returns
// what the last one returned. A panic is an error.
func (a *attempt) call() (out task.Data, err error) {
	defer func() {
		if v := recover(); v != nil {
			out, err = task.Data{}, newPanicError(v)
		}
	}()
	if a.job.Fault != nil {
		return task.Data{}, refusal(a.job.Fault)
	}
	ctx := task.NewContext(a.observe(), a)
	out, err = task.Data{}, errExited // stays if a panic(nil) is let through by GODEBUG=panicnil=1
	switch {
	case a.job.Map != nil && a.job.Element == nil:
		return task.Data{}, a.look(ctx)
	case a.w.through != nil:
		return a.w.through(ctx.WithValue(attemptKey{}, a), a.job.Payload)
	default:
		return a.invoke(ctx, a.job.Payload)
	}
}

// invoke calls the functions: the middleware of the worker is around it.
func (a *attempt) invoke(ctx task.Context, payload task.Data) (out task.Data, err error) {
	for _, h := range a.todo {
		if out, err = h.Invoke(ctx, payload); err != nil {
			return task.Data{}, err
		}
	}
	return out, nil
}

// look is what the job of a map does: it stores its list for its children.
func (a *attempt) look(ctx task.Context) error {
	w, elements, err := a.job.Map.Look(ctx)
	if err != nil {
		return err
	}
	if w.First == 0 {
		if w.Chunk, err = a.w.b.Spread(ctx, a.job.Lease, elements); err != nil {
			return err
		}
	}
	a.width = &w
	return nil
}

// observe tells the observer that the attempt begins, and returns its context.
func (a *attempt) observe() context.Context {
	o := a.w.cfg.Observer
	if o == nil {
		return a.ctx
	}
	ctx, end := o.Attempt(a.ctx, a.job)
	e := a.extra()
	e.mu.Lock()
	e.observed = end
	e.mu.Unlock()
	return ctx
}

// end reports how the attempt ended; false if that was done before.
func (a *attempt) end(out task.Data, err error) bool {
	if !a.ended.CompareAndSwap(false, true) {
		return false
	}
	cause := context.Cause(a.ctx)
	o := a.outcome(out, err, cause)
	a.mention(&o)
	a.tell(o, cause)
	a.w.pool.settle(a, o)
	a.close()
	return true
}

// outcome returns what to report; without a verdict there is nothing to report.
func (a *attempt) outcome(out task.Data, err, cause error) task.Outcome {
	r := a.judge(err, cause)
	o := task.Outcome{Lease: a.job.Lease, Verdict: r.verdict, Delay: r.delay, Note: a.noted()}
	if r.verdict == task.Succeed {
		o.Result = out
		if a.width != nil {
			o.Verdict, o.Width = task.Expand, a.width
		}
	}
	if r.failure.Kind != "" {
		o.Failure = r.failure.Clip()
		o.Failure.Attempt, o.Failure.Worker, o.Failure.At = a.job.Attempt, a.w.cfg.Name, time.Now()
		o.Failure.Node = a.job.Title()
	}
	return o
}

// judge is the function judge, proof against errors whose methods panic.
func (a *attempt) judge(err, cause error) (r ruling) {
	defer func() {
		if v := recover(); v != nil {
			r = judge(&a.job, newPanicError(v), cause, rand.Int64N)
		}
	}()
	return judge(&a.job, err, cause, rand.Int64N)
}

// tell tells the observer that the attempt is over.
func (a *attempt) tell(o task.Outcome, cause error) {
	e := a.extras.Load()
	if e == nil {
		return
	}
	e.mu.Lock()
	end := e.observed
	e.mu.Unlock()
	if end == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			a.logger().Error("the observer panicked", "error", newPanicError(v))
		}
	}()
	if o.Verdict == 0 && cause == task.ErrCancelled { //nolint:errorlint // it is the worker who gave the cause
		o.Verdict = task.CancelJob
	}
	end(o)
}

// mention logs an attempt that failed.
func (a *attempt) mention(o *task.Outcome) {
	if o.Failure.Kind == "" {
		return
	}
	level := slog.LevelInfo
	switch o.Verdict {
	case task.Fail:
		level = slog.LevelError
	case task.Retry:
		level = slog.LevelWarn
	default: // its own wish
	}
	log := a.logger()
	if !log.Enabled(a.ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.Any("verdict", o.Verdict), slog.String("kind", o.Failure.Kind), slog.String("error", o.Failure.Message)}
	if o.Verdict == task.Retry {
		attrs = append(attrs, slog.Duration("delay", o.Delay))
	}
	if o.Failure.Stack != "" {
		attrs = append(attrs, slog.String("stack", o.Failure.Stack))
	}
	log.LogAttrs(a.ctx, level, "attempt failed", attrs...)
}

// logger returns the process's log, with what the attempt is.
func (a *attempt) logger() *slog.Logger {
	e := a.extra()
	e.mu.Lock()
	defer e.mu.Unlock()
	return a.named(e)
}

// named is logger while the lock of e is held.
func (a *attempt) named(e *extras) *slog.Logger {
	if e.log == nil {
		e.log = a.w.log.With("job", a.job.ID.String(), "task", strings.Join(a.job.Functions, "+"), "attempt", a.job.Attempt)
	}
	return e.log
}

// Logger implements [task.Attempt]: its lines are kept with the job, too.
func (a *attempt) Logger() *slog.Logger {
	e := a.extra()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.kept == nil {
		d := &diary{lease: a.job.Lease}
		e.diary = d
		e.kept = slog.New(task.KeepLog(a.named(e).Handler(), a.w.cfg.LogLevel, func(l task.LogLine) {
			l.Attempt = a.job.Attempt
			a.w.scribe.add(d, l)
		}))
	}
	return e.kept
}

// close has the last lines of the attempt sent.
func (a *attempt) close() {
	e := a.extras.Load()
	if e == nil {
		return
	}
	e.mu.Lock()
	d := e.diary
	e.mu.Unlock()
	if d != nil {
		a.w.scribe.ended(d)
	}
}
