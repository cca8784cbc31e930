package task

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Port is the door to a queue that a context carries. The runtime package has
// it for clients and for running jobs, tasktest for tests. All methods are safe
// for concurrent use.
type Port interface {
	// Post stores calls and returns their IDs, which it also writes into calls.
	// The error is a [*PostError] where some calls may be posted.
	Post(ctx context.Context, calls []Call) ([]ID, error)
	// Await returns the ends of all ids, in their order. Within an attempt it
	// gives the slot back while it waits.
	Await(ctx context.Context, ids []ID) ([]Settled, error)
	// Read returns what is known of each id; [ErrUnknown] or [ErrExpired]
	// unless all are known.
	Read(ctx context.Context, ids []ID) ([]Record, error)
	// Cancel ends a job or a run as cancelled and returns the state it has then,
	// which is another one if it had ended before.
	Cancel(ctx context.Context, id ID) (State, error)
	Runs
	Storage
}

// Runs is the part of a [Port] that is about runs.
type Runs interface {
	// Submit stores a plan whole or not at all.
	Submit(ctx context.Context, p Plan) (RunID, error)
	// Run returns what is known of a run; [ErrUnknown] or [ErrExpired] if nothing is.
	Run(ctx context.Context, id RunID) (RunRecord, error)
	// Events returns the next events of a run after the one with that number, a bounded
	// number of them; none if there are none yet, or it keeps none.
	Events(ctx context.Context, id RunID, after uint64) ([]Event, error)
	// Pause keeps what has not started of a run from starting, until Resume.
	Pause(ctx context.Context, id RunID) (State, error)
	// Resume lets a run that has failed or was cancelled go on from where it was, and
	// one that is paused go on. It returns the state that the run has then.
	Resume(ctx context.Context, id RunID) (State, error)
}

// Attempt is the port of a running job, with what only a running job has.
type Attempt interface {
	Port
	Job() Job
	// Note stores what the attempt says of itself; [ErrLeaseLost] if it is not
	// the owner any more.
	Note(ctx context.Context, n Note) error
	// Checkpoint returns what the job has kept last with [Note.Checkpoint], whichever
	// attempt it was; false if there is nothing.
	Checkpoint(ctx context.Context) (Data, bool, error)
	// Element returns the element that the job is for, of one whose own
	// [Job.Element] does not have it.
	Element(ctx context.Context) (Data, error)
	Logger() *slog.Logger
}

type portKey struct{}

// WithPort returns a context with a queue behind it.
func WithPort(ctx context.Context, p Port) context.Context {
	return context.WithValue(ctx, portKey{}, p)
}

func port(ctx context.Context) (Port, error) {
	p, ok := ctx.Value(portKey{}).(Port)
	if !ok {
		return nil, ErrNoPort
	}
	return p, nil
}

// Context is what a task function is given: a context.Context that ends when
// the attempt must end, with the verbs of a running job. Contexts derived from
// it (with a timeout, by an errgroup or a tracer) lead to the same queue; [From]
// finds the Context in them again.
//
// The cause of its end ([context.Cause]) is [ErrCancelled], [ErrTimeout],
// [ErrLeaseLost] or [ErrShutdown].
type Context struct {
	context.Context
	a Attempt
}

// NewContext returns the Context of attempt a.
func NewContext(ctx context.Context, a Attempt) Context { return Context{WithPort(ctx, a), a} }

// From finds the Context of the running job that ctx was derived from, keeping
// ctx's deadline and values; false if there is none.
func From(ctx context.Context) (Context, bool) {
	if c, ok := ctx.(Context); ok {
		return c, true
	}
	a, ok := ctx.Value(portKey{}).(Attempt)
	return Context{ctx, a}, ok
}

// Job returns the job that runs: its ID, message, attempt and options.
func (c Context) Job() Job { return c.a.Job() }

// Logger returns a logger that has the job's ID, function and attempt. Its lines go to the
// log of the process, and those that the worker keeps (by default from [slog.LevelInfo] on)
// are also kept with the job, the last [MaxLogLines] and [MaxLogBytes] of them. To log never
// waits for the broker: the lines are sent once a second, and when the attempt has ended.
func (c Context) Logger() *slog.Logger { return c.a.Logger() }

// UpdateProgress tells how far the job is, in percent from 0 to 100, and
// optionally what it is doing. It costs a round trip; [ErrLeaseLost] says that
// the attempt should stop.
func (c Context) UpdateProgress(percent float64, note ...string) error {
	if !(percent >= 0 && percent <= 100) {
		return fmt.Errorf("%w: progress is %v, want 0 to 100", ErrInvalid, percent)
	}
	n := Note{Progress: &percent}
	if len(note) > 0 {
		text := clip(note[0], MaxMessage)
		n.Text = &text
	}
	return c.a.Note(c, n)
}

// SetShortResult keeps a line of text with the job, beside its result: for
// lists, callbacks and people. It is cut at [MaxMessage] bytes.
func (c Context) SetShortResult(s string) error {
	s = clip(s, MaxMessage)
	return c.a.Note(c, Note{Short: &s})
}

// Post queues a prepared call from within the job. Typed tasks have a Post of
// their own.
func (c Context) Post(call Call) (ID, error) {
	if call.err != nil {
		return ID{}, call.err
	}
	ids, err := c.a.Post(c, []Call{call})
	if err != nil {
		return ID{}, single(err)
	}
	return ids[0], nil
}

// BlockUntilResult waits for job id and decodes its result into the value that
// into points to; nil throws the result away. The slot of this job is free for
// others meanwhile. The error is a [*JobError] if the job did not succeed,
// [ErrCycle] if it waits for this one.
func (c Context) BlockUntilResult(id ID, into any) error {
	if into != nil {
		if err := checkPointer(into); err != nil {
			return err // before the wait, not after
		}
	}
	s, err := await(c, c.a, id)
	if err != nil || into == nil {
		return err
	}
	return settled(c, c.a, s, into)
}

// WithTimeout is [context.WithTimeout] for a Context.
func (c Context) WithTimeout(d time.Duration) (Context, context.CancelFunc) {
	x, cancel := context.WithTimeout(c.Context, d)
	return Context{x, c.a}, cancel
}
