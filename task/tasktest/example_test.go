package tasktest_test

import (
	"errors"
	"fmt"

	"github.com/gomlq/mlq/task"
	"github.com/gomlq/mlq/task/tasktest"
)

type Candidate struct {
	Name  string
	Depth int
}

var Evaluate = task.Declare[Candidate, float64]("evaluate")

// pick is the function under test: it evaluates candidates elsewhere, and
// returns the name of the best one.
func pick(ctx task.Context, cs []Candidate) (string, error) {
	hs, err := Evaluate.PostMany(ctx, cs)
	if err != nil {
		return "", err
	}
	results, err := task.Results(ctx, hs)
	if err != nil {
		return "", err
	}
	best, top := "", 0.0
	for i, r := range results {
		if r.Err == nil && r.Value > top {
			best, top = cs[i].Name, r.Value
		}
	}
	if best == "" {
		return "", task.Permanent(errors.New("no candidate could be evaluated"))
	}
	return best, ctx.SetShortResult(fmt.Sprintf("%s, %.0f %%", best, 100*top))
}

func Example() {
	ctx, rec := tasktest.New(nil) // in a test: tasktest.New(t)

	tasktest.Answer(rec, Evaluate, func(c Candidate) (float64, error) {
		if c.Depth > 8 {
			return 0, errors.New("out of memory")
		}
		return 0.1 * float64(c.Depth), nil
	})

	best, err := pick(ctx, []Candidate{{"shallow", 2}, {"middle", 8}, {"deep", 64}})
	fmt.Println(best, err)
	fmt.Println(rec.Short())
	fmt.Println(len(rec.Posted()), "posted")

	_, err = pick(ctx, []Candidate{{"deeper", 128}})
	fmt.Println(err)
	// Output:
	// middle <nil>
	// middle, 80 %
	// 3 posted
	// no candidate could be evaluated
}

// A function that posts and does not wait needs no answers.
func ExampleRecorder_Posted() {
	greet := func(ctx task.Context, names []string) error {
		mail := task.Declare[string, task.None]("mail", task.Queue("slow"))
		_, err := mail.PostMany(ctx, names, task.Priority(task.Low))
		return err
	}

	ctx, rec := tasktest.New(nil)
	if err := greet(ctx, []string{"Ada", "Grace"}); err != nil {
		fmt.Println(err)
	}
	for _, call := range rec.Posted() {
		var name string
		err := call.Payload.Decode(&name)
		fmt.Println(call.Functions, call.Spec.Queue, name, err)
	}
	// Output:
	// [mail] slow Ada <nil>
	// [mail] slow Grace <nil>
}

// A function should give up when its worker shuts down, and say so.
func ExampleRecorder_Stop() {
	crunch := func(ctx task.Context, rows int) (int, error) {
		for i := range rows {
			if ctx.Err() != nil {
				return i, ctx.Err()
			}
		}
		return rows, nil
	}

	ctx, rec := tasktest.New(nil)
	fmt.Println(crunch(ctx, 1000))
	rec.Stop(task.ErrShutdown)
	fmt.Println(crunch(ctx, 1000))
	// Output:
	// 1000 <nil>
	// 0 context canceled
}
