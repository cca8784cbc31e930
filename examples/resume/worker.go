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

// lease is how long a worker may be silent before others get its jobs.
const lease = 2 * time.Second

// work is what a worker does, until it is told to end. It does one node after the
// other, so that the story goes the same way each time.
func work(ctx context.Context, o options, s *show.Screen) (err error) {
	log := s.Logger(slog.LevelError)
	b, err := broker.Open(ctx, o.redis, broker.Config{Namespace: o.namespace, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	c := counter{o.ledger, o.hang, o.bug}
	w, err := runtime.NewWorker(b, runtime.Config{Slots: 1, LeaseTTL: lease, Logger: log}, c.tasks()...)
	if err != nil {
		return err
	}
	return w.Run(ctx)
}
