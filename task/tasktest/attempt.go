package tasktest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"

	"github.com/gomlq/mlq/task"
)

// attempt is the port of the function under test.
type attempt struct {
	r    *Recorder
	root context.Context //nolint:containedctx // whose cause tells whether the lease was lost
	job  task.Job
	log  *slog.Logger
}

var _ task.Attempt = (*attempt)(nil)

// Job implements [task.Attempt].
func (a *attempt) Job() task.Job { return a.job }

// Logger implements [task.Attempt].
func (a *attempt) Logger() *slog.Logger { return a.log }

// Element implements [task.Attempt]: nothing is stored elsewhere in a test.
func (a *attempt) Element(context.Context) (task.Data, error) {
	return task.Data{}, fmt.Errorf("%w: tasktest: the element is not in the job; give it with tasktest.Job", task.ErrInvalid)
}

// Note implements [task.Attempt].
func (a *attempt) Note(ctx context.Context, n task.Note) error {
	if errors.Is(context.Cause(a.root), task.ErrLeaseLost) {
		return task.ErrLeaseLost
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	a.r.mu.Lock()
	defer a.r.mu.Unlock()
	if n.Checkpoint != nil {
		if err := task.CheckCheckpoint(*n.Checkpoint); err != nil {
			return err
		}
		a.r.checkpoint = n.Checkpoint
	}
	a.r.notes = append(a.r.notes, n)
	return nil
}

// Checkpoint implements [task.Attempt].
func (a *attempt) Checkpoint(ctx context.Context) (task.Data, bool, error) {
	if err := ctx.Err(); err != nil {
		return task.Data{}, false, err
	}
	a.r.mu.Lock()
	defer a.r.mu.Unlock()
	if a.r.checkpoint == nil {
		return task.Data{}, false, nil
	}
	return *a.r.checkpoint, true, nil
}

// Post implements [task.Port].
func (a *attempt) Post(ctx context.Context, calls []task.Call) ([]task.ID, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i := range calls {
		if err := errors.Join(calls[i].Err(), calls[i].Spec.Validate()); err != nil {
			return nil, fmt.Errorf("call %d: %w", i, err)
		}
	}
	a.r.mu.Lock()
	defer a.r.mu.Unlock()
	ids := make([]task.ID, len(calls))
	for i := range calls {
		ids[i] = a.post(&calls[i])
	}
	return ids, nil
}

// post records one call, once, and makes its ID as a worker does.
func (a *attempt) post(c *task.Call) task.ID {
	c.Parent, c.Depth = a.job.ID, a.job.Depth+1
	if c.ID.IsZero() {
		digest := digestOf(c)
		class := task.ClassFor(c.Spec.Retention)
		c.ID = task.DeriveID(a.job.ID, digest, a.r.times[digest], class).WithPartition(a.job.ID.Partition())
		a.r.times[digest]++
	}
	if a.r.jobs[c.ID] == nil {
		a.r.jobs[c.ID] = &job{call: *c}
		a.r.posted = append(a.r.posted, *c)
	}
	return c.ID
}

func digestOf(c *task.Call) [32]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%q %d ", c.Functions, c.Payload.Codec)
	h.Write(c.Payload.Bytes)
	return [32]byte(h.Sum(nil))
}

// Submit implements [task.Port].
func (a *attempt) Submit(ctx context.Context, p task.Plan) (task.RunID, error) {
	if err := ctx.Err(); err != nil {
		return task.RunID{}, err
	}
	if err := p.Validate(); err != nil {
		return task.RunID{}, err
	}
	a.r.mu.Lock()
	defer a.r.mu.Unlock()
	run := task.NewID(epoch, task.KindRun, task.ClassFor(0), uint32(len(a.r.plans)), 0, uint16(a.job.ID.Partition()))
	a.r.plans = append(a.r.plans, p)
	a.r.jobs[run] = &job{call: task.Call{ID: run}, nodes: len(p.Nodes)}
	for i, n := range p.Nodes {
		n.ID = run.Node(i)
		a.r.jobs[n.ID] = &job{call: n.Call}
	}
	return run, nil
}

// Await implements [task.Port].
func (a *attempt) Await(ctx context.Context, ids []task.ID) ([]task.Settled, error) {
	ends := make([]task.Settled, len(ids))
	for i, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if id == a.job.ID {
			return nil, fmt.Errorf("job %v waits for itself: %w", id, task.ErrCycle)
		}
		j, err := a.r.find(id)
		if err != nil {
			return nil, err
		}
		if ends[i], err = a.r.settle(j); err != nil {
			return nil, err
		}
	}
	return ends, nil
}

// Read implements [task.Port]. A job that there is no answer for is ready.
func (a *attempt) Read(ctx context.Context, ids []task.ID) ([]task.Record, error) {
	records := make([]task.Record, len(ids))
	for i, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if id == a.job.ID {
			records[i] = a.own()
			continue
		}
		j, err := a.r.find(id)
		if err != nil {
			return nil, err
		}
		end, err := a.r.settle(j)
		switch {
		case errors.Is(err, ErrNoAnswer):
			end.State = task.Ready
		case err != nil:
			return nil, err
		}
		records[i] = record(j.call, end)
	}
	return records, nil
}

// own is the record of the job under test.
func (a *attempt) own() task.Record {
	r := task.Record{Job: a.job, State: task.Running, ShortResult: a.r.Short()}
	r.Progress, r.Note = a.r.Progress()
	return r
}

func record(c task.Call, end task.Settled) task.Record {
	r := task.Record{Job: task.Job{Call: c}, State: end.State, Result: end.Result}
	switch end.State {
	case task.Succeeded:
		r.Attempt, r.Progress = 1, 100
	case task.Failed:
		r.Attempt, r.Failures = 1, []task.Failure{end.Failure}
	default:
	}
	return r
}

// Cancel implements [task.Port].
func (a *attempt) Cancel(ctx context.Context, id task.ID) (task.State, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	a.r.mu.Lock()
	a.r.cancelled = append(a.r.cancelled, id)
	a.r.mu.Unlock()
	if id == a.job.ID {
		a.r.Stop(task.ErrCancelled)
		return task.Cancelled, nil
	}
	j, err := a.r.find(id)
	if err != nil {
		return 0, err
	}
	return a.r.cancel(j), nil
}

// cancel ends j as cancelled, with its nodes if it is a run, and returns the
// state that it has then.
func (r *Recorder) cancel(j *job) task.State {
	for i := range j.nodes {
		if node, err := r.find(j.call.ID.Node(i)); err == nil {
			r.cancel(node)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.end == nil {
		j.end = &task.Settled{ID: j.call.ID, State: task.Cancelled}
	}
	return j.end.State
}

// Run implements [task.Port]: it tells which nodes have been answered for.
func (a *attempt) Run(ctx context.Context, id task.RunID) (task.RunRecord, error) {
	if err := ctx.Err(); err != nil {
		return task.RunRecord{}, err
	}
	j, err := a.r.find(id)
	if err != nil {
		return task.RunRecord{}, err
	}
	rec := task.RunRecord{ID: id, State: j.state(), Nodes: j.nodes, Counts: map[task.State]int{}}
	for i := range j.nodes {
		if node, err := a.r.find(id.Node(i)); err == nil && node.state().Terminal() {
			rec.Counts[node.state()]++
		}
	}
	return rec, nil
}

// state returns the state of j: Ready until it has been answered for.
func (j *job) state() task.State {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.end != nil:
		return j.end.State
	case j.nodes > 0:
		return task.Running
	default:
		return task.Ready
	}
}

// Events implements [task.Port]: nothing happens to a run in a test.
func (a *attempt) Events(ctx context.Context, id task.RunID, _ uint64) ([]task.Event, error) {
	_, err := a.Run(ctx, id)
	return nil, err
}

// Pause implements [task.Port]: nothing of a run runs in a test by itself, so there is
// nothing to pause.
func (a *attempt) Pause(ctx context.Context, id task.RunID) (task.State, error) {
	rec, err := a.Run(ctx, id)
	return rec.State, err
}

// Resume implements [task.Port]: an answer is final, so that nothing is run again.
func (a *attempt) Resume(ctx context.Context, id task.RunID) (task.State, error) {
	rec, err := a.Run(ctx, id)
	return rec.State, err
}
