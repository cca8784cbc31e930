package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"
	"testing"
)

// table has a light cell, a dark one and an empty one above a marked one.
func table() Heat {
	return Heat{
		Title: "Title", X: "x", Y: "y",
		Columns: []string{"a", "b"}, Rows: []string{"top", "bottom"},
		Cells: [][]Cell{{{Level: 0, Text: "light"}, {Level: 1, Text: "dark"}}, {{Level: 0.5, Mark: true}, {}}},
	}
}

func render(t *testing.T, h Heat, width, height int) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := h.PNG(&b, width, height); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// count returns how many pixels of a part of img are of colour c.
func count(img image.Image, part image.Rectangle, c color.Color) int {
	n := 0
	r, g, b, _ := c.RGBA()
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			if pr, pg, pb, _ := img.At(x, y).RGBA(); pr == r && pg == g && pb == b {
				n++
			}
		}
	}
	return n
}

func TestAPictureHasTheSizeThatWasAskedFor(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{600, 400}, {333, 457}} {
		if got := render(t, table(), size.X, size.Y).Bounds().Size(); got != size {
			t.Errorf("got %v pixels, want %v", got, size)
		}
	}
}

func TestACellIsWhereItsRowAndColumnAre(t *testing.T) {
	t.Parallel()
	img := render(t, table(), 800, 600)
	left, right := image.Rect(0, 0, 400, 300), image.Rect(400, 0, 800, 300)
	for _, test := range []struct {
		what string
		part image.Rectangle
		c    color.Color
		some bool
	}{
		{"the light cell at the top left", left, shade(0), true},
		{"the dark cell at the top right", right, shade(1), true},
		{"the light cell at the top right", right.Inset(60), shade(0), false},
		{"the frame at the bottom left", left.Add(image.Pt(0, 300)), orange, true},
		{"a frame at the top", left.Union(right).Inset(20), orange, false},
		{"the half dark cell at the bottom left", left.Add(image.Pt(0, 300)), shade(0.5), true},
	} {
		if n := count(img, test.part, test.c); (n > 500) != test.some {
			t.Errorf("%s: %d pixels are of its colour, want many: %v", test.what, n, test.some)
		}
	}
	bottom := image.Rect(460, 340, 740, 480)
	if n := count(img, bottom, color.White); n != bottom.Dx()*bottom.Dy() {
		t.Errorf("the empty cell: %d of %d pixels are white, want all", n, bottom.Dx()*bottom.Dy())
	}
}

func TestALevelOutsideIsAsTheEnd(t *testing.T) {
	t.Parallel()
	if shade(-1) != shade(0) || shade(2) != shade(1) || shade(0) == shade(1) {
		t.Errorf("got %v, %v, %v, %v for -1, 0, 1, 2", shade(-1), shade(0), shade(1), shade(2))
	}
}

func TestATableThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	empty, rows, columns := table(), table(), table()
	empty.Rows = nil
	rows.Rows = rows.Rows[:1]
	columns.Cells[1] = columns.Cells[1][:1]
	for want, h := range map[string]Heat{
		"table is empty": empty, "2 rows of cells for 1 names": rows, "row 1 has 1 cells for 2 columns": columns,
	} {
		if err := h.PNG(io.Discard, 100, 100); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
