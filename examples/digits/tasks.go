package main

import (
	"context"
	"slices"
	"time"

	"github.com/gomlq/mlq/examples/digits/data"
	"github.com/gomlq/mlq/examples/digits/internal/fold"
	"github.com/gomlq/mlq/task"
)

// The tasks. Each is a function of one input and one output; what is an edge in
// the graph is a task.Ref in the input. A worker runs all of them.
var (
	load       = task.Define("load", loadImages, keep)
	firstHalf  = task.Define("first-half", takeFirstHalf, keep)
	secondHalf = task.Define("second-half", takeSecondHalf, keep)
	fit        = task.Define("fit", fitFold, keep)
	average    = task.Define("average", averageFolds, keep)
	pick       = task.Define("pick", pickBest, keep)
	train      = task.Define("train", trainModel, keep)
	evaluate   = task.Define("evaluate", evaluateModel, keep)
	report     = task.Define("report", collect, keep)

	tasks = []task.Handler{load, firstHalf, secondHalf, fit, average, pick, train, evaluate, report}
)

// keep is how long records and results stay in Redis.
var keep = task.Retention(time.Hour)

// Training and HeldOut are the two halves of the images. They are types of their
// own, so that a graph that trains on the images held out does not compile.
type (
	Training []data.Image
	HeldOut  []data.Image
)

func loadImages(task.Context, task.None) ([]data.Image, error) {
	images, err := data.Load()
	if err != nil {
		return nil, task.Permanent(err) // the program is damaged: to try again is useless
	}
	return images, nil
}

func takeFirstHalf(_ task.Context, images []data.Image) (Training, error) {
	half, _, err := fold.Holdout(images, data.Training)
	return half, err
}

func takeSecondHalf(_ task.Context, images []data.Image) (HeldOut, error) {
	_, half, err := fold.Holdout(images, data.Training)
	return half, err
}

// FitIn asks how one setting does on one fold, having learnt from the others.
type FitIn struct {
	Training task.Ref[Training]
	Setting  Setting
	Fold, Of int // Fold is 0 to Of-1
}

// Score is how many images were told rightly.
type Score struct{ Correct, Total int }

func fitFold(ctx task.Context, in FitIn) (Score, error) {
	images, err := in.Training.Get(ctx)
	if err != nil {
		return Score{}, err
	}
	others, test, err := fold.Split(images, in.Of, in.Fold)
	if err != nil {
		return Score{}, task.Permanent(err)
	}
	m, err := learn(in.Setting, others, alive(ctx))
	if err != nil {
		return Score{}, err
	}
	c, err := m.test(test, alive(ctx))
	if err != nil {
		return Score{}, err
	}
	ctx.Logger().Info("scored", "setting", in.Setting, "fold", in.Fold, "correct", c.Correct(), "total", c.Total())
	return Score{c.Correct(), c.Total()}, nil
}

// AverageIn has the scores of one setting: a fan-in of all its folds.
type AverageIn struct {
	Setting Setting
	Folds   []task.Ref[Score]
}

// Mean is how a setting does in cross-validation.
type Mean struct {
	Setting Setting
	All     Score // of all folds together
	Worst   Score // of the fold it does worst on
}

func averageFolds(ctx task.Context, in AverageIn) (Mean, error) {
	scores, err := task.All(ctx, in.Folds) // in order, in one round trip
	if err != nil {
		return Mean{}, err
	}
	m := Mean{Setting: in.Setting, Worst: slices.MinFunc(scores, compare)}
	for _, s := range scores {
		m.All.Correct += s.Correct
		m.All.Total += s.Total
	}
	return m, nil
}

// PickIn has what was averaged of every setting.
type PickIn struct{ Means []task.Ref[Mean] }

// pickBest returns the setting with the best mean, the first of equals.
func pickBest(ctx task.Context, in PickIn) (Setting, error) {
	means, err := task.All(ctx, in.Means)
	if err != nil {
		return Setting{}, err
	}
	return slices.MaxFunc(means, func(a, b Mean) int { return compare(a.All, b.All) }).Setting, nil
}

// TrainIn asks for a model. Setting is what another job picked, or
// task.Value(s) where it is known when the graph is built.
type TrainIn struct {
	Training task.Ref[Training]
	Setting  task.Ref[Setting]
}

func trainModel(ctx task.Context, in TrainIn) (Model, error) {
	images, err := in.Training.Get(ctx)
	if err != nil {
		return Model{}, err
	}
	s, err := in.Setting.Get(ctx)
	if err != nil {
		return Model{}, err
	}
	return learn(s, images, alive(ctx))
}

// alive returns a function that says why the attempt must end: it was cancelled,
// or the worker shuts down. Loops that compute for long ask it now and then.
func alive(ctx task.Context) func() error {
	return func() error { return context.Cause(ctx) }
}
