package show

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	goruntime "runtime"
	"strings"
	"time"

	"github.com/gomlq/mlq/runtime"
)

// Queue says where the queue is, and which part this process takes.
type Queue struct {
	URL       string
	Namespace string
	Worker    bool // only work
	Slots     int  // 0: do not work
	Lease     time.Duration
}

// Config is how the worker of this process works. One that is alone logs all it
// does; one beside something else leaves that to the progress bar.
func (q *Queue) Config(s *Screen) runtime.Config {
	level := slog.LevelWarn
	if q.Worker {
		level = slog.LevelInfo
	}
	return runtime.Config{Slots: q.Slots, LeaseTTL: q.Lease, Logger: s.Logger(level)}
}

// Flags returns the flags of a program that has a queue.
func (q *Queue) Flags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.StringVar(&q.URL, "redis", "embedded://", "where the queue is, such as redis://localhost:6379/0; embedded:// is a queue in this process")
	f.StringVar(&q.Namespace, "namespace", "mlq_"+name, "keeps the keys apart from those of others on the same Redis")
	f.BoolVar(&q.Worker, "worker", false, "only work, until Ctrl-C; needs -redis")
	f.IntVar(&q.Slots, "slots", goruntime.GOMAXPROCS(0), "how many jobs this process runs at once; 0 leaves all to workers elsewhere and needs -redis")
	f.DurationVar(&q.Lease, "lease", 30*time.Second, "how long a worker may be silent before others get its jobs")
	return f
}

// Wrong says what is wrong with the flags of the queue, or "".
func (q *Queue) Wrong() string {
	switch {
	case q.Slots < 0:
		return fmt.Sprintf("-slots is %d, want 0 or more", q.Slots)
	case q.Worker && q.Slots == 0:
		return "-worker with -slots 0 would do nothing"
	case (q.Worker || q.Slots == 0) && strings.HasPrefix(q.URL, "embedded:"):
		return "an embedded queue ends at the border of its process; name a Redis that both processes reach, with -redis"
	default:
		return ""
	}
}

// ErrUsage says that the command line was wrong, which has been told already.
var ErrUsage = errors.New("wrong use")

// Parse reads the command line; wrong says what is wrong with flags that could be
// read, or "". What is wrong goes to w, and -h too; the error is then [ErrUsage]
// or [flag.ErrHelp].
func Parse(f *flag.FlagSet, args []string, w io.Writer, wrong func() string) error {
	f.SetOutput(w)
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return ErrUsage
	}
	text := wrong()
	if f.NArg() > 0 {
		text = fmt.Sprintf("unexpected argument %q", f.Arg(0))
	}
	if text == "" {
		return nil
	}
	fmt.Fprintln(w, text)
	f.Usage()
	return ErrUsage
}
