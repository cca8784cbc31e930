// Quickstart finds out how many neighbours a nearest-neighbour classifier of
// hand-written digits should ask. It cross-validates six numbers on five folds,
// which makes thirty jobs, one of which fails twice and is retried; then it
// scores them all on images that were held out. Nothing needs to be installed:
//
//	go run ./examples/quickstart
//
// With a Redis, workers are processes of their own, here or elsewhere, as many
// as you like. Kill one half-way (kill -9) and start another: it gets the jobs
// when the lease of the first has expired, and the result is the same.
//
//	go run ./examples/quickstart -redis redis://localhost:6379/0 -worker -lease 2s
//	go run ./examples/quickstart -redis redis://localhost:6379/0 -slots 0 -pause 500ms
package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/runtime"
)

func main() { show.Main("quickstart", run) }

// run is the whole program: a worker, a poster, or both in one process.
func run(ctx context.Context, args []string, s *show.Screen) (err error) {
	o, err := parse(args, s.Err)
	if err != nil {
		return err
	}
	b, err := broker.Open(ctx, o.URL, broker.Config{Namespace: o.Namespace, Logger: s.Logger(slog.LevelInfo)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	do := func(ctx context.Context) error { return sweep(runtime.NewClient(b).With(ctx), o.pause, s) }
	if o.Slots == 0 {
		return do(ctx)
	}
	w, err := runtime.NewWorker(b, o.Config(s), foldScore, holdout)
	if err != nil {
		return err
	}
	if o.Worker {
		return w.Run(ctx) // until a signal comes; then it ends what it has begun
	}
	return show.Beside(ctx, w.Run, do)
}

// sweep posts the trials to the queue behind q, waits for their scores, has the
// held-out images scored, and tells what came out.
func sweep(q context.Context, pause time.Duration, s *show.Screen) error {
	start := time.Now()
	trials := make([]Trial, 0, len(ks)*folds)
	for _, k := range ks {
		for fold := range folds {
			trials = append(trials, Trial{Fold: fold + 1, K: k, Pause: pause})
		}
	}
	jobs, err := foldScore.PostMany(q, trials)
	if err != nil {
		return err
	}
	scores, err := collect(q, jobs, s) // task.WaitAll, with a progress bar
	if err != nil {
		return err
	}
	held, err := holdout.Do(q, ks) // post and wait in one
	if err != nil {
		return err
	}
	if err := retries(q, s.Out, trials, jobs); err != nil {
		return err
	}
	rows := tabulate(scores, held)
	table(s.Out, rows)
	best(s.Out, pick(rows), time.Since(start))
	return verify(rows)
}
