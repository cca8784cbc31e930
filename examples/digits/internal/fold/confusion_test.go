package fold

import (
	"reflect"
	"testing"
)

func TestAccuracyIsTheShareThatIsAsWanted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		got, want []int
		accuracy  float64
	}{
		{nil, nil, 0},
		{[]int{1}, []int{1}, 1},
		{[]int{1, 2, 3, 4}, []int{1, 2, 4, 3}, 0.5},
		{[]int{1, 2}, []int{2, 1}, 0},
	} {
		if a := Accuracy(test.got, test.want); a != test.accuracy {
			t.Errorf("Accuracy(%v, %v) = %v, want %v", test.got, test.want, a, test.accuracy)
		}
	}
}

func TestAccuracyPanicsOnListsOfDifferentLength(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("Accuracy of 1 class got and 2 wanted: got no panic, want one")
		}
	}()
	Accuracy([]int{1}, []int{1, 2})
}

// confuse counts {got, want} of three classes.
func confuse(t *testing.T, rows ...[2]int) Confusion {
	t.Helper()
	c := NewConfusion(3)
	for _, row := range rows {
		if err := c.Add(row[0], row[1]); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestAConfusionCountsWhatWasTakenForWhat(t *testing.T) {
	t.Parallel()
	c := confuse(t, [2]int{0, 0}, [2]int{2, 1}, [2]int{2, 1}, [2]int{2, 2})
	if want := (Confusion{{1, 0, 0}, {0, 0, 2}, {0, 0, 1}}); !reflect.DeepEqual(c, want) {
		t.Errorf("got counts %v, want %v: rows by what is wanted, columns by what was got", c, want)
	}
	if c.Correct() != 2 || c.Total() != 4 || c.Accuracy() != 0.5 {
		t.Errorf("%v: got %d correct of %d, share %v; want 2 of 4, 0.5", c, c.Correct(), c.Total(), c.Accuracy())
	}
	if got := NewConfusion(3).Accuracy(); got != 0 {
		t.Errorf("accuracy of nothing: got %v, want 0", got)
	}
}

func TestAddRefusesAClassThatIsNotThere(t *testing.T) {
	t.Parallel()
	c := NewConfusion(3)
	for _, row := range [][2]int{{3, 0}, {0, 3}, {-1, 0}, {0, -1}} {
		if err := c.Add(row[0], row[1]); err == nil {
			t.Errorf("Add(got %d, want %d) to 3 classes: got no error, want one", row[0], row[1])
		}
	}
	if c.Total() != 0 {
		t.Errorf("after calls that failed, got counts %v, want none", c)
	}
}

func TestMergeAddsTheCountsOfAnotherFold(t *testing.T) {
	t.Parallel()
	c := confuse(t, [2]int{0, 0}, [2]int{2, 1})
	if err := c.Merge(confuse(t, [2]int{2, 1}, [2]int{1, 1})); err != nil {
		t.Fatal(err)
	}
	want := Confusion{{1, 0, 0}, {0, 1, 2}, {0, 0, 0}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got counts %v, want %v", c, want)
	}
	for _, d := range []Confusion{NewConfusion(2), nil, {{1, 1, 1}, {1, 1}, {1, 1, 1}}} {
		if err := c.Merge(d); err == nil || !reflect.DeepEqual(c, want) {
			t.Errorf("Merge(%v) into 3 classes: got error %v and counts %v, want an error and no change", d, err, c)
		}
	}
}
