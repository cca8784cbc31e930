package fold

import "fmt"

// Accuracy returns the share of got that is as wanted, from 0 to 1, and 0 if
// there is nothing. got and want must be of one length; otherwise it panics.
func Accuracy(got, want []int) float64 {
	return share(Correct(got, want), len(got))
}

// Correct returns how many of got are as wanted. got and want must be of one
// length; otherwise it panics.
func Correct(got, want []int) int {
	if len(got) != len(want) {
		panic(fmt.Sprintf("fold: %d classes got, %d wanted", len(got), len(want)))
	}
	n := 0
	for i, class := range got {
		if class == want[i] {
			n++
		}
	}
	return n
}

// A Confusion counts what was taken for what: c[want][got] rows of class want
// were told to be of class got. The classes are 0 to len(c)-1.
type Confusion [][]int

// NewConfusion returns counts of 0 for so many classes.
func NewConfusion(classes int) Confusion {
	c := make(Confusion, classes)
	for i := range c {
		c[i] = make([]int, classes)
	}
	return c
}

// Add counts one row. A class that c does not have is an error.
func (c Confusion) Add(got, want int) error {
	for _, class := range []int{got, want} {
		if class < 0 || class >= len(c) {
			return fmt.Errorf("fold: class %d, want 0 to %d", class, len(c)-1)
		}
	}
	c[want][got]++
	return nil
}

// Merge adds the counts of d, such as those of another fold. It changes nothing
// and returns an error if d is not of the same number of classes.
func (c Confusion) Merge(d Confusion) error {
	if len(c) != len(d) {
		return fmt.Errorf("fold: merge counts of %d classes into those of %d, want as many", len(d), len(c))
	}
	for want, row := range d {
		if len(row) != len(c) {
			return fmt.Errorf("fold: merge counts whose row %d has %d classes, want %d", want, len(row), len(c))
		}
	}
	for want, row := range d {
		for got, n := range row {
			c[want][got] += n
		}
	}
	return nil
}

// Correct returns how many rows were told rightly.
func (c Confusion) Correct() int {
	n := 0
	for class := range c {
		n += c[class][class]
	}
	return n
}

// Total returns how many rows were counted.
func (c Confusion) Total() int {
	n := 0
	for _, row := range c {
		for _, of := range row {
			n += of
		}
	}
	return n
}

// Accuracy returns the share that was told rightly, from 0 to 1, and 0 if
// nothing was counted.
func (c Confusion) Accuracy() float64 { return share(c.Correct(), c.Total()) }

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}
