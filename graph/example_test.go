package graph_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

type Model struct {
	Depth int
	Score float64
}

type TrainIn struct {
	Data  task.Ref[[]float64] // an edge: the result of another node
	Depth int
}

type PickIn struct{ Models []task.Ref[Model] }

var (
	Load = task.Define("load", func(_ task.Context, file string) ([]float64, error) {
		return []float64{0.25, 0.5, 0.125}, nil
	})
	Train = task.Define("train", func(ctx task.Context, in TrainIn) (Model, error) {
		data, err := in.Data.Get(ctx)
		if err != nil {
			return Model{}, err
		}
		return Model{Depth: in.Depth, Score: data[in.Depth-1]}, nil
	})
	Pick = task.Define("pick", func(ctx task.Context, in PickIn) (Model, error) {
		models, err := task.All(ctx, in.Models)
		if err != nil {
			return Model{}, err
		}
		best := models[0]
		for _, m := range models {
			if m.Score > best.Score {
				best = m
			}
		}
		return best, nil
	})
	Describe = task.Define("describe", func(_ task.Context, m Model) (string, error) {
		return fmt.Sprintf("depth %d scores %.2f", m.Depth, m.Score), nil
	})
)

// start runs a worker until stop is called, on a queue in this process.
func start() (q context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	b, err := broker.Open(ctx, "embedded://", broker.Config{})
	if err != nil {
		log.Fatal(err)
	}
	w, err := runtime.NewWorker(b, runtime.Config{}, Load, Train, Pick, Describe)
	if err != nil {
		log.Fatal(err)
	}
	var worker sync.WaitGroup
	worker.Go(func() {
		if err := w.Run(ctx); err != nil {
			log.Print(err)
		}
	})
	return runtime.NewClient(b).With(ctx), func() {
		cancel()
		worker.Wait()
		_ = b.Close()
	}
}

func Example() {
	q, stop := start()
	defer stop()

	g := graph.New("one-model")
	data := graph.Add(g, Load, "digits.csv")
	model := graph.Add(g, Train, TrainIn{Data: data, Depth: 2})
	text := graph.Then(g, Describe, model) // its input is a Model
	run, err := g.Submit(q)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(task.Get(q, run, text))
	// Output: depth 2 scores 0.50 <nil>
}

// A node that takes a slice of Refs waits for all of them, and gets the results in
// the order of the slice.
func ExampleAdd_fanIn() {
	q, stop := start()
	defer stop()

	g := graph.New("sweep")
	data := graph.Add(g, Load, "digits.csv")
	var models []task.Ref[Model]
	for depth := range 3 {
		models = append(models, graph.Add(g, Train, TrainIn{data, depth + 1}))
	}
	best := graph.Then(g, Describe, graph.Add(g, Pick, PickIn{models}))
	run, err := g.Submit(q)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(task.Get(q, run, best))
	// Output: depth 2 scores 0.50 <nil>
}

// A node that takes Results is told of failures too, so it runs however its parents
// end. The type of its input says so, and no other type is accepted.
func ExampleAdd_resultOf() {
	type ReportIn struct {
		Models []task.Ref[task.Result[Model]]
	}
	report := task.Define("report", func(ctx task.Context, in ReportIn) (string, error) {
		failed := 0
		models, err := task.All(ctx, in.Models)
		for _, m := range models {
			if m.Err != nil {
				failed++
			}
		}
		return fmt.Sprintf("%d of %d failed", failed, len(models)), err
	})

	g := graph.New("sweep", graph.KeepGoing())
	data := graph.Add(g, Load, "digits.csv")
	var in ReportIn
	for depth := range 2 {
		model := graph.Add(g, Train, TrainIn{data, depth + 1})
		in.Models = append(in.Models, task.ResultOf(model))
	}
	graph.Add(g, report, in)
	plan, err := g.Plan()
	fmt.Println(plan, err)
	// Output:
	// sweep: 4 nodes, keeps going
	// 0 load: load on default
	// 1 train: train on default, after load
	// 2 train-2: train on default, after load
	// 3 report: report on default, after train (any end), train-2 (any end) <nil>
}

// Of two branches one is skipped. What comes after both takes their results by
// [task.OptOf].
func ExampleWhen() {
	enough := task.Declare[[]float64, bool]("enough")
	guess := task.Declare[task.None, Model]("guess")
	type EitherIn struct{ Trained, Guessed task.Ref[task.Opt[Model]] }
	either := task.Declare[EitherIn, Model]("either")

	g := graph.New("branches")
	data := graph.Add(g, Load, "digits.csv")
	ok := graph.Then(g, enough, data)
	trained := graph.Add(g, Train.With(task.Queue("gpu")), TrainIn{data, 3}, graph.When(ok))
	guessed := graph.Add(g, guess, task.None{}, graph.Unless(ok))
	graph.Add(g, either, EitherIn{task.OptOf(trained), task.OptOf(guessed)})
	plan, err := g.Plan()
	fmt.Println(plan, err)
	// Output:
	// branches: 5 nodes
	// 0 load: load on default
	// 1 enough: enough on default, after load
	// 2 train: train on gpu, after load, enough (true)
	// 3 guess: guess on default, after enough (false)
	// 4 either: either on default, after train (success or skipped), guess (success or skipped) <nil>
}

// A part of a graph is a function; its group keeps the names of its nodes apart.
func ExampleGraph_Group() {
	fold := func(g *graph.Graph, data task.Ref[[]float64]) task.Ref[string] {
		return graph.Then(g, Describe, graph.Add(g, Train, TrainIn{data, 1}))
	}

	g := graph.New("folds")
	data := graph.Add(g, Load, "digits.csv")
	for i := range 2 {
		fold(g.Group(fmt.Sprint("fold-", i)), data)
	}
	plan, err := g.Plan()
	fmt.Println(plan, err)
	// Output:
	// folds: 5 nodes
	// 0 load: load on default
	// 1 fold-0/train: train on default, after load
	// 2 fold-0/describe: describe on default, after fold-0/train
	// 3 fold-1/train: train on default, after load
	// 4 fold-1/describe: describe on default, after fold-1/train <nil>
}

func ExampleMermaid() {
	g := graph.New("sweep")
	data := graph.Add(g, Load, "digits.csv")
	a := graph.Add(g, Train, TrainIn{data, 1}, graph.Name("shallow"))
	b := graph.Add(g, Train, TrainIn{data, 9}, graph.Name("deep"))
	graph.Add(g, Pick, PickIn{[]task.Ref[Model]{a, b}}, graph.After(task.OptOf(data)))
	plan, err := g.Plan()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(graph.Mermaid(plan))
	// Output:
	// flowchart LR
	//   n0["load"]
	//   n1["shallow"]
	//   n2["deep"]
	//   n3["pick"]
	//   n0 --> n1
	//   n0 --> n2
	//   n0 -.->|"success or skipped"| n3
	//   n1 --> n3
	//   n2 --> n3
}

// Every fault is told at once, with the node and where in its input it is.
func ExampleGraph_Plan() {
	g := graph.New("wrong")
	graph.Add(g, Pick, PickIn{make([]task.Ref[Model], 1)})
	graph.Add(g, Describe, Model{}, graph.AtLeast(1))
	_, err := g.Plan()
	fmt.Println(err)
	// Output:
	// graph "wrong", node "pick", input.Models[0]: task: invalid: a zero Ref stands for nothing; was it forgotten? Where it may be absent, let the field be a *task.Ref
	// graph "wrong", node "describe", AtLeast: task: invalid: all parents must succeed; take the results of some by task.ResultOf or task.OptOf, or leave the option out
}
