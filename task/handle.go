package task

import (
	"context"
	"fmt"
)

// Handle is a posted job whose result is a T. It is a value, may be copied, and
// its methods are safe for concurrent use.
type Handle[T any] struct {
	id ID
	p  Port
}

// At returns the handle of a job that was posted elsewhere. That its result is
// a T is taken on trust; Wait says so if it is not.
func At[T any](ctx context.Context, id ID) Handle[T] {
	p, _ := port(ctx) // without one, the methods look in their own context
	return Handle[T]{id, p}
}

// ID returns the job's ID.
func (h Handle[T]) ID() ID { return h.id }

// port prefers the queue of ctx: within a task it gives the slot back.
func (h Handle[T]) port(ctx context.Context) (Port, error) {
	p, err := port(ctx)
	if err != nil && h.p != nil {
		return h.p, nil
	}
	return p, err
}

// Wait waits for the end of the job and returns its result. It ends with a
// [*JobError] if the job did not succeed, with ctx's error, or with
// [ErrUnknown] or [ErrExpired]; it never misses a result that came before it.
func (h Handle[T]) Wait(ctx context.Context) (T, error) {
	var zero T
	p, err := h.port(ctx)
	if err != nil {
		return zero, err
	}
	vs, err := results[T](ctx, p, []ID{h.id})
	if err != nil {
		return zero, err
	}
	return vs[0], nil
}

// Cancel ends the job as cancelled. Once it has returned, nothing of the job
// starts any more; a running attempt is told. It returns the state that the job
// has then: [Cancelled], or the one it had ended with before.
func (h Handle[T]) Cancel(ctx context.Context) (State, error) {
	p, err := h.port(ctx)
	if err != nil {
		return 0, err
	}
	return p.Cancel(ctx, h.id)
}

// Record returns all that is kept of the job.
func (h Handle[T]) Record(ctx context.Context) (Record, error) {
	p, err := h.port(ctx)
	if err != nil {
		return Record{}, err
	}
	return readOne(ctx, p, h.id)
}

// Progress returns the job's state and how far it is, in percent.
func (h Handle[T]) Progress(ctx context.Context) (State, float64, error) {
	r, err := h.Record(ctx)
	return r.State, r.Progress, err
}

// Ref returns a reference to the job's result, to be put into the input of
// another job.
func (h Handle[T]) Ref() Ref[T] { return Ref[T]{link: link{form: refJob, id: h.id}} }

// WaitAll waits until all jobs have ended and returns their results in order, or
// the error of the first, in that order, that did not succeed. [Results] tells of
// each, [Each] as soon as it has ended.
func WaitAll[T any](ctx context.Context, hs []Handle[T]) ([]T, error) {
	if len(hs) == 0 {
		return nil, nil
	}
	p, err := hs[0].port(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]ID, len(hs))
	for i, h := range hs {
		ids[i] = h.id
	}
	return results[T](ctx, p, ids)
}

// Results waits for the jobs and returns how each ended, failed ones included.
// Use it where [WaitAll] would give up at the first failure.
func Results[T any](ctx context.Context, hs []Handle[T]) ([]Result[T], error) {
	if len(hs) == 0 {
		return nil, nil
	}
	p, err := hs[0].port(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]ID, len(hs))
	for i, h := range hs {
		ids[i] = h.id
	}
	ends, err := p.Await(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Result[T], len(ends))
	for i, s := range ends {
		_ = out[i].settle(ctx, p, s) // it is in there
	}
	return out, nil
}

// Result is how a job ended: with a value or with an error.
//
// A Ref[Result[T]], which [ResultOf] makes, lets a job start however the other one
// ended.
type Result[T any] struct {
	Value T
	Err   error // nil, a [*JobError], [ErrPending], or why the value cannot be decoded
}

func (r *Result[T]) settle(ctx context.Context, p Port, s Settled) error {
	r.Err = settled(ctx, p, s, &r.Value)
	return nil
}

func (*Result[T]) accept() Accept { return AcceptAny }

// Opt is the value of a job that may have been skipped.
//
// A Ref[Opt[T]], which [OptOf] makes, lets a job start if the other one has
// succeeded or was skipped.
type Opt[T any] struct {
	Value T
	OK    bool // false: there is no value, since the job was skipped
}

func (o *Opt[T]) settle(ctx context.Context, p Port, s Settled) error {
	if s.State == Skipped {
		return nil
	}
	err := settled(ctx, p, s, &o.Value)
	o.OK = err == nil
	return err
}

func (*Opt[T]) accept() Accept { return AcceptSkip }

// settler is a type that says more of a job's end than its value.
type settler interface {
	settle(ctx context.Context, p Port, s Settled) error
	accept() Accept
}

// settled puts the end of a job into what into points to.
func settled(ctx context.Context, p Port, s Settled, into any) error {
	if r, ok := into.(settler); ok {
		return r.settle(ctx, p, s)
	}
	err := s.Err()
	if err != nil {
		return err
	}
	if s.Result.Codec == CodecList {
		err = gather(ctx, p, s, into)
	} else {
		err = s.Result.Decode(into)
	}
	if err != nil {
		return fmt.Errorf("result of job %v: %w", s.ID, err)
	}
	return nil
}

func readOne(ctx context.Context, p Port, id ID) (Record, error) {
	rs, err := p.Read(ctx, []ID{id})
	if err != nil {
		return Record{}, err
	}
	return rs[0], nil
}

// await waits for one job; a job that did not succeed is an error.
func await(ctx context.Context, p Port, id ID) (Settled, error) {
	ends, err := p.Await(ctx, []ID{id})
	if err != nil {
		return Settled{}, err
	}
	return ends[0], ends[0].Err()
}

func results[T any](ctx context.Context, p Port, ids []ID) ([]T, error) {
	ends, err := p.Await(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(ends))
	for i, s := range ends {
		if err := settled(ctx, p, s, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
