package task

import (
	"context"
	"errors"
	"fmt"
)

// Run is a submitted plan. It is a value and safe for concurrent use.
type Run struct {
	id RunID
	p  Port
}

// Submit stores a plan whole or not at all, and starts it.
func Submit(ctx context.Context, p Plan) (Run, error) {
	if err := p.Validate(); err != nil {
		return Run{}, err
	}
	q, err := port(ctx)
	if err != nil {
		return Run{}, err
	}
	id, err := q.Submit(ctx, p)
	return Run{id, q}, err
}

// RunAt returns the run with that ID, submitted elsewhere.
func RunAt(ctx context.Context, id RunID) Run {
	p, _ := port(ctx)
	return Run{id, p}
}

// RunOf returns the run that the job in ctx is of: it is a node of it, or was posted when
// it had ended, see [Plan.OnExit]. False if there is none.
func RunOf(ctx context.Context) (Run, bool) {
	c, ok := From(ctx)
	if !ok {
		return Run{}, false
	}
	j := c.Job()
	id := j.run()
	return Run{id, c.a}, !id.IsZero()
}

// run returns the run that j is a node or an exit job of, else the zero ID.
func (j *Job) run() RunID {
	if j.Parent.Kind() == KindRun {
		return j.Parent
	}
	return j.ID.Run()
}

// ID returns the run's ID.
func (r Run) ID() RunID { return r.id }

// Wait waits until all nodes have ended. It returns nil if the run succeeded,
// else a [*JobError] with the run's ID and the first failure, which names its node.
func (r Run) Wait(ctx context.Context) error {
	p, err := r.port(ctx)
	if err != nil {
		return err
	}
	_, err = await(ctx, p, r.id)
	return err
}

// Cancel ends the run as cancelled: nothing of it starts any more.
func (r Run) Cancel(ctx context.Context) (State, error) {
	p, err := r.port(ctx)
	if err != nil {
		return 0, err
	}
	return p.Cancel(ctx, r.id)
}

// Pause keeps what has not started of the run from starting, until [Run.Resume]; what
// runs goes on. It returns the state that the run has: Running, or the one that it has
// ended with, and then there was nothing to pause. A deadline holds meanwhile.
func (r Run) Pause(ctx context.Context) (State, error) {
	p, err := r.port(ctx)
	if err != nil {
		return 0, err
	}
	return p.Pause(ctx, r.id)
}

// Resume lets the run go on from where it was, if it has failed or was cancelled:
// nodes that succeeded are not run again, the others have all their attempts anew, and a
// deadline does not hold any more. It returns the state that the run has then: Running,
// or Succeeded if there was nothing to resume. The code may have been mended meanwhile:
// it is the stored inputs that are run again.
//
// A run that is paused goes on, deadline and all.
func (r Run) Resume(ctx context.Context) (State, error) {
	p, err := r.port(ctx)
	if err != nil {
		return 0, err
	}
	return p.Resume(ctx, r.id)
}

// Record returns what is known of the run: its state, and how many of its nodes have
// ended how.
func (r Run) Record(ctx context.Context) (RunRecord, error) {
	p, err := r.port(ctx)
	if err != nil {
		return RunRecord{}, err
	}
	return p.Run(ctx, r.id)
}

// Progress returns the run's state and how many of its nodes have ended, in percent. A node
// that runs does not count, however far it says it is: that would take a look at each,
// which is the broker's RunNodes.
func (r Run) Progress(ctx context.Context) (State, float64, error) {
	rec, err := r.Record(ctx)
	if err != nil || rec.Nodes == 0 {
		return rec.State, 0, err
	}
	ended := 0
	for state, n := range rec.Counts {
		if state.Terminal() {
			ended += n
		}
	}
	return rec.State, 100 * float64(ended) / float64(rec.Nodes), nil
}

// Node returns the record of node i.
func (r Run) Node(ctx context.Context, i int) (Record, error) {
	p, err := r.port(ctx)
	if err != nil {
		return Record{}, err
	}
	return readOne(ctx, p, r.id.Node(i))
}

// RefTo returns a Ref to the result of the node that ref stands for in the graph that r
// was submitted of, for use outside of the run: a task may submit a graph and return
// such a Ref as its result, and so need not wait.
func RefTo[T any](r Run, ref Ref[T]) Ref[T] {
	ref.link = ref.outside(r.id)
	return ref
}

// outside returns what l stands for, seen from outside of the run.
func (l *link) outside(run RunID) link {
	out := *l
	switch l.form {
	case refNode:
		out = link{form: refJob, id: run.Node(l.node)}
	case refElement:
		out = link{} // outside of the map there is none
	case refZip, refCross, refEither:
		out.of = &[2]link{l.of[0].outside(run), l.of[1].outside(run)}
	default: // it stands for the same everywhere
	}
	return out
}

func (r Run) port(ctx context.Context) (Port, error) {
	p, err := port(ctx)
	if err != nil && r.p != nil {
		return r.p, nil
	}
	return p, err
}

// Get waits for the node that ref stands for and returns its result. If the node did not
// succeed, that is a [*JobError] with the node's name.
func Get[T any](ctx context.Context, r Run, ref Ref[T]) (T, error) {
	var zero T
	_, node, ok := ref.Node()
	if !ok {
		return zero, fmt.Errorf("%w: Get takes a Ref to a node of the run", ErrInvalid)
	}
	p, err := r.port(ctx)
	if err != nil {
		return zero, err
	}
	vs, err := results[T](ctx, p, []ID{r.id.Node(node)})
	if err != nil {
		entitle(ctx, p, err)
		return zero, err
	}
	return vs[0], nil
}

// entitle names the node that err is about, if it has a record and err no name: what was
// skipped or cancelled has no failure that would say it.
func entitle(ctx context.Context, p Port, err error) {
	je, ok := errors.AsType[*JobError](err)
	if !ok || je.Node != "" {
		return
	}
	if rec, err := readOne(ctx, p, je.ID); err == nil {
		je.Node = rec.Title()
	}
}
