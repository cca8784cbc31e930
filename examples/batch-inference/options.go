package main

import (
	"flag"
	"fmt"
	"io"

	"github.com/gomlq/mlq/examples/digits/data"
	"github.com/gomlq/mlq/examples/internal/show"
)

// options are the flags of the command line.
type options struct{ images, batch int }

// parse reads the command line; see [show.Parse].
func parse(args []string, w io.Writer) (o options, err error) {
	f := flag.NewFlagSet("batch-inference", flag.ContinueOnError)
	f.IntVar(&o.images, "images", 128, "how many images are classified")
	f.IntVar(&o.batch, "batch", 32, "how many of them the model is given at once, at most")
	err = show.Parse(f, args, w, func() string {
		switch most := data.Images - data.Training; {
		case o.images < 1 || o.images > most:
			return fmt.Sprintf("-images is %d, want 1 to %d", o.images, most)
		case o.batch < 1 || o.batch > 1000:
			return fmt.Sprintf("-batch is %d, want 1 to 1000", o.batch)
		}
		return ""
	})
	return o, err
}
