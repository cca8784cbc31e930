package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gomlq/mlq/examples/digits/data"
	"github.com/gomlq/mlq/examples/internal/knn"
	"github.com/gomlq/mlq/task"
)

// folds is how many parts the training images are divided into. Each is scored
// once by a classifier that has learnt from the others.
const folds = 5

// ks are the numbers of neighbours that are tried.
var ks = []int{1, 3, 5, 7, 9, 11}

// The tasks. Posters and workers name them by these variables, so the compiler
// checks what goes in and what comes out.
var (
	foldScore = task.Define("fold.score", scoreFold,
		task.MaxAttempts(3), task.Backoff(100*time.Millisecond, 200*time.Millisecond), task.Retention(time.Hour))
	holdout = task.Define("holdout", scoreHoldout, task.Retention(time.Hour))
)

// Trial asks how k neighbours do on one fold.
type Trial struct {
	Fold  int // 1 to folds
	K     int
	Pause time.Duration // before scoring, to have time to watch, or to kill the worker
}

// Score is how many of the images were told rightly.
type Score struct{ Correct, Total int }

// digits returns the images. A worker unpacks them once.
var digits = sync.OnceValues(data.Load)

// scoreFold scores one fold of the training images by the others.
func scoreFold(ctx task.Context, in Trial) (Score, error) {
	if in.Fold < 1 || in.Fold > folds || in.K < 1 {
		return Score{}, task.Permanent(fmt.Errorf("there is no fold %d of %d with k=%d", in.Fold, folds, in.K))
	}
	if err := stumble(ctx, in); err != nil {
		return Score{}, err
	}
	images, err := digits()
	if err != nil {
		return Score{}, task.Permanent(err) // the program is damaged: to try again is useless
	}
	select {
	case <-time.After(in.Pause):
	case <-ctx.Done(): // cancelled, or the worker shuts down
		return Score{}, context.Cause(ctx)
	}
	from, to := (in.Fold-1)*data.Training/folds, in.Fold*data.Training/folds
	fold, others := images[from:to], slices.Concat(images[:from], images[to:data.Training])
	s := Score{knn.Correct(others, fold, in.K), len(fold)}
	ctx.Logger().Info("scored", "fold", in.Fold, "k", in.K, "correct", s.Correct, "total", s.Total)
	return s, nil
}

// stumble stands for the failures that go away by themselves, such as a peer
// that restarts: one of the trials fails on its first two attempts, on purpose.
// The task's Backoff says how soon it is tried again, its MaxAttempts when to
// give up.
func stumble(ctx task.Context, in Trial) error {
	if attempt := ctx.Job().Attempt; in.Fold == 3 && in.K == 5 && attempt <= 2 {
		return fmt.Errorf("attempt %d fails on purpose", attempt)
	}
	return nil
}

// scoreHoldout scores each of the ks on the held-out images by all training
// images, and returns the scores in the order of ks.
func scoreHoldout(ctx task.Context, ks []int) ([]Score, error) {
	images, err := digits()
	if err != nil {
		return nil, task.Permanent(err)
	}
	train, held := images[:data.Training], images[data.Training:]
	scores := make([]Score, len(ks))
	for i, k := range ks {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		scores[i] = Score{knn.Correct(train, held, k), len(held)}
	}
	ctx.Logger().Info("scored the held-out images", "k", ks)
	return scores, nil
}
