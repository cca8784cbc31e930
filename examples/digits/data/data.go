// Package data has the 1,797 images of hand-written digits that the examples
// learn from. README.md beside it says where they come from, under which
// licences, and what scikit-learn makes of them.
package data

import (
	"bytes"
	"compress/gzip"
	_ "embed" // digits.csv.gz
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The shape of the data, and how the examples divide it: the first half trains,
// the rest is held out.
const (
	Pixels   = 64   // of an image, 8 rows of 8
	MaxPixel = 16   // the darkest
	Images   = 1797 // in all
	Training = 898  // the first of them
)

// Image is one digit, as it was written and as it was meant.
type Image struct {
	Pixels [Pixels]uint8 // row by row, each from 0 to MaxPixel
	Digit  uint8         // 0 to 9
}

//go:embed digits.csv.gz
var compressed []byte

// Load unpacks the images, in the order of the file. It decodes anew at every
// call, in some 10 ms. An error means that the embedded file is damaged.
func Load() ([]Image, error) {
	images, err := load(compressed)
	if err != nil {
		return nil, fmt.Errorf("data: read digits.csv.gz: %w", err)
	}
	return images, nil
}

func load(file []byte) ([]Image, error) {
	plain, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	lines := csv.NewReader(plain)
	lines.FieldsPerRecord = Pixels + 1
	lines.ReuseRecord = true
	images := make([]Image, 0, Images)
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		image, err := parse(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(images)+1, err)
		}
		images = append(images, image)
	}
	if len(images) != Images {
		return nil, fmt.Errorf("%d images, want %d", len(images), Images)
	}
	return images, nil
}

// parse reads the Pixels+1 fields of one line.
func parse(fields []string) (image Image, err error) {
	for i := range image.Pixels {
		if image.Pixels[i], err = number(fields[i], MaxPixel); err != nil {
			return Image{}, fmt.Errorf("pixel %d: %w", i, err)
		}
	}
	if image.Digit, err = number(fields[Pixels], 9); err != nil {
		return Image{}, fmt.Errorf("digit: %w", err)
	}
	return image, nil
}

func number(field string, most uint8) (uint8, error) {
	n, err := strconv.ParseUint(field, 10, 8)
	if err == nil && n > uint64(most) {
		err = fmt.Errorf("%d is out of range, want 0 to %d", n, most)
	}
	return uint8(n), err
}
