package task

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
)

// None is the input or the output of a task that has none.
type None struct{}

// Decl is a task without its function: what a producer needs. Make one with
// [Declare]. It is a value and safe for concurrent use.
type Decl[In, Out any] struct {
	name      string
	functions []string
	spec      Spec
	listener  bool
	work      *work // never nil, but in a zero Decl
	err       error
}

// Task is a [Decl] with its function: what a worker runs. Make one with
// [Define], or with [Decl.Handle].
type Task[In, Out any] struct {
	Decl[In, Out]
	fn      func(Context, In) (Out, error)
	through InvokeFunc    // nil without middleware
	steps   []upgrade     // from the oldest version on
	newest  *atomic.Int64 // version of a payload that was complained of
	// gather returns the function for a worker with that many slots; nil unless the
	// task takes batches.
	gather func(slots int) func(Context, In) (Out, error)
}

// Typed is a [Decl] or a [Task] that takes an In and gives an Out.
type Typed[In, Out any] interface {
	Call(in In, opts ...PostOption) Call
	typed(In) Out
}

// Handler is a [Task] of any type: what a worker is started with.
type Handler interface {
	Name() string
	// Aliases returns the names that it had before, and whose jobs it runs too.
	Aliases() []string
	// Defaults is how jobs are run that do not say it themselves.
	Defaults() Spec
	// Listens reports whether it takes messages without a function filter.
	Listens() bool
	// Err returns what is wrong with the definition, nil if nothing is.
	Err() error
	// ForWorker returns the handler as one worker with that many slots has it: jobs
	// that are gathered into batches are gathered on one worker.
	ForWorker(slots int) Handler
	// Invoke decodes the payload, calls the function and encodes what it returns.
	Invoke(ctx Context, payload Data) (Data, error)
}

// Declare names a task and its types. A name or an option that is not allowed
// is reported by the first Post, and when a worker is made.
func Declare[In, Out any](name string, opts ...DefineOption) Decl[In, Out] {
	var def definition
	for _, o := range opts {
		o.define(&def)
	}
	return declare[In, Out](name, &def)
}

func declare[In, Out any](name string, def *definition) Decl[In, Out] {
	d := Decl[In, Out]{name: name, functions: []string{name}, spec: def.spec, listener: def.listener, work: &def.work}
	if v := def.version; v > 0 {
		d.spec.Headers = map[string]string{VersionHeader: strconv.Itoa(v)}
	}
	d.err = d.check()
	return d
}

func (d Decl[In, Out]) check() error {
	err := errors.Join(CheckName("task", d.name), d.spec.Validate())
	if d.work != nil {
		err = errors.Join(err, d.work.check(d.name))
	}
	if err != nil {
		err = fmt.Errorf("task %q: %w", d.name, err)
	}
	return err
}

// Define names a task function. The function may be called several times for
// one job, and at once with other jobs; see the package comment for what its
// error means. Dependencies come as method values: Define("mail", svc.send).
func Define[In, Out any](name string, fn func(Context, In) (Out, error), opts ...DefineOption) Task[In, Out] {
	return Declare[In, Out](name, opts...).Handle(fn)
}

// Handle binds d to its function.
func (d Decl[In, Out]) Handle(fn func(Context, In) (Out, error)) Task[In, Out] {
	if fn == nil {
		d.err = errors.Join(d.err, fmt.Errorf("task %q: %w: its function is nil", d.name, ErrInvalid))
	}
	return Task[In, Out]{Decl: d, fn: fn}.ready()
}

// ready returns t as a worker can have it.
func (t Task[In, Out]) ready() Task[In, Out] {
	t.newest = new(atomic.Int64)
	return t.versioned().wrapped()
}

// wrapped returns t with its middleware around it.
func (t Task[In, Out]) wrapped() Task[In, Out] {
	if t.work == nil || len(t.work.use) == 0 {
		return t
	}
	through, err := InvokeFunc(t.invoke).Through(t.work.use...)
	if err != nil {
		t.err = errors.Join(t.err, fmt.Errorf("task %q: %w", t.name, err))
	}
	t.through = through
	return t
}

// Action adapts a function that returns nothing but an error.
func Action[In any](fn func(Context, In) error) func(Context, In) (None, error) {
	if fn == nil {
		return nil
	}
	return func(c Context, in In) (None, error) { return None{}, fn(c, in) }
}

// Plain adapts a function that knows nothing of this package.
func Plain[In, Out any](fn func(context.Context, In) (Out, error)) func(Context, In) (Out, error) {
	if fn == nil {
		return nil
	}
	return func(c Context, in In) (Out, error) { return fn(c, in) }
}

// Name returns the task's name.
func (d Decl[In, Out]) Name() string { return d.name }

// Defaults returns the options the task was declared with.
func (d Decl[In, Out]) Defaults() Spec { return d.spec }

// Listens reports whether the task was declared with [Listener].
func (d Decl[In, Out]) Listens() bool { return d.listener }

// Aliases returns the names that the task had before.
func (d Decl[In, Out]) Aliases() []string {
	if d.work == nil {
		return nil
	}
	return d.work.aliases
}

// Err returns what is wrong with the declaration, nil if nothing is.
func (d Decl[In, Out]) Err() error {
	if d.functions == nil {
		return fmt.Errorf("%w: a zero Decl or Task; make it with task.Declare or task.Define", ErrInvalid)
	}
	return d.err
}

// With returns d with other options, for use in one place.
func (d Decl[In, Out]) With(opts ...Option) Decl[In, Out] {
	for _, o := range opts {
		o.post(&d.spec)
	}
	d.err = d.check()
	return d
}

// Call prepares a job without posting it. What is wrong with it is said by
// [Call.Err] and by whoever is asked to post it.
func (d Decl[In, Out]) Call(in In, opts ...PostOption) Call {
	c := Call{Functions: d.functions, Spec: d.spec, err: d.Err()}
	if len(opts) > 0 {
		c.Spec = specified(c.Spec, opts)
		if err := c.Spec.Validate(); err != nil && c.err == nil {
			c.err = fmt.Errorf("task %q: %w", d.name, err)
		}
	}
	if c.err != nil {
		return c
	}
	var err error
	if c.Payload, err = encode(in); err != nil {
		c.err = fmt.Errorf("task %q: %w", d.name, err)
	}
	return c
}

// specified returns s as opts have it. What they are given is moved to the heap:
// here, so that a call without options is not.
func specified(s Spec, opts []PostOption) Spec {
	for _, o := range opts {
		o.post(&s)
	}
	return s
}

// Post queues a job and returns its handle. ctx must lead to a queue (see
// [ErrNoPort]). When Post returns without error the job is stored; with
// [ErrUnavailable] it may or may not be. A post inside a task is repeated
// harmlessly when the task is retried: the same call, in the same order of
// equal calls, is the same job.
func (d Decl[In, Out]) Post(ctx context.Context, in In, opts ...PostOption) (Handle[Out], error) {
	return d.post(ctx, d.Call(in, opts...))
}

func (d Decl[In, Out]) post(ctx context.Context, c Call) (Handle[Out], error) {
	if c.err != nil {
		return Handle[Out]{}, c.err
	}
	p, err := port(ctx)
	if err != nil {
		return Handle[Out]{}, err
	}
	ids, err := p.Post(ctx, []Call{c})
	if err != nil {
		return Handle[Out]{}, single(err)
	}
	return Handle[Out]{ids[0], p}, nil
}

// single takes the index out of an error about one call.
func single(err error) error {
	if pe, ok := errors.AsType[*PostError](err); ok {
		return pe.Err
	}
	return err
}

// PostMany queues one job for each input, in order and in few round trips. An
// input or option that is refused is found before anything is posted. Beyond
// that it is not atomic: after a [PostError] some may be posted. To be able to
// repeat it safely, prepare the calls and use the package's [PostMany].
func (d Decl[In, Out]) PostMany(ctx context.Context, ins []In, opts ...PostOption) ([]Handle[Out], error) {
	p, err := port(ctx)
	if err != nil {
		return nil, err
	}
	calls := make([]Call, len(ins))
	for i, in := range ins {
		calls[i] = d.Call(in, opts...)
	}
	if err := callErr(calls); err != nil {
		return nil, err
	}
	ids, err := p.Post(ctx, calls)
	hs := make([]Handle[Out], len(ids))
	for i, id := range ids {
		hs[i] = Handle[Out]{id, p}
	}
	return hs, err
}

// PostMany queues prepared calls of any types, in order and in few round trips,
// and returns their IDs. It writes the IDs into calls before it sends anything:
// after an error, posting the same slice again posts nothing twice. A call that
// has an error is found before anything is posted.
func PostMany(ctx context.Context, calls []Call) ([]ID, error) {
	if err := callErr(calls); err != nil {
		return nil, err
	}
	p, err := port(ctx)
	if err != nil {
		return nil, err
	}
	return p.Post(ctx, calls)
}

// callErr returns the error of the first call that has one.
func callErr(calls []Call) error {
	for i := range calls {
		if err := calls[i].err; err != nil {
			return fmt.Errorf("call %d: %w", i, err)
		}
	}
	return nil
}

// Do posts a job and waits for its result: [Decl.Post] and [Handle.Wait] with
// one round trip less. When ctx ends first the job is not cancelled.
func (d Decl[In, Out]) Do(ctx context.Context, in In, opts ...PostOption) (Out, error) {
	c := d.Call(in, opts...)
	c.Notify = true
	h, err := d.post(ctx, c)
	if err != nil {
		var zero Out
		return zero, err
	}
	return h.Wait(ctx)
}

// ForWorker implements [Handler].
func (t Task[In, Out]) ForWorker(slots int) Handler {
	if t.gather == nil {
		return t
	}
	t.fn = t.gather(slots)
	return t.wrapped()
}

// Invoke implements [Handler].
func (t Task[In, Out]) Invoke(ctx Context, payload Data) (Data, error) {
	if t.through != nil {
		return t.through(ctx, payload)
	}
	return t.invoke(ctx, payload)
}

// invoke calls the function.
func (t Task[In, Out]) invoke(ctx Context, payload Data) (Data, error) {
	in, err := t.input(ctx, payload)
	if _, made := errors.AsType[*upgradeError](err); !made && errors.Is(err, ErrInvalid) {
		err = Permanent(&DecodeError{Task: t.name, Err: err})
	}
	if err != nil {
		return Data{}, err
	}
	out, err := t.fn(ctx, in)
	if err != nil {
		return Data{}, err
	}
	d, err := encode(out)
	if err != nil {
		return Data{}, Permanent(err)
	}
	return d, nil
}

// take returns the input that a payload is or stands for.
func take[In any](ctx Context, payload Data) (in In, err error) {
	s, stands, err := resolve(ctx, payload)
	switch {
	case err != nil:
	case stands:
		err = settled(ctx, ctx.a, s, &in)
	default:
		in, err = decode[In](payload)
	}
	return in, err
}

// DecodeError says that a payload is not the input of the task.
type DecodeError struct {
	Task string
	Err  error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("task %q: the payload is not its input: %v", e.Task, e.Err)
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

func (d Decl[In, Out]) typed(In) (out Out) { return out }
