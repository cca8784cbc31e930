package picture

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// tiles draws the cells of a Heat.
type tiles struct{ Heat }

// DataRange implements [plot.DataRanger]: a cell is 1 wide and high.
func (t tiles) DataRange() (xmin, xmax, ymin, ymax float64) {
	return -0.5, float64(len(t.Columns)) - 0.5, -0.5, float64(len(t.Rows)) - 0.5
}

// Plot implements [plot.Plotter].
func (t tiles) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for row, cells := range t.Cells {
		for col, cell := range cells {
			cx, cy := float64(col), float64(len(t.Rows)-1-row)
			box := vg.Rectangle{Min: vg.Point{X: x(cx - 0.5), Y: y(cy - 0.5)}, Max: vg.Point{X: x(cx + 0.5), Y: y(cy + 0.5)}}
			cell.draw(c, box, p.TextHandler)
		}
	}
}

// gap is between two tiles.
const gap = vg.Length(1.5)

func (cell Cell) draw(c draw.Canvas, box vg.Rectangle, h text.Handler) {
	box.Min, box.Max = box.Min.Add(vg.Point{X: gap / 2, Y: gap / 2}), box.Max.Sub(vg.Point{X: gap / 2, Y: gap / 2})
	corners := []vg.Point{box.Min, {X: box.Max.X, Y: box.Min.Y}, box.Max, {X: box.Min.X, Y: box.Max.Y}}
	if cell != (Cell{}) {
		c.FillPolygon(shade(cell.Level), corners)
	}
	if cell.Mark {
		frame := draw.LineStyle{Color: orange, Width: 3}
		c.StrokeLines(frame, append(corners, corners[0], corners[1])) // one more, so that the first corner is square
	}
	size := min(box.Size().Y/4, 14)
	style := text.Style{Color: ink, Font: sans(max(size, 9)), XAlign: draw.XCenter, YAlign: draw.YCenter, Handler: h}
	if cell.Level > 0.5 {
		style.Color = color.White
	}
	c.FillText(style, vg.Point{X: (box.Min.X + box.Max.X) / 2, Y: (box.Min.Y + box.Max.Y) / 2}, cell.Text)
}

var (
	ink    = color.NRGBA{0x26, 0x32, 0x38, 0xff}
	orange = color.NRGBA{0xf5, 0x7c, 0x00, 0xff}
	// blues are those of ColorBrewer (Cynthia Brewer), from light to dark.
	blues = []color.NRGBA{{0xf0, 0xf5, 0xfb, 0xff}, {0xc6, 0xdb, 0xef, 0xff}, {0x6b, 0xae, 0xd6, 0xff}, {0x21, 0x71, 0xb5, 0xff}, {0x08, 0x30, 0x6b, 0xff}}
)

// shade returns the colour of a level; what is outside of 0 to 1 is as the end.
func shade(level float64) color.Color {
	at := min(max(level, 0), 1) * float64(len(blues)-1)
	i := min(int(at), len(blues)-2)
	a, b, part := blues[i], blues[i+1], at-float64(i)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + part*(float64(b)-float64(a)))) }
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xff}
}

func sans(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

// dress gives every text of p the same letters and colour.
func dress(p *plot.Plot) {
	set := func(s *text.Style, size vg.Length) { s.Font, s.Color = sans(size), ink }
	set(&p.Title.TextStyle, 15)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		set(&a.Label.TextStyle, 12)
		set(&a.Tick.Label, 11)
	}
}
