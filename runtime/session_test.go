package runtime

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

func TestLostSessionEndsItsAttemptsAndTheWorkerJoinsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var causes journal[error]
		long := task.Define("long", func(c task.Context, _ int) (int, error) {
			if c.Job().Losses > 0 {
				return 1, nil
			}
			<-c.Done()
			causes.add(context.Cause(c))
			return 0, nil // which nobody may believe
		})
		w := start(t, f, Config{Slots: 3, LeaseTTL: 3 * time.Second}, long)
		var ids []task.ID
		for range 3 {
			ids = append(ids, f.post(t, long.Call(0)))
		}
		synctest.Wait()
		f.mu.Lock()
		for id := range f.sessions {
			f.expel(id)
		}
		f.mu.Unlock()
		for _, id := range ids {
			if s := f.wait(t, id); s.State != task.Succeeded || len(f.job(id).outcomes) != 1 {
				t.Errorf("got %v with %d outcomes, want succeeded with 1", s.State, len(f.job(id).outcomes))
			}
		}
		synctest.Wait() // the attempts that were told may end after those that followed them
		for _, cause := range causes.all() {
			if !errors.Is(cause, task.ErrLeaseLost) {
				t.Errorf("cause: got %v, want %v", cause, task.ErrLeaseLost)
			}
		}
		if len(causes.all()) != 3 || f.count("join") != 2 {
			t.Errorf("got %d attempts told and %d joins, want 3 and 2", len(causes.all()), f.count("join"))
		}
		w.ok()
	})
}

func TestOutcomesOfALostSessionAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = 10 * time.Millisecond
		gate := make(chan struct{})
		hold := task.Define("hold", func(c task.Context, _ int) (int, error) {
			if c.Job().Losses == 0 {
				<-gate
			}
			return 0, nil
		})
		w := start(t, f, Config{Slots: 4}, hold)
		var ids []task.ID
		for range 4 {
			ids = append(ids, f.post(t, hold.Call(0)))
		}
		time.Sleep(time.Second)
		f.mu.Lock()
		for id := range f.sessions {
			f.expel(id)
		}
		f.mu.Unlock()
		close(gate) // the next exchange reports to a session that is gone
		for _, id := range ids {
			f.wait(t, id)
			if n := len(f.job(id).outcomes); n != 1 {
				t.Errorf("outcomes: got %d, want 1", n)
			}
		}
		w.ok()
	})
}

func TestLostRepliesAreRepeatedUnchangedAndNothingIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = time.Millisecond
		f.partitions = 3
		rnd := rand.New(rand.NewPCG(1, 2))
		f.fault = func(op string) outage {
			switch n := rnd.IntN(10); {
			case op == "post":
				return fine
			case n < 2:
				return refused
			case n < 5:
				return lost
			}
			return fine
		}
		runs := map[task.ID]int{}
		var g gauge
		count := task.Define("count", func(c task.Context, n int) (int, error) {
			g.in()
			defer g.out()
			f.mu.Lock()
			runs[c.Job().ID]++
			f.mu.Unlock()
			time.Sleep(time.Duration(n) * time.Millisecond)
			return n, nil
		})
		w := start(t, f, Config{Slots: 8}, count)
		var ids []task.ID
		for i := range 400 {
			ids = append(ids, f.post(t, count.Call(i%7)))
		}
		for _, id := range ids {
			if s := f.wait(t, id); s.State != task.Succeeded {
				t.Errorf("got %v, want succeeded", s.State)
			}
			if runs[id] != 1 {
				t.Errorf("job ran %d times, want once", runs[id])
			}
		}
		f.mu.Lock()
		f.fault = nil
		f.mu.Unlock()
		w.ok()
		if n := g.most.Load(); n > 8 {
			t.Errorf("attempts at once: got %d, want at most 8", n)
		}
	})
}

func TestAnOutageOfHoursIsRiddenOut(t *testing.T) {
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
		w := start(t, f, Config{Slots: 2}, noop)
		f.wait(t, f.post(t, noop.Call(0)))
		id := f.post(t, noop.Call(0))
		synctest.Wait()
		f.mu.Lock()
		down = true
		before := f.calls["exchange"] + f.calls["beat"] + f.calls["tick"]
		f.mu.Unlock()
		time.Sleep(3 * time.Hour)
		f.mu.Lock()
		down = false
		calls := f.calls["exchange"] + f.calls["beat"] + f.calls["tick"] - before
		f.mu.Unlock()
		if most := 3 * 3600 * 3; calls > most {
			t.Errorf("calls while the broker was down: got %d, want at most %d", calls, most)
		}
		f.wait(t, id)
		f.wait(t, f.post(t, noop.Call(0)))
		if n := f.count("join"); n != 1 {
			t.Errorf("joins: got %d, want 1: its session was never lost", n)
		}
		w.ok()
	})
}

func TestJoinWaitsForABrokerThatCannotBeReachedAndEndsForOtherErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		tries := 0
		f.fault = func(op string) outage {
			tries++
			if op == "join" && tries < 10 {
				return refused
			}
			return fine
		}
		w := start(t, f, Config{}, noop)
		f.wait(t, f.post(t, noop.Call(0)))
		w.ok()

		refusing, err := NewWorker(&refusingBroker{f}, quiet(Config{}), noop)
		if err != nil {
			t.Fatal(err)
		}
		if err := refusing.Run(t.Context()); !errors.Is(err, task.ErrConflict) {
			t.Errorf("got %v, want %v", err, task.ErrConflict)
		}
		if err := refusing.Run(t.Context()); err == nil {
			t.Error("second Run: got nil, want an error")
		}
	})
}

type refusingBroker struct{ *fake }

func (*refusingBroker) Join(context.Context, task.Worker, func(task.Signal)) (task.SessionID, error) {
	return task.SessionID{}, task.ErrConflict
}

func TestRunEndsCleanlyWhileTheBrokerWasNeverReached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.fault = func(string) outage { return refused }
		w := start(t, f, Config{}, noop)
		time.Sleep(time.Minute)
		w.ok()
	})
}

func TestAResultThatIsTooLargeFailsItsJobAndNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.maxResult = 100
		gate := make(chan struct{})
		big := task.Define("big", func(_ task.Context, n int) ([]byte, error) { <-gate; return make([]byte, n), nil })
		w := start(t, f, Config{Slots: 3}, big)
		var ids []task.ID
		for _, n := range []int{100, 101, 100} {
			ids = append(ids, f.post(t, big.Call(n)))
		}
		synctest.Wait()
		close(gate)
		for i, want := range []task.State{task.Succeeded, task.Failed, task.Succeeded} {
			if s := f.wait(t, ids[i]); s.State != want || want == task.Failed && s.Failure.Kind != task.FailureTooLarge {
				t.Errorf("job %d: got %v, kind %q, want %v", i, s.State, s.Failure.Kind, want)
			}
		}
		w.ok()
	})
}

func TestIdleWorkerMakesAtMostFourCallsASecond(t *testing.T) {
	for _, partitions := range []int{1, 16} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.partitions = partitions
				w := start(t, f, Config{LeaseTTL: 6 * time.Second}, noop)
				time.Sleep(5 * time.Second)
				sum := func() (n int) {
					f.mu.Lock()
					defer f.mu.Unlock()
					for _, c := range f.calls {
						n += c
					}
					return n
				}
				before, exchanges := sum(), f.count("exchange")
				time.Sleep(time.Minute)
				if n := sum() - before; n > 240 {
					t.Errorf("calls in 60 s: got %d, want at most 240: %v", n, f.calls)
				}
				if n := f.count("exchange") - exchanges; n > 120 || n < 60 {
					t.Errorf("safety claims in 60 s: got %d, want 60 to 120", n)
				}
				w.ok()
			})
		})
	}
}

func TestAJobWhoseBellWasLostIsFoundByASafetyClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.partitions = 4
		w := start(t, f, Config{}, noop)
		time.Sleep(time.Second)
		f.mu.Lock()
		for _, s := range f.sessions {
			s.signal = func(task.Signal) {}
		}
		f.mu.Unlock()
		for range 8 {
			begun := time.Now()
			f.wait(t, f.post(t, noop.Call(0)))
			if took := time.Since(begun); took > 4*time.Second {
				t.Errorf("found after %v, want at most 4s: four partitions, one claim in 0.75s", took)
			}
		}
		w.ok()
	})
}

func TestABellStartsAJobAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = time.Millisecond
		w := start(t, f, Config{}, noop)
		for range 50 {
			time.Sleep(rand.N(2 * time.Second))
			id := f.post(t, noop.Call(0))
			begun := time.Now()
			f.wait(t, id)
			if took := time.Since(begun); took > 8*time.Millisecond {
				t.Errorf("done after %v, want at most 8ms: an exchange may be under way, one claims, one reports", took)
			}
		}
		w.ok()
	})
}

func TestABellWithoutAFreeSlotIsPassedOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		gate := make(chan struct{})
		hold := task.Define("hold", func(task.Context, int) (int, error) { <-gate; return 0, nil })
		w := start(t, f, Config{Slots: 1}, hold)
		first := f.post(t, hold.Call(0))
		synctest.Wait()
		before := f.count("exchange")
		f.mu.Lock()
		var signal func(task.Signal)
		for _, s := range f.sessions {
			signal = s.signal
		}
		f.mu.Unlock()
		signal(task.Signal{Kind: task.SignalBell})
		synctest.Wait()
		if n := f.count("exchange") - before; n != 1 {
			t.Errorf("exchanges after the bell: got %d, want 1", n)
		}
		if x := f.exchanges[len(f.exchanges)-1]; x.Want != 0 || len(x.Done) != 0 || x.Held != 1 {
			t.Errorf("got want %d, %d done, held %d, want 0, 0, 1", x.Want, len(x.Done), x.Held)
		}
		signal(task.Signal{Kind: task.SignalBell, Partition: 99}) // nonsense is ignored
		close(gate)
		f.wait(t, first)
		w.ok()
	})
}

func TestPartitionsShareTheSlotsFairly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.partitions, f.rtt = 4, time.Millisecond
		var order journal[int]
		note := task.Define("note", func(c task.Context, _ int) (int, error) {
			order.add(c.Job().ID.Partition())
			time.Sleep(5 * time.Millisecond)
			return 0, nil
		})
		for range 100 {
			f.post(t, note.Call(0))
		}
		w := start(t, f, Config{Slots: 1}, note)
		time.Sleep(10 * time.Second)
		w.ok()
		got := order.all()
		for i := 8; i+8 <= len(got); i += 8 {
			seen := slices.Compact(slices.Sorted(slices.Values(got[i : i+8])))
			if len(seen) < 4 {
				t.Errorf("jobs %d to %d were of partitions %v, want all four", i, i+8, got[i:i+8])
			}
		}
		if len(got) != 100 {
			t.Errorf("jobs run: got %d, want 100", len(got))
		}
	})
}

func TestRunEndsWhateverCallSaysThatTheBrokerWasClosed(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"exchange", "beat", "tick", "join", "block", "leave"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				var causes journal[error]
				hold := task.Define("hold", func(c task.Context, _ int) (int, error) {
					if op == "block" {
						_, _ = noop.With(task.Queue("elsewhere")).Do(c, 0)
					}
					<-c.Done()
					causes.add(context.Cause(c))
					return 0, nil
				})
				w := start(t, f, Config{Slots: 2, Grace: time.Second}, hold)
				synctest.Wait()
				f.mu.Lock()
				f.fault = func(o string) outage {
					if o == op {
						return closed
					}
					return fine
				}
				if op == "join" {
					for id := range f.sessions {
						f.expel(id)
					}
				}
				f.mu.Unlock()
				jobs, cause := 1, task.ErrLeaseLost
				switch op {
				case "exchange", "join":
					jobs = 0
				case "leave":
					cause = task.ErrShutdown
				}
				for range jobs {
					f.post(t, hold.Call(0))
				}
				if synctest.Wait(); op == "leave" {
					w.end()
				}
				err := <-w.done
				w.over = true
				if !errors.Is(err, task.ErrClosed) {
					t.Errorf("Run: got %v, want %v", err, task.ErrClosed)
				}
				if got := causes.all(); len(got) != jobs || jobs == 1 && !errors.Is(got[0], cause) {
					t.Errorf("attempts ended with %v, want %d with %v", got, jobs, cause)
				}
				w.balanced()
			})
		})
	}
}
