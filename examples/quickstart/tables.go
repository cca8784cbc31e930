package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gomlq/mlq/task"
)

// retries tells which trials did not succeed at once, as their records have it:
// those that failed, and those whose worker was lost.
func retries(q context.Context, w io.Writer, trials []Trial, jobs []task.Handle[Score]) error {
	for i, job := range jobs {
		r, err := job.Record(q)
		if err != nil {
			return err
		}
		trial := fmt.Sprintf("fold %d with k=%d", trials[i].Fold, trials[i].K)
		if r.Losses > 0 {
			fmt.Fprintf(w, "requeued: %s, after its worker was lost\n", trial)
		}
		if len(r.Failures) == 0 {
			continue
		}
		said := make([]string, len(r.Failures))
		for i, f := range r.Failures {
			said[i] = strconv.Quote(f.Message)
		}
		fmt.Fprintf(w, "retried: %s, after %s\n", trial, strings.Join(said, " and "))
	}
	return nil
}

// table prints the rows.
func table(w io.Writer, rows []row) {
	fmt.Fprintf(w, "\n%4s  %16s  %16s  %12s\n", "k", "cross-validation", "held out", "scikit-learn")
	for _, r := range rows {
		want := "-"
		if n, ok := reference[r.k]; ok {
			want = strconv.Itoa(n)
		}
		fmt.Fprintf(w, "%4d  %16v  %16v  %12s\n", r.k, r.cv, r.held, want)
	}
}

// best prints the last line.
func best(w io.Writer, r row, took time.Duration) {
	fmt.Fprintf(w, "\nbest k = %d by cross-validation; %d of %d held-out images right (%.1f %%), in %.1f s\n",
		r.k, r.held.Correct, r.held.Total, r.held.percent(), took.Seconds())
}

// String implements [fmt.Stringer].
func (s Score) String() string { return fmt.Sprintf("%d (%.1f %%)", s.Correct, s.percent()) }

func (s Score) percent() float64 { return 100 * float64(s.Correct) / float64(s.Total) }
