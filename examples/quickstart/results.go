package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/task"
)

// A row is what became of one k.
type row struct {
	k    int
	cv   Score // of all folds, in cross-validation
	held Score // of the held-out images
}

// reference is how many held-out images scikit-learn 1.2.1 tells rightly, by k.
// The README beside the data has the whole table.
var reference = map[int]int{1: 864, 3: 866, 5: 859, 7: 856}

// collect waits for the jobs and returns their scores in order. It waits for
// all of them at once, so that the bar moves whenever one ends.
func collect(q context.Context, jobs []task.Handle[Score], s *show.Screen) ([]Score, error) {
	bar := s.Bar("cross-validation", len(jobs))
	defer bar.Done()
	scores, errs := make([]Score, len(jobs)), make([]error, len(jobs))
	var waits sync.WaitGroup
	for i, job := range jobs {
		waits.Go(func() {
			if scores[i], errs[i] = job.Wait(q); errs[i] == nil {
				bar.Step()
			}
		})
	}
	waits.Wait()
	if q.Err() != nil {
		return nil, context.Cause(q) // once, and not thirty times that it was interrupted
	}
	return scores, errors.Join(errs...)
}

// tabulate adds up the scores of the folds: scores has those of the first k
// first, held has one for each k.
func tabulate(scores, held []Score) []row {
	rows := make([]row, len(ks))
	for i, k := range ks {
		rows[i] = row{k: k, held: held[i]}
		for _, s := range scores[i*folds : (i+1)*folds] {
			rows[i].cv.Correct += s.Correct
			rows[i].cv.Total += s.Total
		}
	}
	return rows
}

// pick returns the row that is best in cross-validation, the first of equals.
// It does not look at the held-out images: they judge the choice.
func pick(rows []row) row {
	return slices.MaxFunc(rows, func(a, b row) int { return cmp.Compare(a.cv.Correct, b.cv.Correct) })
}

// verify compares the held-out scores with the reference.
func verify(rows []row) error {
	var errs []error
	for _, r := range rows {
		if want, ok := reference[r.k]; ok && r.held.Correct != want {
			errs = append(errs, fmt.Errorf("k=%d tells %d held-out images rightly, scikit-learn tells %d; please report it, it is a defect",
				r.k, r.held.Correct, want))
		}
	}
	return errors.Join(errs...)
}
