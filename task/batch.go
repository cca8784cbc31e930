package task

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Defaults and limits of a task that [DefineBatch] makes.
const (
	DefaultMaxBatch   = 32                   // jobs
	DefaultBatchDelay = 5 * time.Millisecond // little beside a network's round trip and a model's run
	MaxMaxBatch       = 10_000               // jobs: more do not gain anything by being together
	MaxBatchDelay     = time.Minute          // slots are held meanwhile
)

// A BatchOption goes with [DefineBatch]; each [DefineOption] does too.
type BatchOption interface{ batch(*definition) }

type batchOnly func(*definition)

func (f batchOnly) batch(d *definition) { f(d) }

func (f both) batch(d *definition)       { f(&d.spec) }
func (f defineOnly) batch(d *definition) { f(d) }

// MaxBatch bounds how many jobs the function is given at once. Default 32, 1 to 10,000.
func MaxBatch(n int) BatchOption {
	return batchOnly(func(d *definition) {
		if n == 0 {
			n = -1 // a mistake, not a wish for the default
		}
		d.maxBatch = n
	})
}

// BatchDelay bounds how long a job waits for others, by the worker's own clock.
// Default 5 ms, above 0 and at most a minute.
func BatchDelay(d time.Duration) BatchOption {
	return batchOnly(func(def *definition) {
		if d == 0 {
			d = -1 // nobody would ever be waited for
		}
		def.batchDelay = d
	})
}

// DefineBatch names a function that does many jobs at once cheaper than one after the
// other, as the inference of a model does. The jobs are posted one by one, and each is
// a job as any other: it has its own result, error, retries, time-out and end. Those
// that one worker runs at the same time reach the function together.
//
// A batch begins when it has [MaxBatch] jobs, when [BatchDelay] has passed since its
// first one, or when no more can come, because jobs of this task hold all slots of the
// worker. So it has at most as many jobs as the worker has slots: give the worker that
// many. A job that waits in a batch holds its slot.
//
// The function returns one result for each input, in their order; the Err of a result
// is the error of that job alone, with all that the package comment says of verdicts.
// An error of the function, a panic, or another number of results is each job's.
//
// A job that is cancelled, times out, or is lost while the batch runs leaves it: the
// others go on, and what the function returns for it is dropped. The function's
// context ends when those of all its jobs have. It leads to no queue, for it is no
// job's: [Members] has the context of each.
//
// In a unit test, outside of a worker, each job is a batch of its own.
func DefineBatch[In, Out any](name string, fn func(context.Context, []In) ([]Result[Out], error), opts ...BatchOption) Task[In, Out] {
	def := definition{maxBatch: DefaultMaxBatch, batchDelay: DefaultBatchDelay}
	for _, o := range opts {
		o.batch(&def)
	}
	d := declare[In, Out](name, &def)
	d.err = errors.Join(d.err, def.checkBatch(name))
	if fn == nil {
		return d.Handle(nil)
	}
	t := Task[In, Out]{Decl: d}
	t.gather = func(slots int) func(Context, In) (Out, error) {
		g := &gatherer[In, Out]{task: name, fn: fn, size: def.maxBatch, delay: def.batchDelay, slots: slots}
		return g.do
	}
	t.fn = t.gather(1)
	return t.ready()
}

func (def *definition) checkBatch(name string) error {
	var errs []error
	if n := def.maxBatch; n < 1 || n > MaxMaxBatch {
		errs = append(errs, fmt.Errorf("task %q: %w: MaxBatch is %d, want 1 to %d", name, ErrInvalid, max(n, 0), MaxMaxBatch))
	}
	if d := def.batchDelay; d <= 0 || d > MaxBatchDelay {
		errs = append(errs, fmt.Errorf("task %q: %w: BatchDelay is %v, want more than 0 and at most %v", name, ErrInvalid, max(d, 0), MaxBatchDelay))
	}
	return errors.Join(errs...)
}

// Members returns the contexts of the jobs that the function of a [DefineBatch] was
// given, in the order of its inputs: for their IDs, their loggers, and to see which of
// them go on. It returns nil for any other context.
func Members(ctx context.Context) []Context {
	ms, _ := ctx.Value(membersKey{}).([]Context)
	return ms
}

type membersKey struct{}

// Panic is what is thrown on by the attempt whose function has panicked on another
// goroutine than the attempt's own, as the function of a batch does.
type Panic struct {
	Value any    // what was thrown
	Stack []byte // of the goroutine that panicked, as [runtime/debug.Stack] has it
}

func (p *Panic) String() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }
