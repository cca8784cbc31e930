// Package show has what the examples share and what is not about queues: the
// screen, the progress bar, the flags, the exit status.
package show

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vbauerster/mpb/v8"
)

// A Screen is where a program shows what it does: the results on Out, progress,
// logs and errors on Err.
type Screen struct {
	Out, Err io.Writer
	bars     atomic.Pointer[mpb.Progress] // while there is a bar on Err
}

// Main runs a program until it has ended or a signal comes, and exits. A second
// Ctrl-C ends it at once.
func Main(name string, run func(ctx context.Context, args []string, s *Screen) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	s := &Screen{Out: os.Stdout, Err: os.Stderr}
	os.Exit(s.Status(name, run(ctx, os.Args[1:], s)))
}

// Status tells err and returns the exit status for it.
func (s *Screen) Status(name string, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, ErrUsage):
		return 2
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(s.Err, "%s: interrupted\n", name)
		return 1
	default:
		fmt.Fprintf(s.Err, "%s: %v\n", name, err)
		return 1
	}
}

// Logger returns a logger of what matters at least as much as level.
func (s *Screen) Logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: level}))
}

// Write implements [io.Writer] for the logs: they go above the bar.
func (s *Screen) Write(p []byte) (int, error) {
	if bars := s.bars.Load(); bars != nil {
		if n, err := bars.Write(p); err == nil {
			return n, nil
		}
	}
	return s.Err.Write(p)
}

// Beside runs a worker while do runs, and returns the error of do when both have
// ended. If the worker ends first, the context of do ends with its error.
func Beside(ctx context.Context, worker, do func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { stop(worker(ctx)) })
	err := do(ctx)
	stop(nil)
	beside.Wait()
	return err
}
