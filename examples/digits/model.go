package main

import (
	"fmt"
	"strconv"

	"github.com/gomlq/mlq/examples/digits/data"
	"github.com/gomlq/mlq/examples/digits/internal/fold"
	"github.com/gomlq/mlq/examples/digits/internal/svm"
	"github.com/gomlq/mlq/examples/internal/knn"
)

// Setting is what a sweep tries: a classifier and its numbers. It is K nearest
// neighbours if K is above 0, else a support vector classifier.
type Setting struct {
	C, Gamma float64
	K        int
}

// String implements [fmt.Stringer].
func (s Setting) String() string {
	if s.K > 0 {
		return fmt.Sprintf("k-NN k=%d", s.K)
	}
	return fmt.Sprintf("SVC C=%s gamma=%s", plain(s.C), plain(s.Gamma))
}

// name is what nodes of a graph are called by: letters, digits and a few signs.
func (s Setting) name() string {
	if s.K > 0 {
		return fmt.Sprintf("knn-%d", s.K)
	}
	return fmt.Sprintf("svc-c%s-gamma%s", plain(s.C), plain(s.Gamma))
}

// plain writes a number without an exponent.
func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// Model is a classifier that has learnt. It is plain data and travels from job
// to job as the result of one and the input of the next.
type Model struct {
	Setting  Setting
	SVM      *svm.Model   // unless it asks neighbours
	Examples []data.Image // the neighbours
}

// learn trains a classifier. A support vector machine calls tick now and then,
// and gives up with the error that tick returns.
func learn(s Setting, images []data.Image, tick func() error) (Model, error) {
	if s.K > 0 {
		return Model{Setting: s, Examples: images}, tick()
	}
	x, y := make([][]float64, len(images)), make([]int, len(images))
	for i := range images {
		x[i], y[i] = numbers(&images[i]), int(images[i].Digit)
	}
	m, err := svm.Train(x, y, svm.Params{C: s.C, Gamma: s.Gamma}, func(int, int) error { return tick() })
	return Model{Setting: s, SVM: m}, err
}

// tell returns the digit that m takes the image for.
func (m Model) tell(image *data.Image) int {
	if m.Setting.K > 0 {
		return int(knn.Classify(m.Examples, image, m.Setting.K))
	}
	return m.SVM.Predict(numbers(image))
}

// test counts what m takes the images for.
func (m Model) test(images []data.Image, tick func() error) (fold.Confusion, error) {
	c := fold.NewConfusion(10)
	for i := range images {
		if err := tick(); err != nil {
			return nil, err
		}
		if err := c.Add(m.tell(&images[i]), int(images[i].Digit)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// numbers returns the pixels as a support vector machine takes them.
func numbers(image *data.Image) []float64 {
	x := make([]float64, len(image.Pixels))
	for i, p := range image.Pixels {
		x[i] = float64(p)
	}
	return x
}
