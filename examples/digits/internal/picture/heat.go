// Package picture draws tables of numbers as heat maps.
package picture

import (
	"errors"
	"fmt"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// A Heat is a table of cells, each in a colour that says how much it is.
type Heat struct {
	Title string
	// X and Y name the columns, from the left, and the rows, from the top.
	X, Y          string
	Columns, Rows []string
	Cells         [][]Cell // by row, as many as Rows and Columns
}

// Cell is one place of the table. The zero Cell is left white.
type Cell struct {
	Level float64 // 0 is the lightest colour, 1 the darkest
	Text  string
	Mark  bool // draws a frame around it
}

// PNG writes h as a picture of so many pixels. The error is that of w, or says
// what is wrong with h.
func (h Heat) PNG(w io.Writer, width, height int) error {
	if err := h.validate(); err != nil {
		return err
	}
	c := vgimg.NewWith(vgimg.UseDPI(dpi), vgimg.UseWH(length(width), length(height)))
	h.plot().Draw(draw.Crop(draw.New(c), 12, -18, 10, -14)) // a margin, in points
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
	return err
}

const dpi = 144

// length returns how long pixels are.
func length(pixels int) vg.Length { return vg.Length(pixels) * vg.Inch / dpi }

func (h Heat) validate() error {
	if len(h.Rows) == 0 || len(h.Columns) == 0 {
		return errors.New("picture: the table is empty, want at least one row and one column")
	}
	if len(h.Cells) != len(h.Rows) {
		return fmt.Errorf("picture: %d rows of cells for %d names, want as many", len(h.Cells), len(h.Rows))
	}
	for i, row := range h.Cells {
		if len(row) != len(h.Columns) {
			return fmt.Errorf("picture: row %d has %d cells for %d columns, want as many", i, len(row), len(h.Columns))
		}
	}
	return nil
}

// plot returns h with its axes.
func (h Heat) plot() *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.Padding = h.Title, 12
	p.X.Label.Text, p.Y.Label.Text = h.X, h.Y
	p.X.Label.Padding, p.Y.Label.Padding = 6, 6
	p.Add(tiles{h})
	p.NominalX(h.Columns...)
	fromTop := make([]plot.Tick, len(h.Rows))
	for i, name := range h.Rows {
		fromTop[i] = plot.Tick{Value: float64(len(h.Rows) - 1 - i), Label: name}
	}
	p.NominalY(h.Rows...)
	p.Y.Tick.Marker = plot.ConstantTicks(fromTop)
	p.X.Padding, p.Y.Padding = 4, 4
	dress(p)
	return p
}
