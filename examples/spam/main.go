// Spam teaches three models to tell spam from ham, and has them vote: messages in
// shards, words and counts of each shard, the counts merged, three models trained
// at the same time, a join that wants two of them, and a table. That is one graph,
// built in graph.go. Nothing needs to be installed:
//
//	go run ./examples/spam              # the table
//	go run ./examples/spam -fail 1      # one model cannot be trained: the others vote
//	go run ./examples/spam -fail 2      # only one is left: no vote
//	go run ./examples/spam -draw        # the graph, as Mermaid
//
// With a Redis, other processes can work too: give them -worker and the same
// -redis.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

func main() { show.Main("spam", run) }

// run is the whole program: a drawing, a worker, or a vote with a worker of its
// own.
func run(ctx context.Context, args []string, s *show.Screen) (err error) {
	o, err := parse(args, s.Err)
	if err != nil {
		return err
	}
	g, last := build(o.fail)
	if o.draw {
		return draw(g, s.Out)
	}
	b, err := broker.Open(ctx, o.URL, broker.Config{Namespace: o.Namespace, Logger: s.Logger(slog.LevelInfo)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	do := func(ctx context.Context) error { return try(runtime.NewClient(b).With(ctx), g, last, s) }
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
func draw(g *graph.Graph, w io.Writer) error {
	p, err := g.Plan() // checks it, and needs no queue
	if err != nil {
		return err
	}
	fmt.Fprint(w, graph.Mermaid(p))
	return nil
}

// try submits the graph to the queue behind q, follows it to its end, and prints
// the report.
func try(q context.Context, g *graph.Graph, last task.Ref[Report], s *show.Screen) error {
	r, err := g.Submit(q)
	if err != nil {
		return err
	}
	if err := s.Follow(q, r); err != nil { // a model that fails does not fail the run
		return err
	}
	report, err := task.Get(q, r, last)
	if errors.Is(err, task.ErrSkipped) {
		return fmt.Errorf("fewer than %d models could be trained, so there was no vote: %w", quorum, err)
	}
	if err != nil {
		return err
	}
	report.print(s.Out)
	return nil
}
