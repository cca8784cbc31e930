// Checkpoint shows a long job that goes on where it was when its worker was killed. The
// job counts primes, part after part, and keeps after each how far it is:
//
//  1. the first worker does half of it, and is killed (kill -9);
//  2. the second gets the job when the lease of the first is over, finds the checkpoint,
//     and does the rest.
//
// Both are processes that this one starts. What the job has logged tells in the end who
// did which part; no part was done twice. Nothing needs to be installed:
//
//	go run ./examples/checkpoint
package main

import (
	"context"
	"flag"
	"io"

	"github.com/gomlq/mlq/examples/internal/show"
)

func main() { show.Main("checkpoint", run) }

// run is the whole program: the story, or one of the workers in it.
func run(ctx context.Context, args []string, s *show.Screen) error {
	o, err := parse(args, s.Err)
	if err != nil {
		return err
	}
	if o.worker > 0 {
		return work(ctx, o, s)
	}
	return tell(ctx, o, s)
}

// options are the flags of the command line.
type options struct {
	redis     string
	namespace string
	worker    int // its number; 0 for the story
	hang      int // after how many parts it hangs; 0 for never
}

// parse reads the command line; see [show.Parse].
func parse(args []string, w io.Writer) (o options, err error) {
	f := flag.NewFlagSet("checkpoint", flag.ContinueOnError)
	f.StringVar(&o.redis, "redis", "", "where the queue is, such as redis://localhost:6379/0; a queue in this process if empty")
	f.StringVar(&o.namespace, "namespace", "mlq_checkpoint", "keeps the keys apart from those of others on the same Redis")
	f.IntVar(&o.worker, "worker", 0, "be the worker with this number; needs -redis")
	f.IntVar(&o.hang, "hang", 0, "be a worker that hangs after so many parts")
	err = show.Parse(f, args, w, func() string {
		switch {
		case o.worker < 0 || o.hang < 0:
			return "-worker and -hang want positive numbers"
		case o.worker > 0 && o.redis == "":
			return "-worker needs -redis"
		case o.hang > 0 && o.worker == 0:
			return "-hang goes with -worker"
		}
		return ""
	})
	return o, err
}
