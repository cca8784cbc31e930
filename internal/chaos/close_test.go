package chaos

import (
	"context"
	"errors"
	"testing"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// TestAWorkerEndsWhenItsBrokerIsClosed closes the broker under a worker that is idle,
// that runs a job, that runs one on each of its slots, whose job waits for another, and
// that drains.
func TestAWorkerEndsWhenItsBrokerIsClosed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		jobs        int
		wait, drain bool
	}{{name: "Idle"}, {name: "Busy", jobs: 1}, {name: "Full", jobs: 2}, {name: "Blocked", jobs: 1, wait: true}, {name: "Draining", jobs: 1, drain: true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			b, err := open(ctx, redistest.Shared(t).URL(), redistest.Namespace(t))
			if err != nil {
				t.Fatal(err)
			}
			begun, causes := make(chan struct{}, tt.jobs), make(chan error, tt.jobs)
			never := task.Declare[int, int]("never", task.Queue("elsewhere"))
			hold := task.Define("hold", func(c task.Context, _ int) (int, error) {
				begun <- struct{}{}
				if tt.wait {
					_, _ = never.Do(c, 0)
				}
				<-c.Done()
				causes <- context.Cause(c)
				return 0, nil
			})
			w, err := runtime.NewWorker(b, runtime.Config{Slots: 2, LeaseTTL: lease, Grace: patience, Logger: silent()}, hold)
			if err != nil {
				t.Fatal(err)
			}
			wctx, stop := context.WithCancel(ctx)
			defer stop()
			ended := make(chan error, 1)
			go func() { ended <- w.Run(wctx) }() // ends with ctx
			for range tt.jobs {
				if _, err := hold.Post(runtime.NewClient(b).With(ctx), 0); err != nil {
					t.Fatal(err)
				}
			}
			for range tt.jobs {
				<-begun
			}
			redistest.Eventually(t, patience, func() bool {
				ws, err := b.Workers(ctx)
				return err == nil && len(ws) == 1
			}, "the worker did not join")
			if tt.drain {
				stop()
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			select {
			case err = <-ended:
			case <-ctx.Done():
				t.Fatal("Run goes on after the broker was closed")
			}
			if !errors.Is(err, task.ErrClosed) {
				t.Errorf("Run: got %v, want %v", err, task.ErrClosed)
			}
			for range tt.jobs {
				if cause := <-causes; !errors.Is(cause, task.ErrLeaseLost) {
					t.Errorf("an attempt ended with %v, want %v", cause, task.ErrLeaseLost)
				}
			}
			w, err = runtime.NewWorker(b, runtime.Config{Logger: silent()}, hold)
			if err != nil {
				t.Fatal(err)
			}
			if err = w.Run(ctx); !errors.Is(err, task.ErrClosed) {
				t.Errorf("Run on a closed broker: got %v, want %v", err, task.ErrClosed)
			}
		})
	}
}
