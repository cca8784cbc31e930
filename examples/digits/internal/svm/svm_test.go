package svm

import (
	"testing"

	"github.com/gomlq/mlq/examples/digits/data"
	"github.com/gomlq/mlq/examples/digits/internal/fold"
)

// digits returns the images from row on, up to row to, as the classifier takes
// them.
func digits(tb testing.TB, from, to int) (x [][]float64, y []int) {
	tb.Helper()
	images, err := data.Load()
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range images[from:to] {
		row := make([]float64, len(m.Pixels))
		for i, p := range m.Pixels {
			row[i] = float64(p)
		}
		x, y = append(x, row), append(y, int(m.Digit))
	}
	return x, y
}

func train(tb testing.TB, x [][]float64, y []int, p Params) *Model {
	tb.Helper()
	m, err := Train(x, y, p, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func predict(m *Model, x [][]float64) []int {
	classes := make([]int, len(x))
	for i, row := range x {
		classes[i] = m.Predict(row)
	}
	return classes
}

// The figures are those of scikit-learn 1.2.1 on the same images; the README of
// package data names them.
func TestHeldOutImagesAreToldAsByScikitLearn(t *testing.T) {
	t.Parallel()
	x, y := digits(t, 0, data.Training)
	held, want := digits(t, data.Training, data.Images)
	for p, figure := range map[Params]int{
		{C: 1, Gamma: 0.001}:  871,
		{C: 10, Gamma: 0.001}: 872,
		{C: 1, Gamma: 0.01}:   627,
	} {
		if got := fold.Correct(predict(train(t, x, y, p), held), want); got != figure {
			t.Errorf("%+v: %d of %d images told rightly, want %d", p, got, len(held), figure)
		}
	}
}

// The figures are our own. They say why folds are contiguous.
func TestFoldsOfEveryFifthRowFlatterTheClassifier(t *testing.T) {
	t.Parallel()
	x, y := digits(t, 0, 450)
	if got := crossValidate(t, x, y); got != 425 {
		t.Errorf("contiguous folds: %d of %d images told rightly, want 425", got, len(x))
	}
	var fifthX [][]float64 // rows 0, 5, 10, ... then 1, 6, 11, ...
	var fifthY []int
	for i := range 5 {
		for row := i; row < len(x); row += 5 {
			fifthX, fifthY = append(fifthX, x[row]), append(fifthY, y[row])
		}
	}
	if got := crossValidate(t, fifthX, fifthY); got != 442 {
		t.Errorf("folds of every fifth row: %d of %d images told rightly, want 442", got, len(x))
	}
}

// crossValidate returns how many rows are told rightly, over five folds.
func crossValidate(t *testing.T, x [][]float64, y []int) int {
	t.Helper()
	correct := 0
	for i := range 5 {
		trainX, testX, err := fold.Split(x, 5, i)
		if err != nil {
			t.Fatal(err)
		}
		trainY, testY, err := fold.Split(y, 5, i)
		if err != nil {
			t.Fatal(err)
		}
		m := train(t, trainX, trainY, Params{C: 1, Gamma: 0.001})
		correct += fold.Correct(predict(m, testX), testY)
	}
	return correct
}

func TestTheModelOfTwoPointsIsTheOneOnPaper(t *testing.T) {
	t.Parallel()
	// Both weights are 1/(1-K), with K = exp(-1*2*2); the middle is the border.
	m := train(t, [][]float64{{1}, {-1}}, []int{7, -3}, Params{C: 10, Gamma: 1})
	const weight = 1 / (1 - 0.01831563888873418)
	p := m.Pairs[0]
	if len(m.Rows) != 2 || !about(p.Weights[0], weight) || !about(p.Weights[1], -weight) || !about(p.Bias, 0) {
		t.Errorf("got model %+v, want weights of %v and %v and no bias", m, weight, -weight)
	}
	for x, want := range map[float64]int{0.1: 7, 3: 7, -0.1: -3, -3: -3} {
		if got := m.Predict([]float64{x}); got != want {
			t.Errorf("Predict(%v) = %d, want %d", x, got, want)
		}
	}
}

func TestTheLimitHoldsWhereRowsContradictEachOther(t *testing.T) {
	t.Parallel()
	x := [][]float64{{0}, {0}, {0}, {1}}
	m := train(t, x, []int{1, 2, 1, 2}, Params{C: 0.5, Gamma: 1})
	sum := 0.0
	for _, w := range m.Pairs[0].Weights {
		if w < -0.5 || w > 0.5 {
			t.Errorf("got weight %v, want at most C = 0.5 either way", w)
		}
		sum += w
	}
	if !about(sum, 0) {
		t.Errorf("got weights %v that add up to %v, want 0", m.Pairs[0].Weights, sum)
	}
	if got := m.Predict([]float64{0}); got != 1 {
		t.Errorf("Predict(0) = %d, want 1, as most rows there are", got)
	}
}

func TestEqualVotesGoToTheSmallerClass(t *testing.T) {
	t.Parallel()
	// Nobody has a support vector, so each pair votes by its bias.
	m := &Model{Classes: []int{10, 20, 30}, Pairs: []Pair{
		{First: 0, Second: 1, Bias: -1}, {First: 0, Second: 2, Bias: 1}, {First: 1, Second: 2, Bias: 0},
	}}
	if got := m.Predict([]float64{0}); got != 10 {
		t.Errorf("Predict with one vote for each class = %d, want 10", got)
	}
	m.Pairs[0].Bias = 0 // not above 0: for the second
	m.Pairs[1].Bias = 0
	m.Pairs[2].Bias = 1
	if got := m.Predict([]float64{0}); got != 20 {
		t.Errorf("Predict with two votes for 20 = %d, want 20", got)
	}
}

func TestPredictPanicsOnARowOfAnotherLength(t *testing.T) {
	t.Parallel()
	m := train(t, [][]float64{{1, 1}, {-1, 1}}, []int{0, 1}, Params{C: 1, Gamma: 1})
	defer func() {
		if recover() == nil {
			t.Error("Predict of 1 number after a training by rows of 2: got no panic, want one")
		}
	}()
	m.Predict([]float64{1})
}

func about(got, want float64) bool { return got-want < 1e-9 && want-got < 1e-9 }

// One setting on one fold of five, as a sweep has many of them.
func BenchmarkTrain(b *testing.B) {
	x, y := digits(b, 180, data.Training)
	for b.Loop() {
		train(b, x, y, Params{C: 1, Gamma: 0.001})
	}
}

func BenchmarkPredict(b *testing.B) {
	x, y := digits(b, 0, data.Training)
	m := train(b, x, y, Params{C: 1, Gamma: 0.001})
	for b.Loop() {
		m.Predict(x[0])
	}
}
