package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/gomlq/mlq/examples/digits/internal/picture"
)

// draw writes the two pictures to a directory, which it makes; a new temporary
// one if dir is empty. It prints where they are.
func (r Report) draw(dir string, w io.Writer) error {
	if dir == "" {
		made, err := os.MkdirTemp("", "mlq-digits-")
		if err != nil {
			return err
		}
		dir = made
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, p := range []struct {
		name string
		heat picture.Heat
		w, h int
	}{
		{"sweep.png", r.heat(), 1000, 800},
		{"confusion.png", r.confusion(), 1000, 1000},
	} {
		path := filepath.Join(dir, p.name)
		if err := save(path, p.heat, p.w, p.h); err != nil {
			return fmt.Errorf("draw %s: %w", path, err)
		}
		fmt.Fprintln(w, "picture:", path)
	}
	return nil
}

func save(path string, h picture.Heat, width, height int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return h.PNG(f, width, height)
}

// heat returns the accuracy of the support vector classifiers, C by gamma. The
// colour goes by how rare mistakes are, not by how common right answers: most
// settings are right most of the time. What was not tried is left white.
func (r Report) heat() picture.Heat {
	var cs, gammas, levels []float64
	for _, m := range r.svms() {
		cs, gammas = append(cs, m.Setting.C), append(gammas, m.Setting.Gamma)
		levels = append(levels, -math.Log(float64(m.All.Total-m.All.Correct+1)))
	}
	cs, gammas = distinct(cs), distinct(gammas)
	h := picture.Heat{
		Title:   "Accuracy in cross-validation, SVC with RBF kernel",
		X:       "gamma",
		Y:       "C",
		Columns: words(gammas),
		Rows:    words(cs),
		Cells:   blank(len(cs), len(gammas)),
	}
	lowest, highest := slices.Min(levels), slices.Max(levels)
	for i, m := range r.svms() {
		level := (levels[i] - lowest) / max(highest-lowest, 1e-9)
		h.Cells[slices.Index(cs, m.Setting.C)][slices.Index(gammas, m.Setting.Gamma)] =
			picture.Cell{Level: level, Text: m.All.String(), Mark: m.Setting == r.Held.Setting}
	}
	return h
}

// svms returns the means of support vector classifiers.
func (r Report) svms() []Mean {
	return slices.DeleteFunc(slices.Clone(r.Means), func(m Mean) bool { return m.Setting.K > 0 })
}

// confusion returns what the retrained model took the held-out images for. The
// colour grows with the root of the share of the digit: else the few mistakes
// could not be seen.
func (r Report) confusion() picture.Heat {
	c := r.Held.Confusion
	h := picture.Heat{
		Title: fmt.Sprintf("%v: %d of %d held-out images right", r.Held.Setting, c.Correct(), c.Total()),
		X:     "taken for",
		Y:     "written",
		Cells: blank(len(c), len(c)),
	}
	for digit, row := range c {
		h.Columns, h.Rows = append(h.Columns, strconv.Itoa(digit)), append(h.Rows, strconv.Itoa(digit))
		all := 0
		for _, n := range row {
			all += n
		}
		for got, n := range row {
			cell := picture.Cell{Level: math.Sqrt(float64(n) / float64(max(all, 1))), Text: strconv.Itoa(n)}
			if n == 0 {
				cell.Text = "·"
			}
			h.Cells[digit][got] = cell
		}
	}
	return h
}

func blank(rows, columns int) [][]picture.Cell {
	cells := make([][]picture.Cell, rows)
	for i := range cells {
		cells[i] = make([]picture.Cell, columns)
	}
	return cells
}

// distinct returns the numbers in order, each once.
func distinct(numbers []float64) []float64 {
	return slices.Compact(slices.Sorted(slices.Values(numbers)))
}

func words(numbers []float64) []string {
	ws := make([]string, len(numbers))
	for i, n := range numbers {
		ws[i] = plain(n)
	}
	return ws
}
