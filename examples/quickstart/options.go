package main

import (
	"io"
	"time"

	"github.com/gomlq/mlq/examples/internal/show"
)

// options are the flags of the command line.
type options struct {
	show.Queue
	pause time.Duration
}

// parse reads the command line; see [show.Parse].
func parse(args []string, w io.Writer) (o options, err error) {
	f := o.Flags("quickstart")
	f.DurationVar(&o.pause, "pause", 0, "pause of each job before it begins, to have time to watch")
	err = show.Parse(f, args, w, o.Wrong)
	return o, err
}
