package task

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Event says what a node of a run is from now on, or the run itself.
type Event struct {
	Seq   uint64    // from 1, without gaps within a run
	At    time.Time // by the broker's clock
	Node  int       // the number of the node; -1 for the run
	State State     // of the run: Running when it begins or is resumed; else its end
	// Stopping: nothing new of the run starts any more, since it failed, was cancelled or
	// has taken too long. Its nodes end by and by.
	Stopping bool
}

// OfRun reports whether e is about the run, and not about a node.
func (e *Event) OfRun() bool { return e.Node < 0 }

// eventsPace is how long [Run.Events] waits before it looks again, while nothing
// happens: each time longer, up to the last.
var eventsPace = []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond}

// Events gives what becomes of the run and its nodes, in order and from the event after
// the one with number after on, until the run has ended and all was given. All nodes are
// [Blocked] before their first event, so that the events from the first on tell the state
// of each; children of a map that never begin, since it has ended, have none. Of very many
// events the broker keeps the latest only: the number of the first that is given tells how
// many are missing. The plan must have asked for them, else there is one error,
// [ErrInvalid]. An error is the last that is given.
//
//	for e, err := range run.Events(ctx, 0) {
func (r Run) Events(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if err := r.events(ctx, after, yield); err != nil {
			yield(Event{}, err)
		}
	}
}

func (r Run) events(ctx context.Context, after uint64, yield func(Event, error) bool) error {
	p, err := r.port(ctx)
	if err != nil {
		return err
	}
	for idle := 0; ; idle++ {
		rec, err := p.Run(ctx, r.id)
		if err != nil {
			return err
		}
		if !rec.Watched {
			return fmt.Errorf("%w: run %v keeps no events; ask for them with graph.Events, or Plan.Events", ErrInvalid, r.id)
		}
		es, err := p.Events(ctx, r.id, after)
		if err != nil {
			return err
		}
		for i := range es {
			if idle, after = 0, es[i].Seq; !yield(es[i], nil) {
				return nil
			}
		}
		if len(es) > 0 {
			continue
		}
		if rec.State != Running {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(eventsPace[min(idle, len(eventsPace)-1)]):
		}
	}
}
