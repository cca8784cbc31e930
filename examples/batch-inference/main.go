// Batch-inference classifies images of hand-written digits, each of which is a job of
// its own, twice: one by one, and in batches as task.DefineBatch gathers them. Each
// call of the model has a price that does not depend on how many images it is given:
// here it unpacks what it has learnt, elsewhere it goes to an accelerator. Nothing
// needs to be installed:
//
//	go run ./examples/batch-inference
//	go run ./examples/batch-inference -images 899 -batch 64
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/examples/digits/data"
	"github.com/gomlq/mlq/examples/internal/knn"
	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

func main() { show.Main("batch-inference", run) }

// model tells digits by the nearest of those that it has learnt.
type model struct{ calls atomic.Int64 }

// infer classifies images.
func (m *model) infer(images []data.Image) ([]uint8, error) {
	m.calls.Add(1)
	all, err := data.Load() // the price of a call: some 10 ms
	if err != nil {
		return nil, err
	}
	out := make([]uint8, len(images))
	for i := range images {
		out[i] = knn.Classify(all[:data.Training], &images[i], 3)
	}
	return out, nil
}

// one is the function of a task that is given one image.
func (m *model) one(_ task.Context, image data.Image) (uint8, error) {
	out, err := m.infer([]data.Image{image})
	if err != nil {
		return 0, err
	}
	return out[0], nil
}

// many is the function of a task whose jobs are gathered into batches.
func (m *model) many(_ context.Context, images []data.Image) ([]task.Result[uint8], error) {
	digits, err := m.infer(images)
	if err != nil {
		return nil, err
	}
	out := make([]task.Result[uint8], len(digits))
	for i, d := range digits {
		out[i].Value = d
	}
	return out, nil
}

// run is the whole program.
func run(ctx context.Context, args []string, s *show.Screen) (err error) {
	o, err := parse(args, s.Err)
	if err != nil {
		return err
	}
	images, err := data.Load()
	if err != nil {
		return err
	}
	held := images[data.Training:][:o.images] // those that the model has not seen
	b, err := broker.Open(ctx, "embedded://", broker.Config{Logger: s.Logger(slog.LevelWarn)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()

	var single, batched model
	one := task.Define("classify", single.one)
	many := task.DefineBatch("classify-batch", batched.many, task.MaxBatch(o.batch), task.BatchDelay(20*time.Millisecond))
	// A batch has no more jobs than the worker has slots.
	w, err := runtime.NewWorker(b, runtime.Config{Slots: o.batch, Logger: s.Logger(slog.LevelWarn)}, one, many)
	if err != nil {
		return err
	}
	return show.Beside(runtime.NewClient(b).With(ctx), w.Run, func(q context.Context) error {
		fmt.Fprintln(s.Out, "             images  calls of the model  images/s")
		first, err := classify(q, s.Out, "one by one", one.PostMany, &single, held)
		if err != nil {
			return err
		}
		second, err := classify(q, s.Out, "in batches", many.PostMany, &batched, held)
		if err != nil {
			return err
		}
		return compare(s.Out, held, first, second)
	})
}

// post posts a job for each image.
type post func(q context.Context, images []data.Image, opts ...task.PostOption) ([]task.Handle[uint8], error)

// classify has the images classified, and prints how long that took.
func classify(q context.Context, w io.Writer, how string, p post, m *model, images []data.Image) ([]uint8, error) {
	start := time.Now()
	hs, err := p(q, images)
	if err != nil {
		return nil, err
	}
	digits, err := task.WaitAll(q, hs)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "%-12s %6d  %18d  %8.0f\n", how, len(images), m.calls.Load(), float64(len(images))/time.Since(start).Seconds())
	return digits, nil
}

// compare prints how many images were told rightly, the same ones either way.
func compare(w io.Writer, images []data.Image, first, second []uint8) error {
	if !slices.Equal(first, second) {
		return errors.New("the images of a batch are told otherwise than one by one")
	}
	right := 0
	for i := range images {
		if images[i].Digit == first[i] {
			right++
		}
	}
	fmt.Fprintf(w, "\n%d of %d right, the same either way\n", right, len(images))
	return nil
}
