package task

import (
	"context"
	"errors"
	"fmt"
	"math"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd runs jobs of one task on one worker, and takes down its batches.
type crowd struct {
	t     *testing.T
	h     Handler
	start time.Time

	mu      sync.Mutex
	batches []string // when each began, and with what
	ends    map[int]string
	stops   map[int]context.CancelCauseFunc
	all     sync.WaitGroup
}

// gathered returns a crowd on a worker with that many slots, whose batches do what do
// does with their inputs.
func gathered(t *testing.T, slots int, do func(context.Context, []int) ([]Result[int], error), opts ...BatchOption) *crowd {
	c := &crowd{t: t, start: time.Now(), ends: map[int]string{}, stops: map[int]context.CancelCauseFunc{}}
	c.h = DefineBatch("crowd", func(ctx context.Context, ins []int) ([]Result[int], error) {
		c.mu.Lock()
		sorted := slices.Sorted(slices.Values(ins)) // who comes at the same time comes in any order
		c.batches = append(c.batches, fmt.Sprint(time.Since(c.start), sorted))
		c.mu.Unlock()
		return do(ctx, ins)
	}, opts...).ForWorker(slots)
	return c
}

// add runs a job for each of ns, and returns when all are in a batch or have ended.
func (c *crowd) add(ns ...int) {
	for _, n := range ns {
		ctx, stop := context.WithCancelCause(c.t.Context())
		c.stops[n] = stop
		payload := mustEncode(c.t, n)
		c.all.Go(func() {
			end := "ended its goroutine"
			defer func() {
				if p, ok := recover().(*Panic); ok {
					end = fmt.Sprint("panic: ", p.Value)
					if !strings.Contains(string(p.Stack), "panic(") {
						end += " without its stack"
					}
				}
				c.mu.Lock()
				defer c.mu.Unlock()
				c.ends[n] = fmt.Sprint(time.Since(c.start), " ", end)
			}()
			out, err := c.h.Invoke(NewContext(ctx, &fakeAttempt{job: Job{Alone: n >= suspicious}}), payload)
			if end = fmt.Sprint(err); err == nil {
				var v int
				_ = out.Decode(&v)
				end = fmt.Sprint(v)
			}
		})
	}
	synctest.Wait()
}

// suspicious numbers are jobs beside which nothing may run.
const suspicious = 1000

// want compares what there was with what there should be, when all jobs have ended.
func (c *crowd) want(batches []string, ends map[int]string) {
	c.t.Helper()
	c.all.Wait()
	if !slices.Equal(c.batches, batches) {
		c.t.Errorf("got batches %q, want %q", c.batches, batches)
	}
	for n, want := range ends {
		if c.ends[n] != want {
			c.t.Errorf("job %d: got %q, want %q", n, c.ends[n], want)
		}
	}
	if g, n := c.h, len(c.ends); n != len(c.stops) {
		c.t.Errorf("got %d ends of %d jobs of %s", n, len(c.stops), g.Name())
	}
}

// doubled takes a second for a batch.
func doubled(_ context.Context, ins []int) ([]Result[int], error) {
	time.Sleep(time.Second)
	out := make([]Result[int], len(ins))
	for i, n := range ins {
		out[i].Value = 2 * n
	}
	return out, nil
}

func TestABatchBeginsWhenItIsFullOrLateOrNobodyElseCanCome(t *testing.T) {
	t.Parallel()
	wait := BatchDelay(100 * time.Millisecond)
	tests := map[string]struct {
		slots   int
		opts    []BatchOption
		story   func(c *crowd)
		batches []string
		ends    map[int]string
	}{
		"full": {8, []BatchOption{MaxBatch(3), wait}, func(c *crowd) { c.add(1, 2, 3) }, []string{"0s [1 2 3]"}, map[int]string{1: "1s 2", 3: "1s 6"}},
		"late": {8, []BatchOption{MaxBatch(4), wait}, func(c *crowd) {
			c.add(1)
			time.Sleep(90 * time.Millisecond)
			c.add(2)
			time.Sleep(20 * time.Millisecond)
			c.add(3)
		}, []string{"100ms [1 2]", "210ms [3]"}, map[int]string{2: "1.1s 4", 3: "1.21s 6"}},
		"one more than full": {8, []BatchOption{MaxBatch(2), wait}, func(c *crowd) { c.add(1, 2); c.add(3) }, []string{"0s [1 2]", "100ms [3]"}, nil},
		"all slots":          {3, []BatchOption{wait}, func(c *crowd) { c.add(1, 2, 3) }, []string{"0s [1 2 3]"}, map[int]string{2: "1s 4"}},
		"all slots, some of a batch that runs": {4, []BatchOption{wait}, func(c *crowd) {
			c.add(1, 2)
			time.Sleep(200 * time.Millisecond)
			c.add(3, 4)
		}, []string{"100ms [1 2]", "200ms [3 4]"}, nil},
		"slots that are free again": {2, []BatchOption{wait}, func(c *crowd) {
			c.add(1, 2)
			time.Sleep(time.Second + 10*time.Millisecond)
			c.add(3)
			time.Sleep(10 * time.Millisecond)
			c.add(4)
		}, []string{"0s [1 2]", "1.02s [3 4]"}, nil},
		"a suspect":   {8, []BatchOption{wait}, func(c *crowd) { c.add(suspicious) }, []string{"0s [1000]"}, nil},
		"by default":  {100, nil, func(c *crowd) { c.add(1); c.add(2) }, []string{"5ms [1 2]"}, nil},
		"nobody left": {8, []BatchOption{wait}, func(c *crowd) { c.add(1); c.stops[1](ErrCancelled); synctest.Wait(); c.add(2) }, []string{"100ms [2]"}, map[int]string{1: "0s " + ErrCancelled.Error()}},
		"one left before": {8, []BatchOption{wait, MaxBatch(3)}, func(c *crowd) {
			c.add(1, 2)
			c.stops[1](ErrLeaseLost)
			synctest.Wait()
			c.add(3, 4)
		}, []string{"0s [2 3 4]"}, map[int]string{1: "0s " + ErrLeaseLost.Error(), 4: "1s 8"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := gathered(t, tt.slots, doubled, tt.opts...)
				tt.story(c)
				c.want(tt.batches, tt.ends)
			})
		})
	}
}

func TestAFaultOfTheFunctionIsEachJobs(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	tests := map[string]struct {
		do   func(context.Context, []int) ([]Result[int], error)
		want string
	}{
		"error":    {func(context.Context, []int) ([]Result[int], error) { return nil, boom }, "boom"},
		"panic":    {func(context.Context, []int) ([]Result[int], error) { panic("ouch") }, "panic: ouch"},
		"exit":     {func(context.Context, []int) ([]Result[int], error) { goruntime.Goexit(); return nil, nil }, "ended its goroutine"},
		"too few":  {func(context.Context, []int) ([]Result[int], error) { return make([]Result[int], 1), nil }, `task "crowd": its function returned 1 results for a batch of 2 jobs; it must return one for each, in their order`},
		"too many": {func(context.Context, []int) ([]Result[int], error) { return make([]Result[int], 3), nil }, `task "crowd": its function returned 3 results for a batch of 2 jobs; it must return one for each, in their order`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := gathered(t, 2, tt.do)
				c.add(1, 2)
				c.want([]string{"0s [1 2]"}, map[int]string{1: "0s " + tt.want, 2: "0s " + tt.want})
				late := gathered(t, 9, tt.do) // begun by the timer
				late.add(1, 2)
				late.want([]string{"5ms [1 2]"}, map[int]string{1: "5ms " + tt.want, 2: "5ms " + tt.want})
			})
		})
	}
}

func TestEachJobOfABatchHasItsOwnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := gathered(t, 3, func(_ context.Context, ins []int) ([]Result[int], error) {
			out := make([]Result[int], len(ins))
			for i, n := range ins {
				if out[i].Value = 10 * n; n == 2 {
					out[i].Err = Permanent(errors.New("not two"))
				}
			}
			return out, nil
		})
		c.add(1, 2, 3)
		c.want([]string{"0s [1 2 3]"}, map[int]string{1: "0s 10", 2: "0s not two", 3: "0s 30"})
		if _, err := c.h.Invoke(NewContext(t.Context(), &fakeAttempt{}), Data{CodecMsgpack, []byte{0xa1, 'x'}}); !forGood(err) {
			t.Errorf("an input that cannot be decoded: got %v, want a failure for good before it is in a batch", err)
		}
	})
}

func TestAJobThatEndsLeavesItsBatchAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause error
		c := gathered(t, 3, func(ctx context.Context, ins []int) ([]Result[int], error) {
			<-ctx.Done() // when the last of them has ended
			cause = context.Cause(ctx)
			time.Sleep(time.Second)
			return make([]Result[int], len(ins)), nil
		})
		c.add(1, 2, 3)
		for i, why := range []error{1: ErrCancelled, 2: ErrTimeout, 3: ErrLeaseLost} {
			if why != nil {
				time.Sleep(time.Second)
				c.stops[i](why)
				synctest.Wait()
			}
		}
		// The last one waits for the function: only so its worker knows that it runs.
		c.want([]string{"0s [1 2 3]"}, map[int]string{1: "1s " + ErrCancelled.Error(), 2: "2s " + ErrTimeout.Error(), 3: "4s 0"})
		if cause == nil || !errors.Is(cause, ErrLeaseLost) {
			t.Errorf("cause: got %v, want %v", cause, ErrLeaseLost)
		}
	})
}

func TestABatchThatRunsWhenItsWorkerEndsHasItsResults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := gathered(t, 2, doubled)
		c.add(1, 2)
		c.stops[1](ErrShutdown)
		c.stops[2](ErrShutdown)
		c.want([]string{"0s [1 2]"}, map[int]string{1: "1s 2", 2: "1s 4"})
		waiting := gathered(t, 2, doubled)
		waiting.add(1)
		waiting.stops[1](ErrShutdown)
		waiting.want(nil, map[int]string{1: "0s " + ErrShutdown.Error()})
	})
}

func TestAFunctionOfABatchFindsItsMembersAndNoQueue(t *testing.T) {
	t.Parallel()
	id := NewID(1, KindLone, 1, 0, 7, 0)
	var found []Context
	see := DefineBatch("see", func(ctx context.Context, ins []string) ([]Result[None], error) {
		found = Members(ctx)
		if _, ok := From(ctx); ok {
			t.Error("the context of a batch is a job's")
		}
		if _, err := Declare[int, int]("next").Post(ctx, 1); !errors.Is(err, ErrNoPort) {
			t.Errorf("post: got %v, want %v", err, ErrNoPort)
		}
		if _, ok := ctx.Deadline(); ok {
			t.Error("the context of a batch has a deadline")
		}
		return make([]Result[None], len(ins)), nil
	}, Queue("q"), Use(func(next InvokeFunc) InvokeFunc { return next }))
	// Outside of a worker a job is a batch of its own.
	if _, err := see.Invoke(NewContext(t.Context(), &fakeAttempt{job: Job{Call: Call{ID: id}}}), mustEncode(t, "x")); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Job().ID != id {
		t.Errorf("got members %v, want the job %v", found, id)
	}
	if ms := Members(t.Context()); ms != nil {
		t.Errorf("members of another context: got %v, want none", ms)
	}
	if q := see.Defaults().Queue; q != "q" {
		t.Errorf("got queue %q, want q", q)
	}
}

func TestTheOptionsOfABatchAreChecked(t *testing.T) {
	t.Parallel()
	do := func(context.Context, []int) ([]Result[int], error) { return nil, nil }
	for _, opt := range []BatchOption{MaxBatch(0), MaxBatch(-1), MaxBatch(MaxMaxBatch + 1), BatchDelay(0), BatchDelay(-1), BatchDelay(math.MaxInt64), MaxAttempts(0)} {
		if err := DefineBatch("b", do, opt).Err(); !isInvalid(err) {
			t.Errorf("got %v, want it to wrap %v", err, ErrInvalid)
		}
	}
	for _, opt := range []BatchOption{MaxBatch(1), MaxBatch(MaxMaxBatch), BatchDelay(1), BatchDelay(MaxBatchDelay)} {
		if err := DefineBatch("b", do, opt).Err(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	}
	if err := DefineBatch[int, int]("b", nil, MaxBatch(0)).Err(); !isInvalid(err) || !strings.Contains(err.Error(), "function is nil") || !strings.Contains(err.Error(), "MaxBatch") {
		t.Errorf("got %v, want both faults", err)
	}
}
