// Package tasktest has a [task.Context] for unit tests of task functions,
// without a broker.
//
//	ctx, rec := tasktest.New(t)
//	tasktest.Answer(rec, Evaluate, func(m Model) (Score, error) { return 0.9, nil })
//	best, err := pick(ctx, models) // posts Evaluate and waits for it
//
// Nothing runs: what the function posts is recorded, and what it waits for is
// answered as the test has said. Delays, keys, retries and timeouts are
// recorded with the calls and otherwise ignored. A [task.Ref] in the input is
// best made with [task.Value].
package tasktest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/gomlq/mlq/task"
)

// An Option changes the job that the function under test runs for.
type Option func(*task.Job)

// Job replaces the whole job; what it leaves out is filled in.
func Job(j task.Job) Option { return func(to *task.Job) { *to = j } }

// Attempt says which attempt it is; the first is 1.
func Attempt(n int) Option { return func(to *task.Job) { to.Attempt = n } }

// Functions says which functions the job names. Default "test".
func Functions(names ...string) Option { return func(to *task.Job) { to.Functions = names } }

// epoch is the time in the ID of a job under test: the same in every run.
const epoch = 1_767_225_600_000 // 2026-01-01, in milliseconds

// New returns the context of a running job, and the recorder of what a function
// does with it. The context ends with the test, or by [Recorder.Stop]. Its
// logger writes to the test's log. tb may be nil, as in an example: then the
// context ends by Stop alone, and nothing is logged.
func New(tb testing.TB, opts ...Option) (task.Context, *Recorder) { //nolint:thelper // tb may be nil
	if tb != nil {
		tb.Helper()
	}
	var j task.Job
	for _, o := range opts {
		o(&j)
	}
	j = complete(j)

	parent := context.Background() // background: only for examples, which have no test to end with
	if tb != nil {
		parent = tb.Context()
	}
	ctx, stop := context.WithCancelCause(parent)
	if tb != nil {
		tb.Cleanup(func() { stop(nil) })
	}
	r := &Recorder{
		stop:    stop,
		answers: make(map[string]func(task.Call) (any, error)),
		jobs:    make(map[task.ID]*job),
		times:   make(map[[32]byte]uint64),
		data:    make(map[string][]byte),
	}
	log := slog.New(task.KeepLog(logger(tb, j).Handler(), slog.LevelDebug, func(l task.LogLine) { r.keep(j.Attempt, l) }))
	a := &attempt{r: r, root: ctx, job: j, log: log}
	return task.NewContext(ctx, a), r
}

// complete fills in what a stored job always has.
func complete(j task.Job) task.Job {
	if len(j.Functions) == 0 {
		j.Functions = []string{"test"}
	}
	j.Spec = j.Spec.WithDefaults(task.Spec{})
	if j.ID.IsZero() {
		j.ID = task.NewID(epoch, task.KindLone, task.ClassFor(j.Spec.Retention), 0, 0, 0)
	}
	j.Lease.ID = j.ID
	j.Attempt = max(j.Attempt, 1)
	return j
}

func logger(tb testing.TB, j task.Job) *slog.Logger { //nolint:thelper // tb may be nil
	if tb == nil {
		return slog.New(slog.DiscardHandler)
	}
	h := slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
	last := j.Functions[len(j.Functions)-1]
	return slog.New(h).With(slog.String("job", j.ID.String()), slog.String("function", last), slog.Int("attempt", j.Attempt))
}

// Posted returns the calls that were posted, in order, with their IDs. A call
// that was posted again under its own ID is there once. Payload.Decode gives
// its input.
func (r *Recorder) Posted() []task.Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.posted)
}

// Submitted returns the plans that were submitted, in order.
func (r *Recorder) Submitted() []task.Plan {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.plans)
}

// Cancelled returns the jobs and runs that the function asked to cancel, in order.
func (r *Recorder) Cancelled() []task.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.cancelled)
}

// Notes returns what the function said of itself, in order.
func (r *Recorder) Notes() []task.Note {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.notes)
}

// Progress returns the progress that the function told last, with the text that
// it gave last.
func (r *Recorder) Progress() (percent float64, text string) {
	for _, n := range r.Notes() {
		if n.Progress != nil {
			percent = *n.Progress
		}
		if n.Text != nil {
			text = *n.Text
		}
	}
	return percent, text
}

// Short returns the short result that the function set last.
func (r *Recorder) Short() string {
	s := ""
	for _, n := range r.Notes() {
		if n.Short != nil {
			s = *n.Short
		}
	}
	return s
}

// keep takes a line that the function has logged.
func (r *Recorder) keep(attempt int, l task.LogLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.Attempt, l.Seq = attempt, uint64(len(r.logs))+1
	r.logs = append(r.logs, l)
}

// Logs returns what the function has logged, of all levels, in order.
func (r *Recorder) Logs() []task.LogLine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.logs)
}

// SetCheckpoint gives the job a checkpoint, as an earlier attempt would have left it.
func (r *Recorder) SetCheckpoint(v any) error {
	d, err := task.Encode(v)
	if err == nil {
		err = task.CheckCheckpoint(d)
	}
	if err != nil {
		return fmt.Errorf("tasktest: the checkpoint: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checkpoint = &d
	return nil
}

// Checkpoint decodes the last checkpoint into what the pointer into points to, and
// returns false if there is none.
func (r *Recorder) Checkpoint(into any) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.checkpoint == nil {
		return false, nil
	}
	return true, r.checkpoint.Decode(into)
}

// Stop ends the context of the function with a cause: [task.ErrShutdown],
// [task.ErrTimeout], [task.ErrCancelled] or [task.ErrLeaseLost].
func (r *Recorder) Stop(cause error) { r.stop(cause) }
