// Package knn tells digits by their nearest neighbours: the images that differ
// least from the one in question.
package knn

import (
	"slices"
	"sort"

	"github.com/gomlq/mlq/examples/digits/data"
)

// Correct returns how many images of test [Classify] tells rightly by the k
// nearest of train.
func Correct(train, test []data.Image, k int) int {
	correct := 0
	for i := range test {
		if Classify(train, &test[i], k) == test[i].Digit {
			correct++
		}
	}
	return correct
}

// Classify returns the digit that most of the k nearest images of train show,
// the smallest one where votes are equal. Of images equally near, the earlier
// in train counts as nearer. k is at least 1; if train has fewer images, all
// of them vote.
func Classify(train []data.Image, image *data.Image, k int) uint8 {
	var votes [10]int
	for _, n := range nearest(train, image, k) {
		votes[n.digit]++
	}
	return uint8(slices.Index(votes[:], slices.Max(votes[:])))
}

type neighbour struct {
	distance int
	digit    uint8
}

// nearest returns the k images of train that are nearest to image, in order.
func nearest(train []data.Image, image *data.Image, k int) []neighbour {
	near := make([]neighbour, 0, k+1)
	for i := range train {
		d := distance(train[i].Pixels, image.Pixels)
		// Behind those equally near: they came before.
		at := sort.Search(len(near), func(i int) bool { return near[i].distance > d })
		if at == k {
			continue
		}
		near = slices.Insert(near, at, neighbour{d, train[i].Digit})
		near = near[:min(len(near), k)]
	}
	return near
}

// distance is the squared Euclidean one: its order is the same, and it is a
// whole number, so that equal is equal.
func distance(a, b [data.Pixels]uint8) int {
	sum := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		sum += d * d
	}
	return sum
}
