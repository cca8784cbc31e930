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
	noWorker  bool
	slots     int
	lease     time.Duration
	pause     time.Duration
}

// level is how much the worker logs. One that is alone tells all it does; one
// beside a poster leaves that to the progress bar.
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
	f := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	f.SetOutput(w)
	f.StringVar(&o.redis, "redis", "embedded://", "where the queue is, such as redis://localhost:6379/0; embedded:// is a queue in this process")
	f.StringVar(&o.namespace, "namespace", "mlq_quickstart", "keeps the keys apart from those of others on the same Redis")
	f.BoolVar(&o.worker, "worker", false, "only work, until Ctrl-C; needs --redis")
	f.BoolVar(&o.noWorker, "no-worker", false, "only post and wait, the workers being other processes; needs --redis")
	f.IntVar(&o.slots, "slots", goruntime.GOMAXPROCS(0), "how many jobs the worker runs at once")
	f.DurationVar(&o.lease, "lease", 30*time.Second, "how long a worker may be silent before others get its jobs")
	f.DurationVar(&o.pause, "pause", 0, "pause of each job before it begins, to have time to watch")
	if err := f.Parse(args); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			err = errUsage
		}
		return options{}, err
	}
	var wrong string
	switch {
	case f.NArg() > 0:
		wrong = fmt.Sprintf("unexpected argument %q", f.Arg(0))
	case o.worker && o.noWorker:
		wrong = "--worker and --no-worker exclude each other"
	case (o.worker || o.noWorker) && strings.HasPrefix(o.redis, "embedded:"):
		wrong = "an embedded queue ends at the border of its process; name a Redis that both processes reach, with --redis"
	default:
		return o, nil
	}
	fmt.Fprintln(w, wrong)
	f.Usage()
	return options{}, errUsage
}
