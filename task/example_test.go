package task_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomlq/mlq/task"
	"github.com/gomlq/mlq/task/tasktest"
)

// The contexts of these examples come from tasktest, which runs nothing: the
// answers stand in for workers. In a program they come from a client, as
// client.With(ctx), or are given to a task function.

type Dataset struct{ Rows int }

type TrainIn struct {
	Data  task.Ref[Dataset] // the result of another job
	Depth int
}

type Model struct{ Score float64 }

func train(ctx task.Context, in TrainIn) (Model, error) {
	data, err := in.Data.Get(ctx)
	if err != nil {
		return Model{}, err
	}
	if data.Rows == 0 {
		return Model{}, task.Permanent(errors.New("no rows to train on"))
	}
	if err := ctx.UpdateProgress(50, "half of the trees"); err != nil {
		return Model{}, err
	}
	return Model{Score: 0.1 * float64(in.Depth)}, nil
}

var Train = task.Define("train", train, task.Queue("gpu"), task.MaxAttempts(3), task.Timeout(time.Hour))

func ExampleDefine() {
	fmt.Println(Train.Name(), Train.Defaults().Queue, Train.Err())

	faulty := task.Define("train model", train, task.MaxAttempts(0))
	fmt.Println(faulty.Err())
	// Output:
	// train gpu <nil>
	// task "train model": task: invalid: the task name "train model" has ' ' at byte 5; use letters, digits, _ . - / and begin with a letter, a digit or _
	// task: invalid: MaxAttempts is below 1; with 1 a job is tried once and never again
}

// A producer needs the name and the types of a task, not its function.
func ExampleDeclare() {
	ctx, rec := tasktest.New(nil)
	length := task.Declare[string, int]("length")
	tasktest.Answer(rec, length, func(s string) (int, error) { return len(s), nil })

	h, err := length.Post(ctx, "hello", task.Delay(time.Minute))
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := h.Wait(ctx)
	fmt.Println(n, err)
	// Output: 5 <nil>
}

// In a unit test, a Ref is a value, and a task function is a function.
func ExampleRef() {
	ctx, rec := tasktest.New(nil)

	model, err := train(ctx, TrainIn{Data: task.Value(Dataset{Rows: 100}), Depth: 8})
	fmt.Println(model.Score, err)
	percent, note := rec.Progress()
	fmt.Println(percent, note)

	_, err = train(ctx, TrainIn{Data: task.Value(Dataset{}), Depth: 8})
	fmt.Println(err)
	// Output:
	// 0.8 <nil>
	// 50 half of the trees
	// no rows to train on
}

// The result of one job can be the input of the next without passing through
// the poster.
func ExampleHandle_Ref() {
	ctx, rec := tasktest.New(nil)
	load := task.Declare[string, Dataset]("load")
	tasktest.Answer(rec, load, func(string) (Dataset, error) { return Dataset{Rows: 1797}, nil })
	tasktest.Answer(rec, Train, func(in TrainIn) (Model, error) { return train(ctx, in) })

	data, err := load.Post(ctx, "digits.csv")
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := Train.Do(ctx, TrainIn{Data: data.Ref(), Depth: 9})
	fmt.Println(model.Score, err)
	// Output: 0.9 <nil>
}

func ExampleWaitAll() {
	ctx, rec := tasktest.New(nil)
	square := task.Declare[int, int]("square")
	tasktest.Answer(rec, square, func(n int) (int, error) { return n * n, nil })

	hs, err := square.PostMany(ctx, []int{3, 1, 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(task.WaitAll(ctx, hs))
	// Output: [9 1 4] <nil>
}

func ExampleResults() {
	ctx, rec := tasktest.New(nil)
	half := task.Declare[int, int]("half")
	tasktest.Answer(rec, half, func(n int) (int, error) {
		if n%2 != 0 {
			return 0, task.Skip("odd")
		}
		return n / 2, nil
	})

	hs, err := half.PostMany(ctx, []int{8, 5})
	if err != nil {
		fmt.Println(err)
		return
	}
	results, err := task.Results(ctx, hs)
	fmt.Println(err)
	for _, r := range results {
		fmt.Println(r.Value, errors.Is(r.Err, task.ErrSkipped))
	}
	// Output:
	// <nil>
	// 4 false
	// 0 true
}

// Options of one place are added to those of the definition; the original
// stays as it is.
func ExampleDecl_With() {
	urgent := Train.With(task.Priority(task.High), task.MaxAttempts(1))
	call := urgent.Call(TrainIn{}, task.UniqueKey("nightly"))
	fmt.Println(call.Spec.Queue, call.Spec.MaxAttempts, call.Spec.UniqueKey, call.Err())
	fmt.Println(Train.Defaults().MaxAttempts)
	// Output:
	// gpu 1 nightly <nil>
	// 3
}

// What a function's error says about its job survives wrapping.
func ExampleRuling() {
	busy := errors.New("503 Service Unavailable")
	err := fmt.Errorf("page 7: %w", task.RetryAfter(busy, 30*time.Second))

	if r, ok := errors.AsType[*task.Ruling](err); ok {
		fmt.Println(r.Verdict, r.Delay)
	}
	fmt.Println(err, errors.Is(err, busy))
	// Output:
	// retried 30s
	// page 7: 503 Service Unavailable true
}

func ExampleJobError() {
	ctx, rec := tasktest.New(nil)
	tasktest.Answer(rec, Train, func(TrainIn) (Model, error) { return Model{}, errors.New("out of memory") })

	_, err := Train.Do(ctx, TrainIn{Data: task.Value(Dataset{Rows: 1})})
	if failed, ok := errors.AsType[*task.JobError](err); ok {
		fmt.Println(failed.State, failed.Failure.Message, errors.Is(err, task.ErrFailed))
	}
	// Output: failed out of memory true
}

// A function that knows only context.Context can be a task as it is.
func ExamplePlain() {
	shout := func(_ context.Context, s string) (string, error) { return s + "!", nil }
	t := task.Define("shout", task.Plain(shout))
	fmt.Println(t.Name(), t.Err())
	// Output: shout <nil>
}

// From finds the running job in a context that has been through other hands.
func ExampleFrom() {
	report := func(ctx context.Context) {
		if c, ok := task.From(ctx); ok {
			fmt.Println("attempt", c.Job().Attempt)
		}
	}

	ctx, _ := tasktest.New(nil, tasktest.Attempt(2))
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	report(limited)
	// Output: attempt 2
}

func ExampleClassFor() {
	for _, d := range []time.Duration{time.Second, 2 * time.Hour, 0, task.Forever} {
		fmt.Println(d, "is kept", task.ClassFor(d).Duration())
	}
	// Output:
	// 1s is kept 1m0s
	// 2h0m0s is kept 3h0m0s
	// 0s is kept 168h0m0s
	// -1ns is kept -1ns
}

func ExampleNearest() {
	fmt.Println(task.Nearest("trian", []string{"evaluate", "train", "load"}))
	// Output: train
}

func ExampleCriticalPath() {
	// As broker.RunNodes returns them.
	begun := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return begun.Add(time.Duration(seconds) * time.Second) }
	nodes := []task.RunNode{
		{Number: 0, Name: "load", State: task.Succeeded, Started: at(1), Finished: at(10)},
		{Number: 1, Name: "train", State: task.Succeeded, Started: at(12), Finished: at(40), Parents: task.After(0)},
		{Number: 2, Name: "train-2", State: task.Succeeded, Started: at(11), Finished: at(30), Parents: task.After(0)},
		{Number: 3, Name: "pick", State: task.Running, Started: at(41), Parents: task.After(1, 2)},
		{Number: 4, Name: "report", State: task.Blocked, Parents: task.After(3)},
	}
	for _, s := range task.CriticalPath(nodes, begun, at(45)) {
		fmt.Printf("%-7s %-9v waited %v, took %v\n", s.Name, s.State, s.Waited, s.Took)
	}
	// Output:
	// load    succeeded waited 1s, took 9s
	// train   succeeded waited 2s, took 28s
	// pick    running   waited 1s, took 4s
}
