package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	goruntime "runtime"
	"strings"
	"time"
)

// options are the flags of the command line.
type options struct {
	redis     string
	namespace string
	worker    bool
	slots     int
	lease     time.Duration
	out       string
	draw      bool
}

// level is how much the worker logs. One that is alone tells all it does; one
// beside a sweep leaves that to the progress bar.
func (o options) level() slog.Level {
	if o.worker {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// errUsage says that the command line was wrong, which has been told already.
var errUsage = errors.New("wrong use")

// parse reads the command line. What is wrong with it goes to w, and -h too;
// the error is then errUsage or [flag.ErrHelp].
func parse(args []string, w io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("digits", flag.ContinueOnError)
	f.SetOutput(w)
	f.StringVar(&o.redis, "redis", "embedded://", "where the queue is, such as redis://localhost:6379/0; embedded:// is a queue in this process")
	f.StringVar(&o.namespace, "namespace", "mlq_digits", "keeps the keys apart from those of others on the same Redis")
	f.BoolVar(&o.worker, "worker", false, "only work, until Ctrl-C; needs -redis")
	f.IntVar(&o.slots, "slots", goruntime.GOMAXPROCS(0), "how many jobs this process runs at once; 0 leaves all to workers elsewhere and needs -redis")
	f.DurationVar(&o.lease, "lease", 30*time.Second, "how long a worker may be silent before others get its jobs")
	f.StringVar(&o.out, "out", "", "directory for the pictures; a new temporary one if empty")
	f.BoolVar(&o.draw, "draw", false, "print the graph as Mermaid and exit")
	if err := f.Parse(args); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			err = errUsage
		}
		return options{}, err
	}
	if wrong := o.wrong(f.Args()); wrong != "" {
		fmt.Fprintln(w, wrong)
		f.Usage()
		return options{}, errUsage
	}
	return o, nil
}

// wrong says what is wrong with options that could be read, or "".
func (o options) wrong(rest []string) string {
	switch {
	case len(rest) > 0:
		return fmt.Sprintf("unexpected argument %q", rest[0])
	case o.slots < 0:
		return fmt.Sprintf("-slots is %d, want 0 or more", o.slots)
	case o.worker && o.slots == 0:
		return "-worker with -slots 0 would do nothing"
	case o.worker && o.draw:
		return "-worker and -draw exclude each other"
	case (o.worker || o.slots == 0) && strings.HasPrefix(o.redis, "embedded:"):
		return "an embedded queue ends at the border of its process; name a Redis that both processes reach, with -redis"
	default:
		return ""
	}
}
