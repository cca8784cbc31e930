// Hello runs one task, on a queue that lives in the program itself.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

var greet = task.Define("greet", func(ctx task.Context, name string) (string, error) {
	return fmt.Sprintf("Hello, %s, from attempt %d!", name, ctx.Job().Attempt), nil
})

func main() {
	ctx := context.Background()
	b, err := broker.Open(ctx, "embedded://", broker.Config{}) // or "redis://localhost:6379/0"
	if err != nil {
		log.Fatal(err)
	}
	w, err := runtime.NewWorker(b, runtime.Config{}, greet)
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(w.Run(ctx)) }() // here, or in another program on another machine

	text, err := greet.Do(runtime.NewClient(b).With(ctx), "world")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
}
