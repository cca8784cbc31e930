// Resume shows what a run that was killed half-way, and then failed, does not do
// again. The run counts primes: eight parts, sums of two parts each, a total. Its
// workers are processes that this one starts, one after the other:
//
//  1. the first hangs at a node, and is killed (kill -9);
//  2. the second goes on, but its code has a bug, so the run fails;
//  3. the third has the code mended, and the run is resumed.
//
// Each node that begins says so in a ledger, and from that comes the table in the
// end. Nothing needs to be installed:
//
//	go run ./examples/resume
package main

import (
	"context"
	"flag"
	"io"

	"github.com/gomlq/mlq/examples/internal/show"
)

func main() { show.Main("resume", run) }

// run is the whole program: the story, or one of the workers in it.
func run(ctx context.Context, args []string, s *show.Screen) error {
	o, err := parse(args, s.Err)
	if err != nil {
		return err
	}
	if o.worker {
		return work(ctx, o, s)
	}
	return tell(ctx, o, s)
}

// options are the flags of the command line.
type options struct {
	redis     string
	namespace string
	ledger    ledger
	worker    bool
	hang, bug bool
}

// parse reads the command line; see [show.Parse].
func parse(args []string, w io.Writer) (o options, err error) {
	f := flag.NewFlagSet("resume", flag.ContinueOnError)
	f.StringVar(&o.redis, "redis", "", "where the queue is, such as redis://localhost:6379/0; a queue in this process if empty")
	f.StringVar(&o.namespace, "namespace", "mlq_resume", "keeps the keys apart from those of others on the same Redis")
	f.StringVar((*string)(&o.ledger), "ledger", "", "the file in which each node says that it begins, written anew; a temporary one if empty")
	f.BoolVar(&o.worker, "worker", false, "be one of the workers; needs -redis and -ledger")
	f.BoolVar(&o.hang, "hang", false, "be a worker that hangs at count-3")
	f.BoolVar(&o.bug, "bug", false, "be a worker whose code has a bug in sum-1")
	err = show.Parse(f, args, w, func() string {
		switch {
		case o.worker && (o.redis == "" || o.ledger == ""):
			return "-worker needs -redis and -ledger"
		case (o.hang || o.bug) && !o.worker:
			return "-hang and -bug go with -worker"
		}
		return ""
	})
	return o, err
}
