package task

import (
	"context"
	"errors"
	"iter"
)

// Each waits for the jobs and gives how each ended as soon as it has, with its
// index in hs: to show progress, or to stop early. When ctx ends, or the wait
// fails, what is left is given with that error. Each waits with one goroutine for
// each handle; all have ended when it returns.
//
//	for i, r := range task.Each(q, hs) {
//		if r.Err == nil && good(r.Value) {
//			break
//		}
//	}
func Each[T any](ctx context.Context, hs []Handle[T]) iter.Seq2[int, Result[T]] {
	return func(yield func(int, Result[T]) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ends := make(chan eachEnd[T])
		running := len(hs)
		defer func() {
			cancel()
			for ; running > 0; running-- {
				<-ends
			}
		}()
		for i, h := range hs {
			go func() { // ends with the wait; the deferred function above waits for it
				v, err := h.Wait(ctx)
				ends <- eachEnd[T]{i, Result[T]{v, err}}
			}()
		}
		for running > 0 {
			e := <-ends
			running--
			if !yield(e.index, e.result) {
				return
			}
		}
	}
}

type eachEnd[T any] struct {
	index  int
	result Result[T]
}

// CancelAll cancels the jobs that have not ended. It goes on after an error, and
// returns all of them.
func CancelAll[T any](ctx context.Context, hs []Handle[T]) error {
	var errs []error
	for _, h := range hs {
		if _, err := h.Cancel(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
