// Command admin does what an operator does: it finds out why a job has failed, posts it
// again with another input, pauses a queue, and asks a worker to end.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// Shout is a task that an empty text is too little for.
var Shout = task.Define("shout", func(_ task.Context, s string) (string, error) {
	if s == "" {
		return "", task.Permanent(errors.New("nothing to shout"))
	}
	return strings.ToUpper(s), nil
})

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	quiet := slog.New(slog.DiscardHandler)
	b, err := broker.Open(ctx, "embedded://", broker.Config{Logger: quiet})
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	w, err := runtime.NewWorker(b, runtime.Config{Name: "w1", Logger: quiet}, Shout)
	if err != nil {
		return err
	}
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()

	_, err = Shout.Do(runtime.NewClient(b).With(ctx), "")
	fmt.Println("it has failed:", err != nil)
	if err := mend(ctx, b); err != nil {
		return err
	}
	if err := b.PauseQueue(ctx, task.DefaultQueue); err != nil {
		return err
	}
	queues, err := b.Queues(ctx)
	if err != nil {
		return err
	}
	for _, q := range queues {
		fmt.Printf("%s: paused %t, %d succeeded, %d failed\n", q.Name, q.Paused, q.Counts[task.Succeeded], q.Counts[task.Failed])
	}
	if _, err := b.Shutdown(ctx, "w1"); err != nil {
		return err
	}
	return <-ended
}

// mend posts all dead letters again, with an input that is better.
func mend(ctx context.Context, b *broker.Broker) error {
	page, err := b.DeadLetters(ctx, broker.DeadQuery{})
	if err != nil {
		return err
	}
	for _, r := range page.Records {
		fmt.Printf("%s: %s\n", r.Functions[0], r.Failures[0].Message)
		id, err := b.Repost(ctx, r.ID, Shout.Call("hello").Payload, broker.RepostConfig{})
		if err != nil {
			return err
		}
		if _, err := b.Await(ctx, []task.ID{id}); err != nil {
			return err
		}
	}
	return nil
}
