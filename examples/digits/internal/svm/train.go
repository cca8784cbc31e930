package svm

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Params are the two numbers that a sweep tries. Neither has a default.
type Params struct {
	C     float64 // what a row on the wrong side costs; above 0
	Gamma float64 // how fast the kernel falls with the squared distance; above 0
}

// Train learns the classes y of the rows x. step is called first of all, after
// each pair of classes, and in between when a pair takes long. It is told how
// many pairs are done; an error from it ends the training, and Train's error
// then wraps it or is it. step may be nil. In a job it looks like this:
//
//	svm.Train(x, y, p, func(done, total int) error {
//		return context.Cause(ctx)
//	})
//
// Faults of the input make an error that names them all, but for rows: of those
// it names the first bad one. The same input gives the same model, bit by bit
// on machines of one kind. Train keeps one kernel matrix at a time, that of two
// classes: 8 bytes times the square of their rows. The model shares no memory
// with x.
func Train(x [][]float64, y []int, p Params, step func(done, total int) error) (*Model, error) {
	if err := errors.Join(p.validate(), validate(x, y)); err != nil {
		return nil, err
	}
	if step == nil {
		step = func(int, int) error { return nil }
	}
	of := make(map[int][]int) // the rows of each class
	for i, class := range y {
		of[class] = append(of[class], i)
	}
	m := &Model{Gamma: p.Gamma, Classes: slices.Sorted(maps.Keys(of))}
	total := len(m.Classes) * (len(m.Classes) - 1) / 2
	tick := func() error { return step(len(m.Pairs), total) }
	if err := tick(); err != nil {
		return nil, err
	}
	for a, first := range m.Classes {
		for b, second := range m.Classes[a+1:] {
			pair, err := learn(x, of[first], of[second], p, tick)
			if err != nil {
				return nil, fmt.Errorf("svm: tell class %d from %d: %w", first, second, err)
			}
			pair.First, pair.Second = a, a+1+b
			m.Pairs = append(m.Pairs, pair)
			if err := tick(); err != nil {
				return nil, err
			}
		}
	}
	m.gather(x)
	return m, nil
}

// learn tells the rows of x that first lists from those that second lists. The
// rows of the pair are indices into x.
func learn(x [][]float64, first, second []int, p Params, tick func() error) (Pair, error) {
	rows := slices.Concat(first, second)
	s := newSolver(kernels(x, rows, p.Gamma), len(first), p.C)
	if err := s.solve(maxRounds, tick); err != nil {
		return Pair{}, err
	}
	pair := Pair{Bias: s.bias()}
	for i, w := range s.weight {
		if w != 0 {
			pair.Rows = append(pair.Rows, rows[i])
			pair.Weights = append(pair.Weights, w)
		}
	}
	return pair, nil
}

// gather copies the rows of x that pairs refer to into m, and makes the pairs
// refer to the copies.
func (m *Model) gather(x [][]float64) {
	used := make([]bool, len(x))
	for _, p := range m.Pairs {
		for _, i := range p.Rows {
			used[i] = true
		}
	}
	at := make([]int, len(x))
	for i, row := range x {
		if used[i] {
			at[i] = len(m.Rows)
			m.Rows = append(m.Rows, slices.Clone(row))
		}
	}
	for _, p := range m.Pairs {
		for i, row := range p.Rows {
			p.Rows[i] = at[row]
		}
	}
}

func (p Params) validate() error {
	var errs []error
	if !finite(p.C) || p.C <= 0 {
		errs = append(errs, fmt.Errorf("svm: C is %v, want a finite number above 0", p.C))
	}
	if !finite(p.Gamma) || p.Gamma <= 0 {
		errs = append(errs, fmt.Errorf("svm: Gamma is %v, want a finite number above 0", p.Gamma))
	}
	return errors.Join(errs...)
}

// validate returns the first fault of the rows x and their classes y.
func validate(x [][]float64, y []int) error {
	switch {
	case len(x) == 0:
		return errors.New("svm: no rows, want some of at least two classes")
	case len(x) != len(y):
		return fmt.Errorf("svm: %d rows and %d classes, want one class for each row", len(x), len(y))
	case len(x[0]) == 0:
		return errors.New("svm: row 0 is empty, want at least one number in each row")
	}
	for i, row := range x {
		if len(row) != len(x[0]) {
			return fmt.Errorf("svm: row %d has length %d and row 0 %d, want rows of one length", i, len(row), len(x[0]))
		}
		if at := slices.IndexFunc(row, func(f float64) bool { return !finite(f) }); at >= 0 {
			return fmt.Errorf("svm: row %d has %v at index %d, want finite numbers; fill in what is missing", i, row[at], at)
		}
	}
	if !slices.ContainsFunc(y, func(class int) bool { return class != y[0] }) {
		return fmt.Errorf("svm: every row is of class %d, want at least two classes", y[0])
	}
	return nil
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
