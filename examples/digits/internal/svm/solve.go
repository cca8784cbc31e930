package svm

import (
	"fmt"
	"math"
)

// The numbers of LIBSVM.
const (
	tolerance = 1e-3       // of the optimum
	flattest  = 1e-12      // curvature that a step reckons with where there is less
	maxRounds = 10_000_000 // beyond it, there will be no end
)

// tickRounds is how many rounds a solver goes on before it asks whether to. With
// a few hundred rows that is about a millisecond.
const tickRounds = 1000

// A solver tells two classes apart: it finds weights of their rows, from 0 to c
// in the first class and from -c to 0 in the second, that add up to 0 and maximise
//
//	sum |weight[i]| - 1/2 sum weight[i] weight[j] kernel[i][j]
//
// This is sequential minimal optimisation: each round moves two weights, as far
// as it helps. Which two is LIBSVM's second-order rule, working set selection 2
// of Fan, Chen and Lin, Working Set Selection Using Second Order Information
// for Training SVM, JMLR 6 (2005).
type solver struct {
	kernel    [][]float64 // of each two rows
	low, high []float64   // limits of the weights
	weight    []float64
	slope     []float64 // of the maximand, by each weight
}

// newSolver returns a solver whose first rows, so many of them, are of the
// first class. All weights are 0.
func newSolver(kernel [][]float64, first int, c float64) *solver {
	n := len(kernel)
	s := &solver{
		kernel: kernel,
		low:    make([]float64, n), high: make([]float64, n),
		weight: make([]float64, n), slope: make([]float64, n),
	}
	for i := range n {
		if i < first {
			s.high[i], s.slope[i] = c, 1
		} else {
			s.low[i], s.slope[i] = -c, -1
		}
	}
	return s
}

// solve goes on until no two weights are worth moving, at most for so many
// rounds. It calls tick now and then, and ends with its error.
func (s *solver) solve(rounds int, tick func() error) error {
	for round := 1; ; round++ {
		i, j, ok := s.choose()
		switch {
		case !ok:
			return nil
		case round > rounds:
			return fmt.Errorf("no end after %d rounds; scale the rows, or try a smaller C", rounds)
		}
		s.move(i, j)
		if round%tickRounds == 0 {
			if err := tick(); err != nil {
				return err
			}
		}
	}
}

// choose returns the weight to raise and the one to lower. ok is false at the
// optimum.
func (s *solver) choose() (up, down int, ok bool) {
	up = s.steepest()
	top, bottom := math.Inf(-1), math.Inf(1)
	if up >= 0 {
		top = s.slope[up]
	}
	down, most := -1, 0.0
	for j, slope := range s.slope {
		if s.weight[j] <= s.low[j] {
			continue
		}
		bottom = min(bottom, slope)
		fall := top - slope
		if fall <= 0 {
			continue
		}
		if gain := fall * fall / s.curve(up, j); gain >= most {
			down, most = j, gain
		}
	}
	return up, down, down >= 0 && top-bottom >= tolerance
}

// steepest returns which weight gains most by being raised, the last of equals,
// or -1 if none can be raised.
func (s *solver) steepest() int {
	best, top := -1, math.Inf(-1)
	for i, slope := range s.slope {
		if s.weight[i] < s.high[i] && slope >= top {
			best, top = i, slope
		}
	}
	return best
}

// curve returns how fast the gain wanes as weight i rises and weight j falls.
func (s *solver) curve(i, j int) float64 {
	return max(s.kernel[i][i]+s.kernel[j][j]-2*s.kernel[i][j], flattest)
}

// move raises weight i and lowers weight j, both by what is best.
func (s *solver) move(i, j int) {
	above, below := s.high[i]-s.weight[i], s.weight[j]-s.low[j]
	by := min((s.slope[i]-s.slope[j])/s.curve(i, j), above, below)
	s.weight[i] += by
	s.weight[j] -= by
	if by == above {
		s.weight[i] = s.high[i] // whatever the sum was rounded to
	}
	if by == below {
		s.weight[j] = s.low[j]
	}
	raised, lowered := s.kernel[i], s.kernel[j]
	for t := range s.slope {
		s.slope[t] -= by * (raised[t] - lowered[t])
	}
}

// bias returns what the rows that are right at the margin lack to be there: the
// mean slope of the weights between their limits. If all are at a limit, it is
// the middle of what is possible.
func (s *solver) bias() float64 {
	sum, free := 0.0, 0
	top, bottom := math.Inf(-1), math.Inf(1)
	for i, slope := range s.slope {
		raisable, lowerable := s.weight[i] < s.high[i], s.weight[i] > s.low[i]
		if raisable && lowerable {
			sum += slope
			free++
		}
		if raisable {
			top = max(top, slope)
		}
		if lowerable {
			bottom = min(bottom, slope)
		}
	}
	if free > 0 {
		return sum / float64(free)
	}
	return (top + bottom) / 2
}

// kernels returns the kernel of each two of the listed rows of x.
func kernels(x [][]float64, rows []int, gamma float64) [][]float64 {
	n := len(rows)
	all, k := make([]float64, n*n), make([][]float64, n)
	for i := range n {
		k[i] = all[i*n : (i+1)*n]
		for j := range i {
			k[i][j] = kernel(x[rows[i]], x[rows[j]], gamma)
			k[j][i] = k[i][j]
		}
		k[i][i] = 1
	}
	return k
}
