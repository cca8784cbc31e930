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
//	go run ./examples/quickstart --redis redis://localhost:6379/0 --worker --lease 2s
//	go run ./examples/quickstart --redis redis://localhost:6379/0 --no-worker --pause 500ms
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/runtime"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	s := &screen{out: os.Stdout, err: os.Stderr}
	os.Exit(s.status(run(ctx, os.Args[1:], s)))
}

// run is the whole program: a worker, a poster, or both in one process.
func run(ctx context.Context, args []string, s *screen) (err error) {
	o, err := parse(args, s.err)
	if err != nil {
		return err
	}
	b, err := broker.Open(ctx, o.redis, broker.Config{Namespace: o.namespace, Logger: s.logger(slog.LevelInfo)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if o.noWorker {
		return sweep(runtime.NewClient(b).With(ctx), o.pause, s)
	}

	w, err := runtime.NewWorker(b, runtime.Config{Slots: o.slots, LeaseTTL: o.lease, Logger: s.logger(o.level())}, foldScore, holdout)
	if err != nil {
		return err
	}
	if o.worker {
		return w.Run(ctx) // until a signal comes; then it ends what it has begun
	}

	ctx, stop := context.WithCancelCause(ctx)
	var worker sync.WaitGroup
	worker.Go(func() { stop(w.Run(ctx)) })
	err = sweep(runtime.NewClient(b).With(ctx), o.pause, s)
	stop(nil)
	worker.Wait()
	return err
}

// sweep posts the trials to the queue behind q, waits for their scores, has the
// held-out images scored, and tells what came out.
func sweep(q context.Context, pause time.Duration, s *screen) error {
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
	if err := s.retries(q, trials, jobs); err != nil {
		return err
	}
	rows := tabulate(scores, held)
	s.table(rows)
	s.best(pick(rows), time.Since(start))
	return verify(rows)
}
