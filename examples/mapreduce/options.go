package main

import (
	"fmt"
	"io"

	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/task"
)

// options are the flags of the command line.
type options struct {
	show.Queue
	width int
	draw  bool
}

// parse reads the command line; see [show.Parse].
func parse(args []string, w io.Writer) (o options, err error) {
	f := o.Flags("mapreduce")
	f.IntVar(&o.width, "width", 5000, "into how many parts the text is split, each of which is a job")
	f.BoolVar(&o.draw, "draw", false, "print the graph as Mermaid and exit")
	err = show.Parse(f, args, w, func() string {
		switch {
		case o.width < 1 || o.width > task.MaxMapWidth:
			return fmt.Sprintf("-width is %d, want 1 to %d", o.width, task.MaxMapWidth)
		case o.Worker && o.draw:
			return "-worker and -draw exclude each other"
		}
		return o.Wrong()
	})
	return o, err
}
