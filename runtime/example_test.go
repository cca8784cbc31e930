package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"sync"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// work runs a worker on a queue in this process until stop is called.
func work(c runtime.Config, hs ...task.Handler) (client *runtime.Client, stop func()) {
	c.Logger = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	b, err := broker.Open(ctx, "embedded://", broker.Config{Logger: c.Logger})
	if err != nil {
		log.Fatal(err)
	}
	w, err := runtime.NewWorker(b, c, hs...)
	if err != nil {
		log.Fatal(err)
	}
	var worker sync.WaitGroup
	worker.Go(func() {
		if err := w.Run(ctx); err != nil {
			log.Print(err)
		}
	})
	return runtime.NewClient(b), func() {
		cancel()
		worker.Wait()
		_ = b.Close()
	}
}

// told says when it is entered, and what comes back.
func told(name string) task.Middleware {
	return func(next task.InvokeFunc) task.InvokeFunc {
		return func(ctx task.Context, payload task.Data) (task.Data, error) {
			fmt.Println(name, "begins")
			out, err := next(ctx, payload)
			fmt.Println(name, "ends:", err)
			return out, err
		}
	}
}

// The middleware of the worker is around that of the task, and the first of a list is
// around the others.
func ExampleConfig_middleware() {
	greet := task.Define("greet", func(_ task.Context, name string) (string, error) {
		return "hello, " + name, nil
	}, task.Use(told("task")))
	client, stop := work(runtime.Config{Middleware: []task.Middleware{told("first"), told("second")}}, greet)
	defer stop()

	fmt.Println(greet.Do(client.With(context.Background()), "world"))
	// Output:
	// first begins
	// second begins
	// task begins
	// task ends: <nil>
	// second ends: <nil>
	// first ends: <nil>
	// hello, world <nil>
}

// A middleware around posts gives each call a header, and refuses some.
func ExampleClient_Use() {
	who := task.Define("who", func(ctx task.Context, _ task.None) (string, error) {
		return ctx.Job().Spec.Headers["tenant"], nil
	})
	client, stop := work(runtime.Config{}, who)
	defer stop()

	tenant := func(next task.PostFunc) task.PostFunc {
		return func(ctx context.Context, calls []task.Call) ([]task.ID, error) {
			for i := range calls {
				if calls[i].Spec.Priority == task.High {
					return nil, errors.New("high priority is not in your plan")
				}
				calls[i].Spec.Headers = map[string]string{"tenant": "acme"}
			}
			return next(ctx, calls)
		}
	}
	q := client.Use(tenant).With(context.Background())
	fmt.Println(who.Do(q, task.None{}))
	_, err := who.Post(q, task.None{}, task.Priority(task.High))
	fmt.Println(err)
	// Output:
	// acme <nil>
	// high priority is not in your plan
}

// Eight jobs, posted one by one, reach the function together: jobs of the task hold
// all slots of the worker, so that to wait for more would be senseless.
func Example_batch() {
	length := task.DefineBatch("length", func(_ context.Context, words []string) ([]task.Result[int], error) {
		fmt.Println("a batch of", len(words))
		out := make([]task.Result[int], len(words))
		for i, w := range words {
			out[i].Value = len(w)
			if w == "" {
				out[i].Err = task.Permanent(errors.New("no word"))
			}
		}
		return out, nil
	}, task.MaxBatch(32), task.BatchDelay(time.Minute))
	client, stop := work(runtime.Config{Slots: 8}, length)
	defer stop()

	q := client.With(context.Background())
	hs, err := length.PostMany(q, []string{"a", "batch", "has", "", "as", "many", "as", "slots"})
	if err != nil {
		fmt.Println(err)
		return
	}
	results, err := task.Results(q, hs)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Print(r.Value, " ")
	}
	fmt.Println(errors.Is(results[3].Err, task.ErrFailed))
	// Output:
	// a batch of 8
	// 1 5 3 0 2 4 2 5 true
}
