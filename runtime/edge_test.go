package runtime

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

func TestMoreOutcomesThanOneExchangeTakesAreReportedInSeveral(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = time.Millisecond
		gate := make(chan struct{})
		hold := task.Define("hold", func(task.Context, int) (int, error) { <-gate; return 0, nil })
		w := start(t, f, Config{Slots: 300}, hold)
		var ids []task.ID
		for range 300 {
			ids = append(ids, f.post(t, hold.Call(0)))
		}
		time.Sleep(time.Second)
		if n := w.pool.running(); n != 300 {
			t.Errorf("running: got %d, want 300", n)
		}
		before := f.count("exchange")
		close(gate)
		for _, id := range ids {
			f.wait(t, id)
		}
		if n := f.count("exchange") - before; n < 3 || n > 5 {
			t.Errorf("exchanges for 300 outcomes: got %d, want 3 to 5", n)
		}
		w.ok()
	})
}

// held posts a job that no worker takes; the test settles it.
func (f *fake) held(t *testing.T) task.ID {
	t.Helper()
	id := f.post(t, task.Call{Functions: []string{"elsewhere"}})
	f.mu.Lock()
	f.pend[id.Partition()] = nil
	f.mu.Unlock()
	return id
}

func (f *fake) settle(id task.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finish(f.jobs[id], task.Succeeded, task.Outcome{})
}

func TestAnAttemptThatWaitsAgainLeavesTheLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = time.Millisecond
		first, second := f.held(t), f.held(t)
		var went journal[string]
		parent := task.Define("parent", func(c task.Context, _ int) (int, error) {
			var wg sync.WaitGroup
			wg.Go(func() {
				_ = c.BlockUntilResult(first, nil)
				went.add("first")
			})
			wg.Go(func() {
				time.Sleep(2 * time.Second) // the first one stands in line by then
				_ = c.BlockUntilResult(second, nil)
				went.add("second")
			})
			wg.Wait()
			return 0, nil
		})
		slow := task.Define("slow", func(task.Context, int) (int, error) {
			time.Sleep(4 * time.Second)
			went.add("slow")
			return 0, nil
		})
		w := start(t, f, Config{Slots: 1}, parent, slow)
		id := f.post(t, parent.Call(0))
		time.Sleep(100 * time.Millisecond)
		f.post(t, slow.Call(0)) // takes the slot
		time.Sleep(900 * time.Millisecond)
		f.settle(first)
		time.Sleep(2 * time.Second)
		if got := strings.Join(went.all(), " "); got != "first" {
			t.Errorf("got %q, want that the first goes on, since the second waits", got)
		}
		f.settle(second)
		f.wait(t, id)
		if got := strings.Join(went.all(), " "); got != "first slow second" {
			t.Errorf("got %q, want first slow second", got)
		}
		w.ok()
	})
}

func TestAWaitThatOutlivesItsAttemptCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = time.Millisecond
		never := f.held(t)
		var got journal[error]
		parent := task.Define("parent", func(c task.Context, _ int) (int, error) {
			go func() { got.add(c.BlockUntilResult(never, nil)) }()
			time.Sleep(time.Second)
			return 0, nil
		})
		w := start(t, f, Config{Slots: 1}, parent)
		f.wait(t, f.post(t, parent.Call(0)))
		f.wait(t, f.post(t, parent.Call(0)))
		time.Sleep(time.Second)
		if errs := got.all(); len(errs) != 2 || !errors.Is(errs[0], context.Canceled) {
			t.Errorf("got %v, want the wait to end with the attempt", errs)
		}
		w.ok()
	})
}

func TestABlockedAttemptIsAbandonedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		never := f.held(t)
		ctx, cancel := context.WithCancel(t.Context())
		parent := task.Define("parent", func(c task.Context, _ int) (int, error) {
			_, _ = task.At[int](c, never).Wait(task.WithPort(ctx, portOf(c))) // not its own context
			return 0, nil
		}, task.Timeout(time.Minute), task.MaxAttempts(1))
		w := start(t, f, Config{Slots: 1}, parent)
		if s := f.wait(t, f.post(t, parent.Call(0))); s.Failure.Kind != task.FailureTimeout {
			t.Errorf("got %q, want timeout", s.Failure.Kind)
		}
		if n := w.Abandoned(); n != 1 {
			t.Errorf("abandoned: got %d, want 1", n)
		}
		cancel()
		synctest.Wait()
		w.ok()
	})
}

// portOf finds the attempt behind c, through the only door there is.
func portOf(c task.Context) task.Port {
	var p task.Port
	probe := &portProbe{c, &p}
	_, _ = task.From(probe)
	return p
}

type portProbe struct {
	context.Context
	p *task.Port
}

func (p *portProbe) Value(key any) any {
	v := p.Context.Value(key)
	if a, ok := v.(task.Port); ok {
		*p.p = a
	}
	return v
}

func TestAnOutageWhileAnAttemptBlocksIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		down := true
		f.fault = func(op string) outage {
			if down && (op == "block" || op == "unblock") {
				return refused
			}
			return fine
		}
		child := f.held(t)
		parent := task.Define("parent", func(c task.Context, _ int) (int, error) { return 0, c.BlockUntilResult(child, nil) })
		w := start(t, f, Config{Slots: 1}, parent)
		id := f.post(t, parent.Call(0))
		time.Sleep(time.Minute)
		f.mu.Lock()
		down = false
		f.mu.Unlock()
		time.Sleep(10 * time.Second)
		f.settle(child)
		if s := f.wait(t, id); s.State != task.Succeeded {
			t.Errorf("got %+v, want succeeded", s)
		}
		w.ok()

		down = true
		v := start(t, f, Config{Slots: 1, Grace: time.Second}, parent)
		child = f.held(t)
		id = f.post(t, parent.Call(0))
		time.Sleep(time.Minute)
		v.ok() // the shutdown ends the wait for the broker too
		if s := f.job(id).state; s != task.Ready {
			t.Errorf("got %v, want ready", s)
		}
	})
}

func TestTheLogTellsOfFailuresAndOfTroubleOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		down := false
		f.fault = func(string) outage {
			if down {
				return refused
			}
			return fine
		}
		var buf lockedBuilder
		fail := task.Define("fail", func(task.Context, int) (int, error) { panic("ouch") }, task.MaxAttempts(2), task.Backoff(time.Second, time.Second))
		w, err := NewWorker(f, Config{Logger: slog.New(slog.NewTextHandler(&buf, nil)), Name: "w1"}, fail)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		id := f.post(t, fail.Call(0))
		f.wait(t, id)
		f.mu.Lock()
		down = true
		f.mu.Unlock()
		time.Sleep(10*time.Minute + 30*time.Second)
		f.mu.Lock()
		down = false
		f.mu.Unlock()
		time.Sleep(time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		log := buf.String()
		for text, want := range map[string]int{
			"job=" + id.String() + " task=fail attempt=": 2, "level=ERROR msg=\"attempt failed\"": 1, "level=WARN msg=\"attempt failed\"": 1,
			"worker=w1": strings.Count(log, "\n"), "stack=": 2, "op=tick": 11, "op=exchange": 11, "msg=joined": 1, "msg=draining": 1,
		} {
			if got := strings.Count(log, text); got < want-1 || got > want || want < 3 && got != want {
				t.Errorf("%s: got %d times, want %d:\n%s", text, got, want, log)
			}
		}
	})
}

type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
