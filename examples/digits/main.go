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
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

func main() {
	show.Main("digits", func(ctx context.Context, args []string, s *show.Screen) error {
		return run(ctx, args, sweep(), s)
	})
}

// run is the whole program: a drawing, a worker, or a sweep with a worker of its
// own.
func run(ctx context.Context, args []string, of grid, s *show.Screen) (err error) {
	o, err := parse(args, s.Err)
	if err != nil {
		return err
	}
	if o.draw {
		return draw(of, s)
	}
	b, err := broker.Open(ctx, o.URL, broker.Config{Namespace: o.Namespace, Logger: s.Logger(slog.LevelInfo)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	do := func(ctx context.Context) error { return try(runtime.NewClient(b).With(ctx), of, o.out, s) }
	if o.Slots == 0 {
		return do(ctx)
	}
	w, err := runtime.NewWorker(b, o.Config(s), tasks...)
	if err != nil {
		return err
	}
	if o.Worker {
		return w.Run(ctx) // until a signal comes; then it ends what it has begun
	}
	return show.Beside(ctx, w.Run, do)
}

// draw prints the graph.
func draw(of grid, s *show.Screen) error {
	g, _ := build(of)
	p, err := g.Plan() // checks it, and needs no queue
	if err != nil {
		return err
	}
	fmt.Fprint(s.Out, graph.Mermaid(p))
	return nil
}

// try submits the graph to the queue behind q, follows it to its end, and shows
// what came out.
func try(q context.Context, of grid, dir string, s *show.Screen) error {
	start := time.Now()
	g, last := build(of)
	r, err := g.Submit(q)
	if err != nil {
		return err
	}
	if err := s.Follow(q, r); err != nil {
		return err
	}
	found, err := task.Get(q, r, last) // a Report, as the compiler knows
	if err != nil {
		return err
	}
	tell(s.Out, found, time.Since(start))
	if err := found.verify(); err != nil {
		return err
	}
	return found.draw(dir, s.Out)
}
