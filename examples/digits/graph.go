package main

import (
	"fmt"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

// A grid says what a sweep tries, on how many folds, and which settings are
// compared with scikit-learn.
type grid struct {
	settings, reference []Setting
	folds               int
}

// build returns the graph of a sweep, and its last node. Nothing runs yet.
//
// Each edge is a [task.Ref] in the input of a node, so there is no other list of
// edges that could be wrong: to give fit the images held out, or pick a Score
// where it takes Means, does not compile.
func build(of grid) (*graph.Graph, task.Ref[Report]) {
	g := graph.New("digits-sweep")
	images := graph.Add(g, load, task.None{})    // a task.Ref[[]data.Image]
	training := graph.Then(g, firstHalf, images) // a task.Ref[Training]: every fit takes this one
	heldOut := graph.Then(g, secondHalf, images) // a task.Ref[HeldOut]

	// The sweep. A loop makes it wide, and a function is a sub-graph.
	var means []task.Ref[Mean]
	for _, s := range of.settings {
		means = append(means, crossValidate(g.Group(s.name()), training, s, of.folds))
	}

	// Which setting is retrained is known only when pick has run: an edge.
	best := graph.Add(g, pick, PickIn{means})
	model := graph.Add(g, train, TrainIn{training, best}, graph.Name("retrain"))
	held := graph.Add(g, evaluate, EvaluateIn{model, heldOut})

	// Here it is known already: a value, and the same task.
	var known []task.Ref[Evaluation]
	for _, s := range of.reference {
		r := g.Group("reference-" + s.name())
		m := graph.Add(r, train, TrainIn{training, task.Value(s)})
		known = append(known, graph.Add(r, evaluate, EvaluateIn{m, heldOut}))
	}
	return g, graph.Add(g, report, ReportIn{means, held, known})
}

// crossValidate adds one fit for each fold and what averages them.
func crossValidate(g *graph.Graph, training task.Ref[Training], s Setting, folds int) task.Ref[Mean] {
	var scores []task.Ref[Score]
	for i := range folds {
		in := FitIn{Training: training, Setting: s, Fold: i, Of: folds}
		scores = append(scores, graph.Add(g, fit, in, graph.Name(fmt.Sprint("fold-", i))))
	}
	return graph.Add(g, average, AverageIn{s, scores})
}

// sweep is what the program tries: 12 settings on 5 folds.
func sweep() grid {
	of := grid{folds: 5}
	for _, c := range []float64{1, 10, 100} {
		for _, gamma := range []float64{0.0001, 0.001, 0.01} {
			of.settings = append(of.settings, Setting{C: c, Gamma: gamma})
		}
	}
	for _, k := range []int{1, 3, 5} {
		of.settings = append(of.settings, Setting{K: k})
	}
	of.reference = []Setting{
		{C: 1, Gamma: 0.001}, {C: 10, Gamma: 0.001}, {C: 1, Gamma: 0.01},
		{K: 1}, {K: 3}, {K: 5}, {K: 7},
	}
	return of
}
