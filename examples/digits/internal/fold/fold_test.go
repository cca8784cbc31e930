package fold

import (
	"slices"
	"testing"
)

func count(n int) []int {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return rows
}

func TestEachRowIsInExactlyOneFold(t *testing.T) {
	t.Parallel()
	for n := 2; n <= 40; n++ {
		rows := count(n)
		for k := 2; k <= n; k++ {
			var tested []int
			for i := range k {
				train, test, err := Split(rows, k, i)
				if err != nil {
					t.Fatal(err)
				}
				if len(test) != n/k && len(test) != n/k+1 {
					t.Errorf("fold %d of %d in %d rows has %d, want %d or one more", i, k, n, len(test), n/k)
				}
				if all := slices.Sorted(slices.Values(slices.Concat(train, test))); !slices.Equal(all, rows) {
					t.Errorf("fold %d of %d in %d rows: train %v and test %v are not all rows once", i, k, n, train, test)
				}
				tested = append(tested, test...)
			}
			if !slices.Equal(tested, rows) {
				t.Errorf("%d folds of %d rows test %v, want each row once, in order", k, n, tested)
			}
		}
	}
}

func TestSplitKeepsTheOrderAndTheRows(t *testing.T) {
	t.Parallel()
	rows := count(10)
	train, test, err := Split(rows, 3, 1)
	if want := []int{3, 4, 5}; err != nil || !slices.Equal(test, want) {
		t.Errorf("Split(0 to 9, 3, 1): got test %v, %v, want %v", test, err, want)
	}
	if want := []int{0, 1, 2, 6, 7, 8, 9}; !slices.Equal(train, want) {
		t.Errorf("Split(0 to 9, 3, 1): got train %v, want %v", train, want)
	}
	train[0] = 99
	_ = append(test, 99)
	if want := count(10); !slices.Equal(rows, want) {
		t.Errorf("after changes to train and test, rows are %v, want %v", rows, want)
	}
}

func TestSplitRefusesAFoldThatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, in := range []struct{ n, k, i int }{{0, 2, 0}, {9, 0, 0}, {9, 1, 0}, {9, -1, 0}, {9, 10, 0}, {9, 5, -1}, {9, 5, 5}} {
		if train, test, err := Split(count(in.n), in.k, in.i); err == nil || train != nil || test != nil {
			t.Errorf("fold %d of %d in %d rows: got %v, %v, %v, want an error alone", in.i, in.k, in.n, train, test, err)
		}
	}
}

func TestHoldout(t *testing.T) {
	t.Parallel()
	rows := count(5)
	train, test, err := Holdout(rows, 3)
	if err != nil || !slices.Equal(train, []int{0, 1, 2}) || !slices.Equal(test, []int{3, 4}) {
		t.Errorf("Holdout(0 to 4, 3) = %v, %v, %v; want the first 3 and the last 2", train, test, err)
	}
	_ = append(train, 99)
	if rows[3] != 3 {
		t.Errorf("an append to train overwrote row 3 with %d", rows[3])
	}
	for _, n := range []int{-1, 0, 5, 6} {
		if train, test, err := Holdout(rows, n); err == nil || train != nil || test != nil {
			t.Errorf("Holdout(5 rows, %d) = %v, %v, %v; want an error alone", n, train, test, err)
		}
	}
}
