// Mapreduce counts the words of a text: it is split into parts, graph.Map counts each,
// one job per part, and what they counted is added up. How many parts there are is known
// only when the graph runs. Nothing needs to be installed:
//
//	go run ./examples/mapreduce                  # 5,000 parts, in some seconds
//	go run ./examples/mapreduce -width 500
//	go run ./examples/mapreduce -draw            # the graph, as Mermaid: four nodes
//
// A hundred thousand parts are the most that a map has. Give them a Redis, which is
// several times as fast as the queue within the process, and as many workers as you like:
//
//	go run ./examples/mapreduce -redis redis://localhost:6379/0 -worker
//	go run ./examples/mapreduce -redis redis://localhost:6379/0 -width 100000
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

func main() { show.Main("mapreduce", run) }

// run is the whole program: a drawing, a worker, or a count with a worker of its own.
func run(ctx context.Context, args []string, s *show.Screen) (err error) {
	o, err := parse(args, s.Err)
	if err != nil {
		return err
	}
	if o.draw {
		return draw(o.width, s)
	}
	b, err := broker.Open(ctx, o.URL, broker.Config{Namespace: o.Namespace, Logger: s.Logger(slog.LevelInfo)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	do := func(ctx context.Context) error { return try(runtime.NewClient(b).With(ctx), o.width, s) }
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

// build returns the graph, and its last nodes. It is as small as this for any width.
func build(width int) (g *graph.Graph, merged task.Ref[Tally], best task.Ref[[]Word]) {
	g = graph.New("mapreduce")
	parts := graph.Add(g, split, Corpus{Lines: linesPerPart * width, Parts: width}) // a task.Ref[[]Part]
	tallies := graph.Map(g, count, parts)                                           // a task.Ref[[]Tally]: one job for each part
	merged = graph.Then(g, merge, tallies)                                          // func merge(ctx, []Tally), in the order of the parts
	return g, merged, graph.Then(g, top, merged)
}

// draw prints the graph.
func draw(width int, s *show.Screen) error {
	g, _, _ := build(width)
	p, err := g.Plan() // checks it, and needs no queue
	if err != nil {
		return err
	}
	fmt.Fprint(s.Out, graph.Mermaid(p))
	return nil
}

// try submits the graph to the queue behind q, follows it to its end, prints the words,
// and compares all of them with a count that needs no queue.
func try(q context.Context, width int, s *show.Screen) error {
	start := time.Now()
	g, merged, best := build(width)
	r, err := g.Submit(q)
	if err != nil {
		return err
	}
	if err := s.Follow(q, r); err != nil {
		return err
	}
	all, err := task.Get(q, r, merged)
	if err != nil {
		return err
	}
	words, err := task.Get(q, r, best)
	if err != nil {
		return err
	}
	table(s.Out, words, all)
	if err := verify(all, width); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "\nThe same as counted without a queue. %d jobs, in %.1f s\n", width+4, time.Since(start).Seconds())
	return nil
}
