// Digits picks a classifier of hand-written digits: it cross-validates twelve
// settings on five folds, retrains the best one on all of the training half, and
// judges it by the half that was held out. That is one graph of 93 typed nodes,
// built in graph.go. Nothing needs to be installed:
//
//	go run ./examples/digits            # tables, and two pictures
//	go run ./examples/digits -draw      # the graph, as Mermaid
//
// With a Redis, other processes can work too, here or elsewhere, as many as you
// like. A sweep with -slots 0 leaves all work to them.
//
//	go run ./examples/digits -redis redis://localhost:6379/0 -worker
//	go run ./examples/digits -redis redis://localhost:6379/0
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	s := &screen{out: os.Stdout, err: os.Stderr}
	os.Exit(s.status(run(ctx, os.Args[1:], sweep(), s)))
}

// run is the whole program: a drawing, a worker, or a sweep with a worker of its
// own.
func run(ctx context.Context, args []string, of grid, s *screen) (err error) {
	o, err := parse(args, s.err)
	if err != nil {
		return err
	}
	if o.draw {
		return draw(of, s)
	}
	b, err := broker.Open(ctx, o.redis, broker.Config{Namespace: o.namespace, Logger: s.logger(slog.LevelInfo)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if o.slots == 0 {
		return try(ctx, b, of, o.out, s)
	}

	w, err := runtime.NewWorker(b, runtime.Config{Slots: o.slots, LeaseTTL: o.lease, Logger: s.logger(o.level())}, tasks...)
	if err != nil {
		return err
	}
	if o.worker {
		return w.Run(ctx) // until a signal comes; then it ends what it has begun
	}
	ctx, stop := context.WithCancelCause(ctx)
	var worker sync.WaitGroup
	worker.Go(func() { stop(w.Run(ctx)) })
	err = try(ctx, b, of, o.out, s)
	stop(nil)
	worker.Wait()
	return err
}

// draw prints the graph.
func draw(of grid, s *screen) error {
	g, _ := build(of)
	p, err := g.Plan() // checks it, and needs no queue
	if err != nil {
		return err
	}
	fmt.Fprint(s.out, graph.Mermaid(p))
	return nil
}

// try submits the graph, follows it to its end, and shows what came out.
func try(ctx context.Context, b *broker.Broker, of grid, dir string, s *screen) error {
	start := time.Now()
	q := runtime.NewClient(b).With(ctx)
	g, last := build(of)
	r, err := g.Submit(q)
	if err != nil {
		return err
	}
	if err := s.follow(q, b, r); err != nil {
		return err
	}
	found, err := task.Get(q, r, last) // a Report, as the compiler knows
	if err != nil {
		return err
	}
	s.tell(found, time.Since(start))
	if err := found.verify(); err != nil {
		return err
	}
	return found.draw(dir, s)
}
