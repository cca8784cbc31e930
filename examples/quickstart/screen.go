package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/gomlq/mlq/task"
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

// bar shows how many of total jobs have ended: as a bar on a terminal, as a
// line for each quarter elsewhere. step counts one more and is safe for
// concurrent use; done must be called at the end, whether all were counted or
// not.
func (s *screen) bar(total int) (step, done func()) {
	if !cwriter.New(s.err).IsTerminal() {
		return s.lines(total), func() {}
	}
	bars := mpb.New(mpb.WithOutput(s.err), mpb.WithWidth(72))
	s.bars.Store(bars)
	bar := bars.New(int64(total), mpb.BarStyle(),
		mpb.PrependDecorators(decor.Name("cross-validation "), decor.CountersNoUnit("%2d/%d jobs ")),
		mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)))
	return bar.Increment, func() {
		bar.Abort(false) // changes nothing if it is complete
		bars.Wait()
		s.bars.Store(nil)
	}
}

func (s *screen) lines(total int) (step func()) {
	var mu sync.Mutex
	ended := 0
	return func() {
		mu.Lock()
		defer mu.Unlock()
		before := 4 * ended / total
		ended++
		if quarter := 4 * ended / total; quarter > before {
			fmt.Fprintf(s.err, "cross-validation: %d of %d jobs (%d %%)\n", ended, total, 25*quarter)
		}
	}
}

// retries tells which trials did not succeed at once, as their records have it:
// those that failed, and those whose worker was lost.
func (s *screen) retries(q context.Context, trials []Trial, jobs []task.Handle[Score]) error {
	for i, job := range jobs {
		r, err := job.Record(q)
		if err != nil {
			return err
		}
		trial := fmt.Sprintf("fold %d with k=%d", trials[i].Fold, trials[i].K)
		if r.Losses > 0 {
			fmt.Fprintf(s.out, "requeued: %s, after its worker was lost\n", trial)
		}
		if len(r.Failures) == 0 {
			continue
		}
		said := make([]string, len(r.Failures))
		for i, f := range r.Failures {
			said[i] = strconv.Quote(f.Message)
		}
		fmt.Fprintf(s.out, "retried: %s, after %s\n", trial, strings.Join(said, " and "))
	}
	return nil
}

// table prints the rows.
func (s *screen) table(rows []row) {
	fmt.Fprintf(s.out, "\n%4s  %16s  %16s  %12s\n", "k", "cross-validation", "held out", "scikit-learn")
	for _, r := range rows {
		want := "-"
		if n, ok := reference[r.k]; ok {
			want = strconv.Itoa(n)
		}
		fmt.Fprintf(s.out, "%4d  %16v  %16v  %12s\n", r.k, r.cv, r.held, want)
	}
}

// best prints the last line.
func (s *screen) best(r row, took time.Duration) {
	fmt.Fprintf(s.out, "\nbest k = %d by cross-validation; %d of %d held-out images right (%.1f %%), in %.1f s\n",
		r.k, r.held.Correct, r.held.Total, r.held.percent(), took.Seconds())
}

// String implements [fmt.Stringer].
func (s Score) String() string { return fmt.Sprintf("%d (%.1f %%)", s.Correct, s.percent()) }

func (s Score) percent() float64 { return 100 * float64(s.Correct) / float64(s.Total) }

// status tells err and returns the exit status for it.
func (s *screen) status(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(s.err, "quickstart: interrupted")
		return 1
	default:
		fmt.Fprintln(s.err, "quickstart:", err)
		return 1
	}
}
