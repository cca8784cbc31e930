package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// The job: primes below a limit, in parts of equal length.
const (
	below = 400_000
	parts = 16
)

// lease is how long a worker may be silent before others get its jobs.
const lease = 2 * time.Second

// count is the job, for those who post it.
var count = task.Declare[task.None, int]("count")

// state is the checkpoint: what the next attempt has to know.
type state struct {
	Done   int // parts
	Primes int // in them
}

// counter does the job.
type counter struct{ options }

func (c counter) count(ctx task.Context, _ task.None) (int, error) {
	s, found, err := task.LastCheckpoint[state](ctx)
	if err != nil {
		return 0, err
	}
	log := ctx.Logger().With("by", c.worker)
	log.Info("begun", "checkpoint", found, "done", s.Done, "primes", s.Primes)
	for s.Done < parts {
		s.Primes += primes(below/parts*s.Done, below/parts*(s.Done+1))
		s.Done++
		if err := task.Checkpoint(ctx, s); err != nil {
			return 0, err // the lease is lost: another worker goes on from the last one
		}
		log.Info("part", "number", s.Done)
		if err := ctx.UpdateProgress(100*float64(s.Done)/parts, fmt.Sprintf("part %d of %d", s.Done, parts)); err != nil {
			return 0, err
		}
		if s.Done == c.hang {
			<-ctx.Done() // until it is killed
			return 0, context.Cause(ctx)
		}
	}
	return s.Primes, ctx.SetShortResult(fmt.Sprintf("%d primes in %d parts", s.Primes, parts))
}

// primes counts the primes from one number to before another.
func primes(from, to int) (n int) {
	for i := max(from, 2); i < to; i++ {
		prime := true
		for d := 2; d*d <= i && prime; d++ {
			prime = i%d != 0
		}
		if prime {
			n++
		}
	}
	return n
}

// work is what a worker does, until it is told to end.
func work(ctx context.Context, o options, s *show.Screen) (err error) {
	log := s.Logger(slog.LevelError)
	b, err := broker.Open(ctx, o.redis, broker.Config{Namespace: o.namespace, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	w, err := runtime.NewWorker(b, runtime.Config{Slots: 1, LeaseTTL: lease, Logger: log}, count.Handle(counter{o}.count))
	if err != nil {
		return err
	}
	return w.Run(ctx)
}
