package runtime

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

func TestDrainWaitsForAttemptsAndClaimsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		hold := task.Define("hold", func(task.Context, int) (int, error) { time.Sleep(20 * time.Second); return 0, nil })
		w := start(t, f, Config{Slots: 1}, hold)
		id := f.post(t, hold.Call(0))
		synctest.Wait()
		next := f.post(t, hold.Call(0))
		begun := time.Now()
		w.ok()
		if took := time.Since(begun); took < 19*time.Second || took > 21*time.Second {
			t.Errorf("drained after %v, want 20s", took)
		}
		if s := f.job(id).state; s != task.Succeeded {
			t.Errorf("job that ran: got %v, want succeeded", s)
		}
		if s := f.job(next).state; s != task.Ready {
			t.Errorf("next job: got %v, want ready", s)
		}
		if n := len(f.sessions); n != 0 {
			t.Errorf("sessions left: got %d, want 0", n)
		}
	})
}

func TestDrainReleasesWhatDoesNotEndWithinGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var causes [2]error
		hold := task.Define("hold", func(c task.Context, n int) (int, error) {
			<-c.Done()
			causes[n] = context.Cause(c)
			if n == 0 {
				return 0, fmt.Errorf("wrapped: %w", c.Err())
			}
			return 0, nil // in the nick of time
		})
		w := start(t, f, Config{Slots: 3, Grace: 5 * time.Second}, hold)
		ids := []task.ID{f.post(t, hold.Call(0)), f.post(t, hold.Call(1))}
		synctest.Wait()
		begun := time.Now()
		w.ok()
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("drained after %v, want 5s", took)
		}
		for i, want := range []task.State{task.Ready, task.Succeeded} {
			j := f.job(ids[i])
			if j.state != want || !errors.Is(causes[i], task.ErrShutdown) || j.Losses != 0 {
				t.Errorf("job %d: got %v with %d losses, cause %v, want %v, 0, %v", i, j.state, j.Losses, causes[i], want, task.ErrShutdown)
			}
		}
		if a := f.job(ids[0]).Attempt; a != 0 {
			t.Errorf("attempts spent: got %d, want 0", a)
		}
	})
}

func TestDrainLeavesBehindWhatIgnoresItsContextAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		gate := make(chan struct{})
		stuck := task.Define("stuck", func(task.Context, int) (int, error) { <-gate; return 0, nil })
		w := start(t, f, Config{Slots: 3, Grace: 5 * time.Second, AbandonAfter: 2 * time.Second}, stuck)
		id := f.post(t, stuck.Call(0))
		synctest.Wait()
		begun := time.Now()
		if err := w.stop(); err == nil || w.Abandoned() != 1 {
			t.Errorf("Run: got %v with %d abandoned, want an error and 1", err, w.Abandoned())
		}
		if took := time.Since(begun); took != 7*time.Second {
			t.Errorf("drained after %v, want 7s", took)
		}
		if j := f.job(id); j.state != task.Ready || j.Attempt != 0 {
			t.Errorf("got %v with %d attempts spent, want ready with 0", j.state, j.Attempt)
		}
		close(gate)
		synctest.Wait()
		w.balanced()
	})
}

func TestDrainReleasesJobsThatArriveTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.rtt = 100 * time.Millisecond
		w := start(t, f, Config{}, noop)
		time.Sleep(10 * time.Second)
		c := noop.Call(0)
		c.ID = task.NewID(0, task.KindLone, 0, 0, 77, 0)
		id := c.ID
		f.mu.Lock()
		ring := f.store(c)
		f.mu.Unlock()
		ring() // the claim takes 200 ms
		time.Sleep(50 * time.Millisecond)
		w.ok()
		if j := f.job(id); j.state != task.Ready || j.Attempt != 0 || j.Losses != 0 {
			t.Errorf("got %v with %d attempts and %d losses, want ready, 0, 0", j.state, j.Attempt, j.Losses)
		}
	})
}

func TestDrainEndsAlthoughTheBrokerIsDown(t *testing.T) {
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
		gate := make(chan struct{})
		hold := task.Define("hold", func(task.Context, int) (int, error) { <-gate; return 0, nil })
		w := start(t, f, Config{}, hold)
		f.post(t, hold.Call(0))
		synctest.Wait()
		f.mu.Lock()
		down = true
		f.mu.Unlock()
		close(gate)
		begun := time.Now()
		if err := w.stop(); err == nil {
			t.Error("Run: got nil, want that an attempt was not reported")
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("drained after %v, want less than a minute", took)
		}
	})
}

func TestAWorkerStoppedAtAnyTimeLeavesEachJobReadyOrDone(t *testing.T) {
	for seed := range 40 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				rnd := rand.New(rand.NewPCG(uint64(seed), 1))
				f.rtt, f.partitions = time.Millisecond, 1+seed%3
				work := task.Define("work", func(c task.Context, n int) (int, error) {
					select {
					case <-time.After(time.Duration(n) * time.Millisecond):
						return 0, nil
					case <-c.Done():
						return 0, context.Cause(c)
					}
				})
				w := start(t, f, Config{Slots: 1 + seed%5, Grace: time.Second}, work)
				var ids []task.ID
				for range 50 {
					ids = append(ids, f.post(t, work.Call(rnd.IntN(3000))))
				}
				time.Sleep(time.Duration(rnd.IntN(5000)) * time.Millisecond)
				begun := time.Now()
				w.ok()
				if took := time.Since(begun); took > 1100*time.Millisecond {
					t.Errorf("drained after %v, want 1s of grace", took)
				}
				for _, id := range ids {
					if j := f.job(id); j.state != task.Ready && j.state != task.Succeeded || j.Losses > 0 {
						t.Errorf("got %v with %d losses, want ready or succeeded with 0", j.state, j.Losses)
					}
				}
			})
		})
	}
}

func TestAWorkerThatIsAskedToEndDrainsAndEndsWell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		hold := task.Define("hold", func(task.Context, int) (int, error) { time.Sleep(20 * time.Second); return 0, nil })
		w, err := NewWorker(f, Config{Slots: 1, NoTick: true}, hold)
		if err != nil {
			t.Fatal(err)
		}
		id := f.post(t, hold.Call(0))
		ended := make(chan error, 1)
		go func() { ended <- w.Run(t.Context()) }()
		synctest.Wait()
		next := f.post(t, hold.Call(0))
		begun := time.Now()
		for range 2 { // it is asked with each beat
			f.ask(task.Signal{Kind: task.SignalShutdown})
		}
		if err := <-ended; err != nil {
			t.Errorf("Run: %v, want nil after a clean drain", err)
		}
		if took := time.Since(begun); took < 19*time.Second || took > 21*time.Second {
			t.Errorf("drained after %v, want 20s", took)
		}
		if got, want := [2]task.State{f.job(id).state, f.job(next).state}, [2]task.State{task.Succeeded, task.Ready}; got != want {
			t.Errorf("the jobs are %v, want %v", got, want)
		}
	})
}

// ask signals to all sessions.
func (f *fake) ask(sig task.Signal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sessions {
		s.signal(sig)
	}
}
