package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/task"
)

// look is how often follow looks how far the run is.
const look = 100 * time.Millisecond

// follow shows how far the run is until it has ended. The error is that of the
// first node that failed. If ctx ends first, the run is cancelled: workers
// elsewhere would go on with it.
func (s *screen) follow(ctx context.Context, b *broker.Broker, r task.Run) error {
	rec, err := b.Run(ctx, r.ID())
	if err != nil {
		return errors.Join(err, abandon(ctx, r))
	}
	show, done := s.progress(rec.Nodes)
	defer done()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		show(rec)
		if rec.State.Terminal() {
			return r.Wait(ctx) // it has ended: this only says how
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), abandon(ctx, r))
		}
		if rec, err = b.Run(ctx, r.ID()); err != nil {
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

// progress returns what shows how far a run of so many nodes is, as a bar on a
// terminal and as lines elsewhere. done is to be called at the end, whatever it is.
func (s *screen) progress(nodes int) (show func(task.RunRecord), done func()) {
	if !cwriter.New(s.err).IsTerminal() {
		return s.lines(), func() {}
	}
	bars := mpb.New(mpb.WithOutput(s.err), mpb.WithWidth(72))
	s.bars.Store(bars)
	bar := bars.New(int64(nodes), mpb.BarStyle(),
		mpb.PrependDecorators(decor.Name("sweep "), decor.CountersNoUnit("%2d/%d jobs ")),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)))
	show = func(r task.RunRecord) { bar.SetCurrent(int64(ended(r))) }
	return show, func() {
		bar.Abort(false) // changes nothing if it is complete
		bars.Wait()
		s.bars.Store(nil)
	}
}

// lines returns what shows progress as a line at the beginning and for each quarter that is reached.
func (s *screen) lines() func(task.RunRecord) {
	told := -1
	return func(r task.RunRecord) {
		n := ended(r)
		if quarter := 4 * n / r.Nodes; quarter > told {
			fmt.Fprintf(s.err, "sweep: %d of %d jobs (%d %%)\n", n, r.Nodes, 100*n/r.Nodes)
			told = quarter
		}
	}
}
