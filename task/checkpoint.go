package task

import (
	"context"
	"fmt"
)

// MaxCheckpoint bounds an encoded checkpoint, in bytes. It is small since it lies
// beside the job and is sent whole each time: what is larger is stored with [Store],
// and its key is the checkpoint.
const MaxCheckpoint = 64 << 10

// Checkpoint is [Context.Checkpoint] for any context that was derived from the task's;
// [ErrNotInTask] if it was not.
func Checkpoint[T any](ctx context.Context, v T) error {
	c, ok := From(ctx)
	if !ok {
		return ErrNotInTask
	}
	d, err := encode(v)
	if err != nil {
		return fmt.Errorf("the checkpoint: %w", err)
	}
	return c.checkpoint(d)
}

// LastCheckpoint returns the last checkpoint of the job, of whichever attempt, and
// false if there is none. It costs a round trip: call it once, at the beginning. The
// error wraps [ErrInvalid] if the checkpoint cannot be read as a T, as after T was
// changed, and is [ErrNotInTask] outside of a task.
func LastCheckpoint[T any](ctx context.Context) (T, bool, error) {
	var v, zero T
	c, ok := From(ctx)
	if !ok {
		return zero, false, ErrNotInTask
	}
	ok, err := c.LastCheckpoint(&v)
	if err != nil || !ok {
		return zero, false, err
	}
	return v, true, nil
}

// Checkpoint keeps v, encoded as a task's input is, instead of what the job has kept
// before. It outlives the attempt, however that ends: the next one goes on from there,
// see [LastCheckpoint]. It is removed when the job has succeeded, was cancelled or
// skipped; a dead letter keeps it, so that it goes on when it is resumed.
//
// [ErrTooLarge] if v has more than [MaxCheckpoint] bytes, [ErrLeaseLost] if the attempt
// is not the owner of its job any more: then the checkpoint is another's, and stays as it
// is. It costs a round trip.
func (c Context) Checkpoint(v any) error {
	d, err := Encode(v)
	if err != nil {
		return fmt.Errorf("the checkpoint: %w", err)
	}
	return c.checkpoint(d)
}

func (c Context) checkpoint(d Data) error {
	if err := CheckCheckpoint(d); err != nil {
		return err
	}
	return c.a.Note(c, Note{Checkpoint: &d})
}

// CheckCheckpoint reports whether a checkpoint is over its limit: [ErrTooLarge]. It is
// for those who implement an [Attempt].
func CheckCheckpoint(d Data) error {
	if n := len(d.Bytes); n > MaxCheckpoint {
		return fmt.Errorf("%w: the checkpoint has %d bytes, want at most %d; keep it with StoreData, and let its key be the checkpoint", ErrTooLarge, n, MaxCheckpoint)
	}
	return nil
}

// LastCheckpoint reads the last checkpoint of the job into what the pointer into points
// to, and returns false if there is none; see the function of that name.
func (c Context) LastCheckpoint(into any) (bool, error) {
	if err := checkPointer(into); err != nil {
		return false, err
	}
	d, ok, err := c.a.Checkpoint(c)
	if err != nil || !ok {
		return false, err
	}
	if err := d.Decode(into); err != nil {
		return false, fmt.Errorf("the checkpoint: %w", err)
	}
	return true, nil
}
