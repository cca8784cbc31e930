package main

import (
	"fmt"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

const (
	shards  = 4   // of the messages that models learn from
	inShard = 300 // messages
	heldOut = 600 // messages that no model sees before it is judged
	quorum  = 2   // of the three models: so many must be there for a vote
)

// build returns the graph, and its last node; fail says how many models fail on
// purpose. Nothing runs yet.
func build(fail int) (*graph.Graph, task.Ref[Report]) {
	g := graph.New("spam")

	// Fan-out: each shard is written, split and counted for itself.
	var documents []task.Ref[[]Document]
	var counted []task.Ref[Counts]
	for i := range shards {
		d, c := shard(g.Group(fmt.Sprint("shard-", i)), i)
		documents, counted = append(documents, d), append(counted, c)
	}

	// Fan-in: what all shards have counted.
	counts := graph.Add(g, merge, MergeIn{counted})

	// The models. Bayes needs only the counts, the others the documents too.
	models := []Candidate{
		{"naive Bayes", task.ResultOf(graph.Add(g, bayes, BayesIn{counts}))},
		{"logistic", task.ResultOf(graph.Add(g, logistic, FitIn{counts, documents, fail > 1}))},
		{"perceptron", task.ResultOf(graph.Add(g, perceptron, FitIn{counts, documents, fail > 0}))},
	}

	// The join. Since it takes a task.Result of each model, the run goes on when
	// one has failed; AtLeast says how many must have succeeded.
	voters := graph.Add(g, gather, GatherIn{models}, graph.AtLeast(quorum))

	unseen := g.Group("held-out")
	messages := graph.Add(unseen, write, WriteIn{Seed: shards, Messages: heldOut})
	judged := graph.Add(g, judge, JudgeIn{voters, graph.Then(unseen, split, messages)})
	return g, judged
}

// shard adds what is done with one shard.
func shard(g *graph.Graph, i int) (task.Ref[[]Document], task.Ref[Counts]) {
	messages := graph.Add(g, write, WriteIn{Seed: i, Messages: inShard})
	documents := graph.Then(g, split, messages)
	return documents, graph.Then(g, count, documents)
}
