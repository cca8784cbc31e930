// Package fold divides rows into those that train a classifier and those that
// test it, and counts how the test went. Nothing in it is random: the same rows
// are always divided in the same way.
package fold

import (
	"fmt"
	"slices"
)

// Bounds returns where fold i of k, counted from 0, begins and ends in n rows:
// fold i is rows[from:to]. Each row is in exactly one fold, and the sizes of
// the folds differ by at most one. k is from 2 to n.
//
// A fold is contiguous, not every k-th row. Digits of one hand stand together in
// the file, so that with contiguous folds most of the hands that test are new to
// the classifier; with every k-th row it has learnt from all of them and looks
// better than it is. Support vectors with C=1 and gamma=0.001 tell 425 of the
// first 450 images rightly in five contiguous folds, and 442 in folds of every
// fifth row: TestFoldsOfEveryFifthRowFlatterTheClassifier, in package svm.
func Bounds(n, k, i int) (from, to int, err error) {
	if k < 2 || k > n {
		return 0, 0, fmt.Errorf("fold: %d folds of %d rows, want from 2 folds to one for each row", k, n)
	}
	if i < 0 || i >= k {
		return 0, 0, fmt.Errorf("fold: fold %d of %d, want 0 to %d", i, k, k-1)
	}
	return i * n / k, (i + 1) * n / k, nil
}

// Split returns the rows that test fold i of k, and all others, which train. The
// order stays. See [Bounds] for i and k. test is part of rows, train a copy.
func Split[T any](rows []T, k, i int) (train, test []T, err error) {
	from, to, err := Bounds(len(rows), k, i)
	if err != nil {
		return nil, nil, err
	}
	return slices.Concat(rows[:from], rows[to:]), rows[from:to:to], nil
}

// Holdout returns the first n rows, to train, and the rest, to test. Both are
// parts of rows, and neither may be empty.
func Holdout[T any](rows []T, n int) (train, test []T, err error) {
	if n < 1 || n >= len(rows) {
		return nil, nil, fmt.Errorf("fold: %d of %d rows to train, want at least one row to train and one to test", n, len(rows))
	}
	return rows[:n:n], rows[n:], nil
}
