package tasktest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gomlq/mlq/task"
)

// Recorder has seen what a task function did with its context, and answers for
// the jobs that the function waits for. It is safe for concurrent use.
type Recorder struct {
	stop context.CancelCauseFunc

	mu        sync.Mutex
	answers   map[string]func(task.Call) (any, error)
	jobs      map[task.ID]*job
	times     map[[32]byte]uint64 // how often the same was posted
	posted    []task.Call
	plans     []task.Plan
	cancelled []task.ID
	notes     []task.Note

	checkpoint *task.Data // the last one
	data       map[string][]byte
	stored     []task.Storing
	logs       []task.LogLine
}

// job is one that was posted, submitted, or given by Finish.
type job struct {
	call  task.Call
	nodes int // of a run

	mu  sync.Mutex // held while it is answered
	end *task.Settled
}

// ErrNoAnswer is what waiting ends with for a job that the test has not
// answered for.
var ErrNoAnswer = errors.New("tasktest: no answer")

// Answer answers for the jobs that call the function of that name: when one is
// waited for, fn is called, once, and its result or error is the job's. An
// error made with [task.Skip] or [task.Cancel] ends the job so; every other one
// makes it a dead letter. A call that names several functions is answered for
// by the last of them, one that names none by the name "". A later Answer for a
// name replaces the earlier one.
func (r *Recorder) Answer(name string, fn func(task.Call) (any, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[name] = fn
}

// Answer is [Recorder.Answer] with types: fn stands in for t. Where the function
// of a task can run under test itself, it can be its own answer:
//
//	tasktest.Answer(rec, Square, func(n int) (int, error) { return square(ctx, n) })
func Answer[In, Out any](r *Recorder, t task.Typed[In, Out], fn func(In) (Out, error)) {
	var zero In
	for _, name := range t.Call(zero).Functions {
		r.Answer(name, func(c task.Call) (any, error) {
			var in In
			if err := c.Payload.Decode(&in); err != nil {
				return nil, err
			}
			return fn(in)
		})
	}
}

// Finish says how one job ended: with a value, or with an error as [Recorder.Answer]
// takes it. Use it for jobs and runs that were not posted by the function under
// test, and where two jobs of one task end differently.
func (r *Recorder) Finish(id task.ID, value any, err error) error {
	end, err := settled(id, value, err)
	if err != nil {
		return err
	}
	r.mu.Lock()
	j := r.jobs[id]
	if j == nil {
		j = &job{call: task.Call{ID: id}}
		r.jobs[id] = j
	}
	r.mu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.end = &end
	return nil
}

// settled turns what an answer returned into the end of a job. Its error is
// that of a value that cannot be encoded.
func settled(id task.ID, value any, err error) (task.Settled, error) {
	if err != nil {
		return failed(id, err), nil
	}
	d, err := task.Encode(value)
	if err != nil {
		return task.Settled{}, fmt.Errorf("tasktest: the answer for job %v: %w", id, err)
	}
	return task.Settled{ID: id, State: task.Succeeded, Result: d}, nil
}

func failed(id task.ID, err error) task.Settled {
	s := task.Settled{ID: id, State: task.Failed, Failure: task.Failure{
		Attempt: 1,
		Kind:    task.FailureError,
		Message: err.Error(),
	}.Clip()}
	if e, ok := errors.AsType[*task.JobError](err); ok {
		s.State, s.Failure = e.State, e.Failure
	}
	if v, ok := errors.AsType[*task.Ruling](err); ok {
		switch v.Verdict {
		case task.SkipJob:
			s.State = task.Skipped
		case task.CancelJob:
			s.State = task.Cancelled
		default:
		}
	}
	return s
}

// find returns the job of that ID.
func (r *Recorder) find(id task.ID) (*job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.jobs[id]
	if j == nil {
		return nil, fmt.Errorf("%w: job %v was not posted through this context; say how it ended with Recorder.Finish", task.ErrUnknown, id)
	}
	return j, nil
}

// settle returns the end of j, which it asks the test for if it has none yet.
func (r *Recorder) settle(j *job) (task.Settled, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.end != nil {
		return *j.end, nil
	}
	end, err := r.ask(j)
	if err == nil {
		j.end = &end
	}
	return end, err
}

func (r *Recorder) ask(j *job) (task.Settled, error) {
	if j.call.ID.Kind() == task.KindRun {
		return r.settleRun(j)
	}
	name := ""
	if n := len(j.call.Functions); n > 0 {
		name = j.call.Functions[n-1]
	}
	r.mu.Lock()
	answer := r.answers[name]
	r.mu.Unlock()
	if answer == nil {
		return task.Settled{}, fmt.Errorf("%w for job %v of task %q; "+
			"give one with tasktest.Answer or Recorder.Finish before the function waits", ErrNoAnswer, j.call.ID, name)
	}
	value, err := answer(j.call)
	return settled(j.call.ID, value, err)
}

// settleRun answers for the nodes of a run. It ends as the first of them that
// failed or was cancelled did.
func (r *Recorder) settleRun(run *job) (task.Settled, error) {
	end := task.Settled{ID: run.call.ID, State: task.Succeeded}
	for i := range run.nodes {
		node, err := r.find(run.call.ID.Node(i))
		if err != nil {
			return task.Settled{}, err
		}
		s, err := r.settle(node)
		if err != nil {
			return task.Settled{}, fmt.Errorf("node %d: %w", i, err)
		}
		if end.State == task.Succeeded && (s.State == task.Failed || s.State == task.Cancelled) {
			end.State, end.Failure = s.State, s.Failure
		}
	}
	return end, nil
}
