// Worker has a worker with all that docs/workers.md tells of: middleware, a task that
// has been renamed and whose input has changed, batches, and sealed payloads.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/sealed"
	"github.com/gomlq/mlq/task"
)

// Mail is the input of version 1; before, it was the address alone.
type Mail struct{ To, Text string }

var send = task.Define("send", func(_ task.Context, m Mail) (string, error) {
	return "to " + m.To + ": " + m.Text, nil
},
	task.Aliases("send-mail"), // its name before
	task.Version(1),
	task.Upgrade(0, func(to string) (Mail, error) { return Mail{To: to, Text: "(none)"}, nil }))

var classify = task.DefineBatch("classify", func(_ context.Context, words []string) ([]task.Result[string], error) {
	out := make([]task.Result[string], len(words)) // one call of a model, say
	for i, w := range words {
		out[i].Value = fmt.Sprintf("%s (of %d)", strings.ToUpper(w), len(words))
	}
	return out, nil
}, task.MaxBatch(4), task.BatchDelay(time.Second))

// counted is a middleware: it is around every attempt.
func counted(next task.InvokeFunc) task.InvokeFunc {
	return func(ctx task.Context, payload task.Data) (task.Data, error) {
		out, err := next(ctx, payload)
		slog.Debug("attempt", "task", ctx.Job().Functions, "error", err)
		return out, err
	}
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	b, err := broker.Open(ctx, "embedded://", broker.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	secret := make([]byte, sealed.SecretLen) // from a vault, in earnest
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	s, err := sealed.Wrap(b, sealed.Config{Keys: []sealed.Key{{ID: "2026-07", Secret: secret}}})
	if err != nil {
		return err
	}
	w, err := runtime.NewWorker(s, runtime.Config{
		Slots:      8, // attempts at once
		Middleware: []task.Middleware{counted},
		Logger:     slog.New(slog.DiscardHandler),
	}, send, classify)
	if err != nil {
		return err
	}
	working, end := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- w.Run(working) }()

	err = use(runtime.NewClient(s).With(ctx))
	end() // it drains
	if ended := <-done; err == nil {
		err = ended
	}
	return err
}

// use posts to the worker, and prints what comes back.
func use(q context.Context) error {
	text, err := send.Do(q, Mail{To: "ann", Text: "hello"})
	if err != nil {
		return err
	}
	fmt.Println(text)
	// A producer that nobody has renewed: the old name, and the old input.
	if text, err = task.Declare[string, string]("send-mail").Do(q, "bob"); err != nil {
		return err
	}
	fmt.Println(text)

	hs, err := classify.PostMany(q, []string{"one", "two", "three", "four"})
	if err != nil {
		return err
	}
	classes, err := task.WaitAll(q, hs)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(classes, ", "))
	return nil
}
