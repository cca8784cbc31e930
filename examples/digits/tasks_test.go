package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gomlq/mlq/examples/digits/data"
	"github.com/gomlq/mlq/task"
	"github.com/gomlq/mlq/task/tasktest"
)

func TestTheGraphHasANodeForEachFoldOfEachSetting(t *testing.T) {
	t.Parallel()
	g, _ := build(sweep())
	p, err := g.Plan()
	if err != nil {
		t.Fatal(err)
	}
	parents := make(map[string]int, len(p.Nodes)) // how many, by name
	for _, n := range p.Nodes {
		parents[n.Name] = len(n.Parents)
	}
	// load, 2 halves, 12 settings of 5 folds and a mean, 7 references of 2, and pick, retrain, evaluate, report.
	if want := 1 + 2 + 12*(5+1) + 7*2 + 4; len(parents) != want {
		t.Errorf("got %d nodes, want %d", len(parents), want)
	}
	for name, want := range map[string]int{
		"load": 0, "first-half": 1, "svc-c100-gamma0.0001/fold-4": 1, "svc-c100-gamma0.0001/average": 5,
		"pick": 12, "retrain": 2, "evaluate": 2, "reference-knn-7/train": 1, "report": 12 + 1 + 7,
	} {
		if got, ok := parents[name]; !ok || got != want {
			t.Errorf("node %s: got %d parents (there: %v), want %d", name, got, ok, want)
		}
	}
}

// A task function under test is a function: a Ref to a value stands for what
// another job would have returned.
func TestAFoldIsTestedByTheOthers(t *testing.T) {
	t.Parallel()
	images, err := data.Load()
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[Setting]int{{C: 1, Gamma: 0.001}: 95, {K: 1}: 96} {
		ctx, _ := tasktest.New(t)
		got, err := fitFold(ctx, FitIn{Training: task.Value(Training(images[:200])), Setting: s, Fold: 1, Of: 2})
		if err != nil || got != (Score{want, 100}) {
			t.Errorf("%v on the second of two folds: got %+v, %v, want %d of 100", s, got, err, want)
		}
	}
}

func TestAFoldThatIsNotThereIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	ctx, _ := tasktest.New(t)
	_, err := fitFold(ctx, FitIn{Training: task.Value(make(Training, 9)), Setting: Setting{K: 1}, Fold: 5, Of: 5})
	if r, ok := errors.AsType[*task.Ruling](err); !ok || r.Verdict != task.Fail {
		t.Errorf("fold 5 of 5: got %v, want an error that is permanent", err)
	}
}

func TestPickTakesTheFirstOfTheBest(t *testing.T) {
	t.Parallel()
	ctx, _ := tasktest.New(t)
	var in PickIn
	for i, s := range []Score{{90, 100}, {191, 200}, {382, 400}, {3, 4}} {
		in.Means = append(in.Means, task.Value(Mean{Setting: Setting{K: i + 1}, All: s}))
	}
	if got, err := pickBest(ctx, in); err != nil || got.K != 2 {
		t.Errorf("got setting %v, %v, want k=2, the first with 95.5 %%", got, err)
	}
}

func TestAverageAddsUpTheFolds(t *testing.T) {
	t.Parallel()
	ctx, _ := tasktest.New(t)
	got, err := averageFolds(ctx, AverageIn{Setting{K: 1}, []task.Ref[Score]{
		task.Value(Score{9, 10}), task.Value(Score{7, 8}), task.Value(Score{10, 10}),
	}})
	if want := (Mean{Setting{K: 1}, Score{26, 28}, Score{7, 8}}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestVerifyTellsEveryDifferenceFromTheReference(t *testing.T) {
	t.Parallel()
	right := evaluation(Setting{K: 1}, 864)
	if err := (Report{Held: right, Reference: []Evaluation{right, evaluation(Setting{K: 9}, 3)}}).verify(); err != nil {
		t.Errorf("verify of the reference itself: got %v, want nil", err)
	}
	r := Report{Held: evaluation(Setting{K: 5}, 1), Reference: []Evaluation{evaluation(Setting{K: 3}, 865), right}}
	err := r.verify()
	for _, want := range []string{"k-NN k=3 tells 865", "scikit-learn tells 866", "k-NN k=5 tells 1 "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want in it %q", err, want)
		}
	}
}

// evaluation returns one with so many images told rightly.
func evaluation(s Setting, correct int) Evaluation {
	return Evaluation{s, [][]int{{correct}}}
}

func TestEveryReferenceIsOnTheGrid(t *testing.T) {
	t.Parallel()
	of := sweep()
	for s := range reference {
		if !slices.Contains(of.reference, s) {
			t.Errorf("%v has a figure of scikit-learn, but is not computed", s)
		}
	}
}
