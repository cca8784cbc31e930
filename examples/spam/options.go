package main

import (
	"fmt"
	"io"

	"github.com/gomlq/mlq/examples/internal/show"
)

// options are the flags of the command line.
type options struct {
	show.Queue
	fail int
	draw bool
}

// parse reads the command line; see [show.Parse].
func parse(args []string, w io.Writer) (o options, err error) {
	f := o.Flags("spam")
	f.IntVar(&o.fail, "fail", 0, "how many models fail on purpose, 0 to 2")
	f.BoolVar(&o.draw, "draw", false, "print the graph as Mermaid and exit")
	err = show.Parse(f, args, w, func() string {
		switch {
		case o.fail < 0 || o.fail > 2:
			return fmt.Sprintf("-fail is %d, want 0 to 2", o.fail)
		case o.Worker && o.draw:
			return "-worker and -draw exclude each other"
		}
		return o.Wrong()
	})
	return o, err
}
