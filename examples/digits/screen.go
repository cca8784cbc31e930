package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
)

// A screen is where the program shows what it does: the results on out,
// progress, logs and errors on err.
type screen struct {
	out, err io.Writer
	bars     atomic.Pointer[mpb.Progress] // while there is a bar on err
}

// logger returns a logger of what matters at least as much as level.
func (s *screen) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: level}))
}

// Write implements [io.Writer] for the logs: they go above the bar.
func (s *screen) Write(p []byte) (int, error) {
	if bars := s.bars.Load(); bars != nil {
		if n, err := bars.Write(p); err == nil {
			return n, nil
		}
	}
	return s.err.Write(p)
}

// tell prints what the sweep found, and what it is compared with.
func (s *screen) tell(r Report, took time.Duration) {
	held := r.Held
	fmt.Fprintf(s.out, "\n%-24s  %8s  %10s\n", "cross-validation", "mean", "worst fold")
	for _, m := range r.Means {
		mark := ""
		if m.Setting == held.Setting {
			mark = "  <- best"
		}
		fmt.Fprintf(s.out, "%-24v  %8v  %10v%s\n", m.Setting, m.All, m.Worst, mark)
	}
	fmt.Fprintf(s.out, "\n%-24s  %8s  %12s\n", "held out", "right", "scikit-learn")
	for _, e := range r.Reference {
		fmt.Fprintf(s.out, "%-24v  %8d  %12s\n", e.Setting, e.Confusion.Correct(), figure(e.Setting))
	}
	c := held.Confusion
	fmt.Fprintf(s.out, "\n%v, retrained: %d of %d held-out images right (%.1f %%), in %.1f s\n",
		held.Setting, c.Correct(), c.Total(), 100*c.Accuracy(), took.Seconds())
}

// figure is how many images scikit-learn tells rightly.
func figure(s Setting) string {
	if n, ok := reference[s]; ok {
		return strconv.Itoa(n)
	}
	return "-"
}

// status tells err and returns the exit status for it.
func (s *screen) status(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(s.err, "digits: interrupted")
		return 1
	default:
		fmt.Fprintln(s.err, "digits:", err)
		return 1
	}
}
