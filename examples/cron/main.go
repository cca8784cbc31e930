// Cron posts a job every second, is paused, goes on, and is changed to every two
// seconds, all while it runs; then it ends. Nothing need be installed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

func main() {
	url := flag.String("redis", "embedded://", "where the queue lives, as redis://localhost:6379/0")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *url, os.Stdout)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) { // as by Ctrl-C
		log.Fatal(err)
	}
}

// run plays the story, which is told to out.
func run(ctx context.Context, url string, out io.Writer) (err error) {
	b, err := broker.Open(ctx, url, broker.Config{Namespace: "cron_example"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	say := teller(out)

	// The handler learns which time it is for, however late it runs.
	done := make(chan struct{}, 1)
	report := task.Define("report", task.Action(func(ctx task.Context, what string) error {
		job := ctx.Job()
		if _, at, ok := job.Fire(); ok {
			say("  %s for %s", what, at.Format("15:04:05"))
		}
		select {
		case done <- struct{}{}:
		default:
		}
		return nil
	}))
	every := task.Schedule{Name: "report", Every: time.Second, Call: report.Call("report")}

	// Two workers with the same schedule: each time has one job all the same.
	ctx, end := context.WithCancel(ctx)
	defer end()
	var workers sync.WaitGroup
	for range 2 {
		w, err := runtime.NewWorker(b, runtime.Config{
			Schedules: []task.Schedule{every}, Logger: slog.New(slog.DiscardHandler),
		}, report)
		if err != nil {
			return err
		}
		workers.Go(func() {
			if err := w.Run(ctx); err != nil {
				say("worker: %v", err)
			}
		})
	}
	err = story(ctx, b, every, done, say)
	end()
	workers.Wait()
	return err
}

// story is what an operator does to the schedule, here or from anywhere else.
func story(ctx context.Context, b *broker.Broker, every task.Schedule, done <-chan struct{}, say func(string, ...any)) error {
	say("every second:")
	if err := await(ctx, done, 2); err != nil {
		return err
	}
	if err := b.PauseSchedule(ctx, every.Name); err != nil {
		return err
	}
	say("paused; triggered by hand once:")
	if _, err := b.TriggerSchedule(ctx, every.Name); err != nil {
		return err
	}
	if err := await(ctx, done, 1); err != nil {
		return err
	}
	every.Every, every.Cron = 0, "*/2 * * * * *" // six fields: the first is the second
	if err := errors.Join(b.PutSchedule(ctx, every), b.ResumeSchedule(ctx, every.Name)); err != nil {
		return err
	}
	say("changed to every other second, and resumed:")
	if err := await(ctx, done, 1); err != nil {
		return err
	}
	rs, err := b.Schedules(ctx)
	if err != nil {
		return err
	}
	for _, r := range rs {
		say("schedule %s: %s, last for %s, next for %s", r.Name, r.Cron, r.Last.Format("15:04:05"), r.Next.Format("15:04:05"))
	}
	return b.DeleteSchedule(ctx, every.Name) // it would outlive this program
}

// await waits until n reports were made.
func await(ctx context.Context, done <-chan struct{}, n int) error {
	for range n {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("stopped: %w", ctx.Err())
		}
	}
	return nil
}

// teller writes lines to out, one at a time.
func teller(out io.Writer) func(format string, args ...any) {
	var mu sync.Mutex
	return func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
	}
}
