package svm

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

func TestTheSameRowsGiveTheSameModel(t *testing.T) {
	t.Parallel()
	x, y := digits(t, 0, 300)
	p := Params{C: 1, Gamma: 0.001}
	if a, b := train(t, x, y, p), train(t, x, y, p); !reflect.DeepEqual(a, b) {
		t.Errorf("%+v twice on the same rows: got two different models, want equal ones", p)
	}
}

func TestAModelPredictsTheSameAfterItsJourney(t *testing.T) {
	t.Parallel()
	x, y := digits(t, 0, 300)
	others, _ := digits(t, 300, 400)
	m := train(t, x, y, Params{C: 10, Gamma: 0.001})
	b, err := msgpack.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var arrived Model
	if err := msgpack.Unmarshal(b, &arrived); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&arrived, m) {
		t.Error("the decoded model is not deeply equal to the encoded one")
	}
	for i, row := range others {
		if got, want := arrived.Predict(row), m.Predict(row); got != want {
			t.Errorf("row %d: Predict = %d after the journey, want %d", i, got, want)
		}
	}
	if most := len(m.Rows) * 64 * 3; len(b) > most {
		t.Errorf("got %d bytes for %d support vectors of 64 pixels, want at most %d", len(b), len(m.Rows), most)
	}
}

func TestAVectorIsDecodedAsItWas(t *testing.T) {
	t.Parallel()
	want := Vector{0, 1, -1, 127, 128, -32767, 32768, 0.5, -1e-300, 1e300, math.Inf(1)}
	for _, encoded := range []any{want, []float64(want)} {
		b, err := msgpack.Marshal(encoded)
		if err != nil {
			t.Fatal(err)
		}
		var got Vector
		if err := msgpack.Unmarshal(b, &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v as a %T: decoded as %v, %v", want, encoded, got, err)
		}
	}
}

func TestTheModelSharesNoMemoryWithItsRows(t *testing.T) {
	t.Parallel()
	x := [][]float64{{1}, {-1}}
	m := train(t, x, []int{1, 2}, Params{C: 1, Gamma: 1})
	x[0][0], x[1][0] = -1, 1
	if got := m.Predict([]float64{1}); got != 1 {
		t.Errorf("Predict(1) = %d once the rows were overwritten, want 1", got)
	}
}

func TestBadInputIsRefused(t *testing.T) {
	t.Parallel()
	x, y, p := [][]float64{{1, 2}, {3, 4}}, []int{0, 1}, Params{C: 1, Gamma: 1}
	nan, inf := math.NaN(), math.Inf(1)
	for name, test := range map[string]struct {
		x    [][]float64
		y    []int
		p    Params
		want string
	}{
		"no rows":         {nil, nil, p, "no rows"},
		"empty rows":      {[][]float64{{}, {}}, y, p, "row 0 is empty"},
		"ragged rows":     {[][]float64{{1, 2}, {3}}, y, p, "row 1 has length 1 and row 0 2"},
		"a class too few": {x, y[:1], p, "2 rows and 1 classes"},
		"one class":       {x, []int{4, 4}, p, "every row is of class 4"},
		"NaN in a row":    {[][]float64{{1, 2}, {3, nan}}, y, p, "row 1 has NaN at index 1"},
		"Inf in a row":    {[][]float64{{-inf, 2}, {3, 4}}, y, p, "row 0 has -Inf at index 0"},
		"C of 0":          {x, y, Params{Gamma: 1}, "C is 0"},
		"C below 0":       {x, y, Params{C: -1, Gamma: 1}, "C is -1"},
		"C of NaN":        {x, y, Params{C: nan, Gamma: 1}, "C is NaN"},
		"C of Inf":        {x, y, Params{C: inf, Gamma: 1}, "C is +Inf"},
		"gamma of 0":      {x, y, Params{C: 1}, "Gamma is 0"},
		"gamma below 0":   {x, y, Params{C: 1, Gamma: -2}, "Gamma is -2"},
		"gamma of NaN":    {x, y, Params{C: 1, Gamma: nan}, "Gamma is NaN"},
		"all at once":     {x, []int{4, 4}, Params{}, "C is 0, want a finite number above 0\nsvm: Gamma is 0, want a finite number above 0\nsvm: every row"},
	} {
		m, err := Train(test.x, test.y, test.p, nil)
		if m != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got model %v and error %v, want %q", name, m, err, test.want)
		}
	}
}

func TestStepIsToldOfEveryPair(t *testing.T) {
	t.Parallel()
	x, y := [][]float64{{1}, {2}, {3}, {4}}, []int{5, 6, 7, 8}
	var told []int
	_, err := Train(x, y, Params{C: 1, Gamma: 1}, func(done, total int) error {
		if total != 6 {
			t.Errorf("got total %d, want 6 pairs of 4 classes", total)
		}
		told = append(told, done)
		return nil
	})
	if want := []int{0, 1, 2, 3, 4, 5, 6}; err != nil || !slices.Equal(told, want) {
		t.Errorf("step was told %v, and error %v; want %v", told, err, want)
	}
}

func TestAnErrorOfStepEndsTheTraining(t *testing.T) {
	t.Parallel()
	x, y := [][]float64{{1}, {2}, {3}}, []int{5, 6, 7}
	stop := errors.New("stop")
	for at := range 4 {
		calls := 0
		m, err := Train(x, y, Params{C: 1, Gamma: 1}, func(done, _ int) error {
			calls++
			if done == at {
				return stop
			}
			return nil
		})
		if m != nil || !errors.Is(err, stop) || calls != at+1 {
			t.Errorf("stop after %d pairs: got model %v, error %v and %d calls, want no model, %v and %d calls",
				at, m, err, calls, stop, at+1)
		}
	}
}

// hard returns a solver that takes more than tickRounds rounds.
func hard(t *testing.T) *solver {
	t.Helper()
	x, y := digits(t, 0, 300)
	var first, second []int
	for i := range x {
		if y[i] < 5 {
			first = append(first, i)
		} else {
			second = append(second, i)
		}
	}
	return newSolver(kernels(x, append(first, second...), 1e-5), len(first), 1e4)
}

func TestALongPairCanBeStoppedHalfWay(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	if err := hard(t).solve(maxRounds, func() error { return stop }); !errors.Is(err, stop) {
		t.Errorf("solve with a tick that fails: got error %v, want %v", err, stop)
	}
}

func TestAPairThatDoesNotEndIsAnError(t *testing.T) {
	t.Parallel()
	err := hard(t).solve(10, func() error { return nil })
	if err == nil || !strings.Contains(err.Error(), "no end after 10 rounds") {
		t.Errorf("solve with 10 rounds for thousands: got error %v, want one that says so", err)
	}
}
