package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

const (
	parts = 8
	below = 200_000 // where counting ends
)

// The tasks. They are declared here, and bound by [counter.tasks] to what a worker
// needs to run them.
var (
	count = task.Declare[CountIn, int]("count", keep)
	sum   = task.Declare[SumIn, int]("sum", keep)
)

// keep is how long records and results stay in Redis.
var keep = task.Retention(time.Hour)

// build returns the graph, and its last node: eight parts, four sums, a total.
func build() (*graph.Graph, task.Ref[int]) {
	g := graph.New("primes")
	var counts, sums []task.Ref[int]
	for i := range parts {
		in := CountIn{Node: fmt.Sprint("count-", i), From: i * below / parts, To: (i + 1) * below / parts}
		counts = append(counts, graph.Add(g, count, in, graph.Name(in.Node)))
	}
	for i := range parts / 2 {
		in := SumIn{Node: fmt.Sprint("sum-", i), Of: counts[2*i : 2*i+2]}
		sums = append(sums, graph.Add(g, sum, in, graph.Name(in.Node)))
	}
	return g, graph.Add(g, sum, SumIn{"total", sums}, graph.Name("total"))
}

// A counter is what a worker needs to run the tasks.
type counter struct {
	ledger    ledger
	hang, bug bool
}

// tasks returns what a worker with that counter can do.
func (c counter) tasks() []task.Handler {
	return []task.Handler{count.Handle(c.count), sum.Handle(c.sum)}
}

// CountIn asks for the number of primes from From to below To.
type CountIn struct {
	Node     string // what it is called in the ledger
	From, To int
}

func (c counter) count(ctx task.Context, in CountIn) (int, error) {
	if err := c.ledger.add(in.Node); err != nil {
		return 0, err
	}
	if c.hang && in.Node == "count-3" {
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}
	n := 0
	for i := in.From; i < in.To; i++ {
		if prime(i) {
			n++
		}
	}
	return n, nil
}

func prime(n int) bool {
	for i := 2; i*i <= n; i++ {
		if n%i == 0 {
			return false
		}
	}
	return n > 1
}

// SumIn has what is to be added up.
type SumIn struct {
	Node string
	Of   []task.Ref[int]
}

func (c counter) sum(ctx task.Context, in SumIn) (int, error) {
	if err := c.ledger.add(in.Node); err != nil {
		return 0, err
	}
	if c.bug && in.Node == "sum-1" {
		return 0, task.Permanent(errors.New("this version has a bug")) // to try again is useless
	}
	ns, err := task.All(ctx, in.Of)
	total := 0
	for _, n := range ns {
		total += n
	}
	return total, err
}
