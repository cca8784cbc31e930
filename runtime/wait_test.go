package runtime

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

func TestWaitsNestFiveDeepOnOneSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = time.Millisecond
		var g gauge
		nest := task.Declare[int, int]("nest")
		w := start(t, f, Config{Slots: 1}, nest.Handle(func(c task.Context, n int) (int, error) {
			g.in()
			defer g.out()
			if c.Job().Depth != 5-n {
				t.Errorf("depth: got %d, want %d", c.Job().Depth, 5-n)
			}
			if n == 0 {
				return 1, nil
			}
			h, err := nest.Post(c, n-1)
			if err != nil {
				return 0, err
			}
			g.out()
			v, err := h.Wait(c)
			g.in()
			return v + 1, err
		}))
		h, err := nest.Post(NewClient(f).With(t.Context()), 5)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := h.Wait(t.Context()); v != 6 || err != nil {
			t.Errorf("got %d, %v, want 6, nil", v, err)
		}
		if n := g.most.Load(); n != 1 {
			t.Errorf("attempts at once: got %d, want 1", n)
		}
		if n := len(f.edges); n != 0 {
			t.Errorf("edges left: got %d, want 0", n)
		}
		w.ok()
	})
}

func TestAResumingAttemptGoesBeforeNewJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = time.Millisecond
		var order journal[string]
		child := f.post(t, task.Call{Functions: []string{"elsewhere"}}) // the test settles it
		parent := task.Define("parent", func(c task.Context, _ int) (int, error) {
			err := c.BlockUntilResult(child, nil)
			order.add("parent")
			return 0, err
		})
		other := task.Define("other", func(task.Context, int) (int, error) {
			time.Sleep(time.Second)
			order.add("other")
			return 0, nil
		})
		f.mu.Lock()
		f.pend[child.Partition()] = nil
		f.mu.Unlock()
		w := start(t, f, Config{Slots: 1}, parent, other)
		id := f.post(t, parent.Call(0))
		time.Sleep(time.Second)
		for range 5 {
			f.post(t, other.Call(0))
		}
		time.Sleep(1500 * time.Millisecond) // the second one runs
		f.mu.Lock()
		f.finish(f.jobs[child], task.Succeeded, task.Outcome{})
		f.mu.Unlock()
		f.wait(t, id)
		if got := order.all(); len(got) != 3 || got[2] != "parent" {
			t.Errorf("got %v, want two others, then parent", got)
		}
		time.Sleep(10 * time.Second)
		w.ok()
	})
}

func TestSeveralGoroutinesOfAnAttemptWaitWithoutASlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = time.Millisecond
		var g gauge
		leaf := task.Define("leaf", func(_ task.Context, n int) (int, error) {
			g.in()
			defer g.out()
			time.Sleep(time.Duration(n) * time.Millisecond)
			return n, nil
		})
		parent := task.Define("parent", func(c task.Context, _ int) (int, error) {
			var wg sync.WaitGroup
			var mu sync.Mutex
			sum := 0
			for i := range 20 {
				wg.Go(func() {
					for k := range 3 {
						v, err := leaf.Do(c, 10*i+k)
						if err != nil {
							t.Error(err)
						}
						mu.Lock()
						sum += v
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			return sum, nil
		})
		for _, slots := range []int{1, 3} {
			w := start(t, f, Config{Slots: slots}, parent, leaf)
			v, err := parent.Do(NewClient(f).With(t.Context()), 0)
			if want := 20*3 + 3*10*190; v != want || err != nil {
				t.Errorf("got %d, %v, want %d", v, err, want)
			}
			if n := g.most.Load(); n > int64(slots) {
				t.Errorf("leaves at once: got %d, want at most %d", n, slots)
			}
			w.ok()
		}
	})
}

func TestAWaitThatClosesACycleFailsAndTheSlotComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var got error
		self := task.Define("self", func(c task.Context, _ int) (int, error) {
			got = c.BlockUntilResult(c.Job().ID, nil)
			return 0, nil
		})
		w := start(t, f, Config{Slots: 1}, self)
		f.wait(t, f.post(t, self.Call(0)))
		if !errors.Is(got, task.ErrCycle) {
			t.Errorf("got %v, want %v", got, task.ErrCycle)
		}
		w.ok()
	})
}

func TestAWaitEndsWithItsContextAndGetsItsSlotLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = time.Millisecond
		never := f.post(t, task.Call{Functions: []string{"never"}})
		f.mu.Lock()
		f.pend[never.Partition()] = nil
		f.mu.Unlock()
		var got error
		var took time.Duration
		var slot bool
		var w *running
		parent := task.Define("parent", func(c task.Context, _ int) (int, error) {
			begun := time.Now()
			short, cancel := c.WithTimeout(time.Second)
			defer cancel()
			got = short.BlockUntilResult(never, nil)
			took = time.Since(begun)
			time.Sleep(10 * time.Second) // the other is over
			w.pool.mu.Lock()
			slot = w.pool.attempts[0].slot
			w.pool.mu.Unlock()
			return 0, nil
		})
		long := task.Define("long", func(task.Context, int) (int, error) { time.Sleep(5 * time.Second); return 0, nil })
		w = start(t, f, Config{Slots: 1}, parent, long)
		id := f.post(t, parent.Call(0))
		f.post(t, long.Call(0))
		f.wait(t, id)
		if !errors.Is(got, context.DeadlineExceeded) || took > 1100*time.Millisecond {
			t.Errorf("got %v after %v, want %v after 1s", got, took, context.DeadlineExceeded)
		}
		if !slot {
			t.Error("the attempt goes on without a slot although one was free")
		}
		w.ok()
	})
}

func TestPastMaxBlockedOnlyChildrenAreClaimed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = time.Millisecond
		var order journal[string]
		gate := make(chan struct{})
		leaf := task.Define("leaf", func(task.Context, int) (int, error) {
			<-gate
			order.add("leaf")
			return 0, nil
		})
		parent := task.Define("parent", func(c task.Context, n int) (int, error) { return leaf.Do(c, n) })
		other := task.Define("other", func(task.Context, int) (int, error) {
			order.add("other")
			return 0, nil
		})
		w := start(t, f, Config{Slots: 1, MaxBlocked: 2}, parent, leaf, other)
		if _, err := f.Post(t.Context(), []task.Call{parent.Call(0), parent.Call(1), parent.Call(2)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		last := f.post(t, other.Call(0))
		time.Sleep(time.Second)
		f.mu.Lock()
		if x := f.exchanges[len(f.exchanges)-1]; !x.Children {
			t.Error("with three blocked and MaxBlocked 2, the last exchange asks for more than children")
		}
		f.mu.Unlock()
		close(gate)
		f.wait(t, last)
		time.Sleep(time.Second)
		if got := order.all(); len(got) != 4 || got[0] != "leaf" {
			t.Errorf("got %v, want a leaf first, and four in all", got)
		}
		w.ok()
	})
}

func TestAwaitOfNothingReturnsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFake()
	w, err := NewWorker(f, quiet(Config{}), noop)
	if err != nil {
		t.Fatal(err)
	}
	w.base = t.Context()
	a := w.newAttempt(nil, nil, &task.Job{})
	defer a.release()
	if ends, err := a.Await(t.Context(), nil); len(ends) != 0 || err != nil || len(f.calls) != 0 {
		t.Errorf("got %v, %v after calls %v, want nothing", ends, err, f.calls)
	}
}

func TestALookAtAncestorsKeepsTheSlotAndCostsOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		run := task.NewID(0, task.KindRun, 0, 7, 0, 0)
		call := func(n int, h interface {
			Call(int, ...task.PostOption) task.Call
		}) task.Call {
			c := h.Call(n)
			c.ID = run.Node(n)
			return c
		}
		node := task.Define("node", func(c task.Context, n int) (int, error) {
			switch n {
			case 0:
				return 7, nil
			case 1: // an ancestor that has ended
				var v int
				err := c.BlockUntilResult(run.Node(0), &v)
				return v, err
			default: // a sibling that has not: the slot must be given up
				return 0, c.BlockUntilResult(run.Node(n+1), nil)
			}
		})
		w := start(t, f, Config{Slots: 1}, node, noop)
		f.wait(t, f.post(t, call(0, node)))
		f.wait(t, f.post(t, call(1, node)))
		if n := f.count("block"); n != 0 {
			t.Errorf("blocks: got %d, want 0", n)
		}
		f.post(t, call(3, noop))
		f.mu.Lock()
		f.pend[0] = nil
		f.mu.Unlock()
		id := f.post(t, call(2, node))
		synctest.Wait()
		f.mu.Lock()
		f.ready(f.jobs[run.Node(3)], false)
		f.mu.Unlock()
		f.wait(t, id)
		if n := f.count("block"); n != 1 {
			t.Errorf("blocks: got %d, want 1", n)
		}
		w.ok()
	})
}

func TestASlowLookAtParentsThatHaveEndedCostsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.awaitLag = 2 * peekTimeout
		run := task.NewID(1, task.KindRun, 1, 7, 0, 0)
		parent := task.Define("parent", task.Plain(func(context.Context, int) (int, error) { return 7, nil }))
		child := task.Define("child", func(c task.Context, of int) (int, error) {
			return task.At[int](c, run.Node(of)).Wait(c)
		})
		w := start(t, f, Config{Slots: 1}, parent, child)
		first, second := parent.Call(0), child.Call(0)
		first.ID, second.ID = run.Node(0), run.Node(1)
		f.post(t, first)
		time.Sleep(time.Second)
		f.post(t, second)
		time.Sleep(time.Second)
		f.mu.Lock()
		got, blocks := f.jobs[second.ID].state, f.calls["block"]
		f.mu.Unlock()
		if got != task.Succeeded || blocks != 0 {
			t.Errorf("the child is %v, and its slot was given up %d times, want succeeded, 0", got, blocks)
		}
		w.ok()
	})
}
