package show

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomlq/mlq/task"
)

// look is how often Follow looks how far the run is.
const look = 100 * time.Millisecond

// Follow shows how far a run is until it has ended. The error is that of the
// first node that failed. If ctx ends first, the run is cancelled: workers
// elsewhere would go on with it.
func (s *Screen) Follow(ctx context.Context, r task.Run) error {
	rec, err := r.Record(ctx)
	if err != nil {
		return errors.Join(err, abandon(ctx, r))
	}
	bar := s.Bar(rec.Name, rec.Nodes)
	defer bar.Done()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		bar.Set(ended(rec), rec.Nodes)
		if rec.State.Terminal() {
			return r.Wait(ctx) // it has ended: this only says how
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), abandon(ctx, r))
		}
		if rec, err = r.Record(ctx); err != nil {
			return errors.Join(err, abandon(ctx, r))
		}
	}
}

// abandon cancels a run that nobody will follow any more.
func abandon(ctx context.Context, r task.Run) error {
	late, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	if _, err := r.Cancel(late); err != nil {
		return fmt.Errorf("cancel the run: %w", err)
	}
	return nil
}

// ended counts the nodes of r that have ended, in whatever way.
func ended(r task.RunRecord) int {
	n := 0
	for state, nodes := range r.Counts {
		if state.Terminal() {
			n += nodes
		}
	}
	return n
}
