package knn

import (
	"fmt"
	"testing"

	"github.com/gomlq/mlq/examples/digits/data"
)

// The figures for k = 1 to 7 are those of scikit-learn 1.2.1 on the same
// images; the README of package data names them. Those for 9 and 11 are our own.
func TestHeldOutImagesAreToldAsByScikitLearn(t *testing.T) {
	t.Parallel()
	images, err := data.Load()
	if err != nil {
		t.Fatal(err)
	}
	train, held := images[:data.Training], images[data.Training:]
	for k, want := range map[int]int{1: 864, 3: 866, 5: 859, 7: 856, 9: 854, 11: 853} {
		t.Run(fmt.Sprintf("k=%d", k), func(t *testing.T) {
			t.Parallel()
			if got := Correct(train, held, k); got != want {
				t.Errorf("Correct(train, held, %d) = %d of %d, want %d", k, got, len(held), want)
			}
		})
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	// at returns an image of digit whose distance to the blank one is d*d.
	at := func(d, digit uint8) data.Image { return data.Image{Pixels: [data.Pixels]uint8{d}, Digit: digit} }
	tests := map[string]struct {
		train []data.Image
		k     int
		want  uint8
	}{
		"the nearest alone":              {[]data.Image{at(3, 1), at(1, 7), at(2, 1)}, 1, 7},
		"the majority of the nearest":    {[]data.Image{at(3, 1), at(1, 7), at(2, 1)}, 3, 1},
		"the farther ones have no vote":  {[]data.Image{at(9, 1), at(9, 1), at(2, 4), at(3, 4), at(1, 5)}, 3, 4},
		"equal votes: the smaller digit": {[]data.Image{at(1, 8), at(2, 8), at(3, 2), at(4, 2)}, 4, 2},
		"equally near: the earlier":      {[]data.Image{at(2, 6), at(2, 3)}, 1, 6},
		"equally near, and one nearer":   {[]data.Image{at(2, 6), at(2, 3), at(1, 6), at(2, 3)}, 2, 6},
		"k above what there is":          {[]data.Image{at(2, 6), at(1, 6), at(3, 1)}, 100, 6},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Classify(test.train, &data.Image{}, test.k); got != test.want {
				t.Errorf("Classify(…, k=%d) = %d, want %d", test.k, got, test.want)
			}
		})
	}
}

func BenchmarkCorrect(b *testing.B) {
	images, err := data.Load()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		Correct(images[180:data.Training], images[:180], 5)
	}
}
