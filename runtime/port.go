package runtime

import (
	"context"
	"errors"
	"fmt"

	"github.com/gomlq/mlq/task"
)

// errOver is what a function gets that goes on when its attempt is over.
var errOver = fmt.Errorf("%w: the attempt is over", task.ErrLeaseLost)

// Job implements [task.Attempt].
func (a *attempt) Job() task.Job { return a.job }

// Post implements [task.Port]: the calls become children of the job.
func (a *attempt) Post(ctx context.Context, calls []task.Call) ([]task.ID, error) {
	if a.ended.Load() {
		return nil, errOver
	}
	births := &a.extra().births
	named := births.name(&a.job, calls)
	ids, err := a.w.poster.post(ctx, a.w.b, calls)
	if err != nil {
		first := 0
		if pe, ok := errors.AsType[*task.PostError](err); ok {
			first = pe.First
		}
		births.fail(named, first)
	}
	return ids, err
}

// Submit implements [task.Port]: the nodes become children of the job, and a
// retried attempt that submits the same plan again gets the same run.
func (a *attempt) Submit(ctx context.Context, p task.Plan) (task.RunID, error) {
	if a.ended.Load() {
		return task.RunID{}, errOver
	}
	births := &a.extra().births
	p, named := births.plan(&a.job, p)
	id, err := a.w.poster.submit(ctx, a.w.b, p)
	if err != nil {
		births.fail(named, 0)
	}
	return id, err
}

// Read implements [task.Port].
func (a *attempt) Read(ctx context.Context, ids []task.ID) ([]task.Record, error) {
	return a.w.b.Read(ctx, ids)
}

// Cancel implements [task.Port].
func (a *attempt) Cancel(ctx context.Context, id task.ID) (task.State, error) {
	return a.w.b.Cancel(ctx, id)
}

// Run implements [task.Port].
func (a *attempt) Run(ctx context.Context, id task.RunID) (task.RunRecord, error) {
	return a.w.b.Run(ctx, id)
}

// Events implements [task.Port].
func (a *attempt) Events(ctx context.Context, id task.RunID, after uint64) ([]task.Event, error) {
	return a.w.b.Events(ctx, id, after)
}

// Pause implements [task.Port].
func (a *attempt) Pause(ctx context.Context, id task.RunID) (task.State, error) {
	return a.w.b.Pause(ctx, id)
}

// Resume implements [task.Port].
func (a *attempt) Resume(ctx context.Context, id task.RunID) (task.State, error) {
	return a.w.b.Resume(ctx, id)
}

// CreateData implements [task.Port].
func (a *attempt) CreateData(ctx context.Context, s task.Storing) (task.DataWriter, error) {
	if a.ended.Load() {
		return nil, errOver
	}
	return a.w.b.CreateData(ctx, s)
}

// OpenData implements [task.Port].
func (a *attempt) OpenData(ctx context.Context, key string) (task.DataReader, error) {
	return a.w.b.OpenData(ctx, key)
}

// DeleteData implements [task.Port].
func (a *attempt) DeleteData(ctx context.Context, key string) error {
	if a.ended.Load() {
		return errOver
	}
	return a.w.b.DeleteData(ctx, key)
}

// Note implements [task.Attempt]. The broker is sent all that the attempt has
// said of itself so far, and with the outcome it gets it again.
func (a *attempt) Note(ctx context.Context, n task.Note) error {
	e := a.extra()
	e.noting.Lock()
	defer e.noting.Unlock()
	if a.ended.Load() {
		return errOver
	}
	err := a.w.b.Note(ctx, a.job.Lease, e.add(n))
	if errors.Is(err, task.ErrLeaseLost) || errors.Is(err, task.ErrGone) {
		a.w.stop([]*attempt{a}, task.ErrLeaseLost)
		return fmt.Errorf("%w: %w", task.ErrLeaseLost, err)
	}
	return err
}

// Checkpoint implements [task.Attempt].
func (a *attempt) Checkpoint(ctx context.Context) (task.Data, bool, error) {
	return a.w.b.Checkpoint(ctx, a.job.ID)
}

// Element implements [task.Attempt].
func (a *attempt) Element(ctx context.Context) (task.Data, error) {
	return a.w.b.Element(ctx, a.job)
}

// add adds n to what the attempt has said, and returns all of it.
func (e *extras) add(n task.Note) task.Note {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n.Progress != nil {
		e.note.Progress = n.Progress
	}
	if n.Text != nil {
		e.note.Text = n.Text
	}
	if n.Short != nil {
		e.note.Short = n.Short
	}
	all := e.note
	all.Checkpoint = n.Checkpoint // which the broker keeps by itself
	return all
}

// noted returns all that the attempt has said.
func (a *attempt) noted() task.Note {
	e := a.extras.Load()
	if e == nil {
		return task.Note{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.note
}
