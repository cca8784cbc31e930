package main

import (
	"io"

	"github.com/gomlq/mlq/examples/internal/show"
)

// options are the flags of the command line.
type options struct {
	show.Queue
	out  string
	draw bool
}

// parse reads the command line; see [show.Parse].
func parse(args []string, w io.Writer) (o options, err error) {
	f := o.Flags("digits")
	f.StringVar(&o.out, "out", "", "directory for the pictures; a new temporary one if empty")
	f.BoolVar(&o.draw, "draw", false, "print the graph as Mermaid and exit")
	err = show.Parse(f, args, w, func() string {
		if o.Worker && o.draw {
			return "-worker and -draw exclude each other"
		}
		return o.Wrong()
	})
	return o, err
}
