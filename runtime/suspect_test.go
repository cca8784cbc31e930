package runtime

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

// postAlone posts a suspect.
func (f *fake) postAlone(t *testing.T, c task.Call) task.ID {
	t.Helper()
	f.mu.Lock()
	f.seq++
	c.ID = task.NewID(0, task.KindLone, 0, 0, uint32(f.seq), uint16(f.seq)%uint16(f.partitions))
	ring := f.store(c)
	f.jobs[c.ID].Alone = true
	f.mu.Unlock()
	ring()
	return c.ID
}

// drainForSuspects makes f choose each session for the suspects it has.
func (f *fake) drainForSuspects() {
	f.onExchange = func(x task.Exchange, got *task.Exchanged) {
		for _, id := range f.pend[x.Partition] {
			if f.jobs[id].Alone && x.Held > 0 && x.Want > 0 {
				got.Drain = true
			}
		}
	}
}

func TestASuspectRunsAlone(t *testing.T) {
	for _, partitions := range []int{1, 4} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.rtt, f.partitions = time.Millisecond, partitions
				f.drainForSuspects()
				var g gauge
				work := task.Define("work", func(c task.Context, _ int) (int, error) {
					g.in()
					defer g.out()
					for range 100 {
						time.Sleep(time.Millisecond)
						if n := g.now.Load(); c.Job().Alone && n != 1 {
							t.Errorf("a suspect runs beside %d others", n-1)
							break
						}
					}
					return 0, nil
				})
				w := start(t, f, Config{Slots: 4}, work)
				var ids []task.ID
				for i := range 60 {
					if i%10 == 7 {
						ids = append(ids, f.postAlone(t, work.Call(i)))
					} else {
						ids = append(ids, f.post(t, work.Call(i)))
					}
					time.Sleep(10 * time.Millisecond)
				}
				begun := time.Now()
				for _, id := range ids {
					f.wait(t, id)
				}
				if took := time.Since(begun); took > 20*time.Second {
					t.Errorf("all done after %v, want less than 20s", took)
				}
				if n := g.most.Load(); n < 2 {
					t.Errorf("attempts at once: got %d, want several of the others", n)
				}
				w.ok()
			})
		})
	}
}

func TestAWorkerGivesUpWaitingForASuspect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.drainForSuspects()
		hour := task.Define("hour", func(task.Context, int) (int, error) { time.Sleep(time.Hour); return 0, nil })
		w := start(t, f, Config{Slots: 2, Grace: 2 * time.Hour}, hour, noop)
		f.post(t, hour.Call(0))
		synctest.Wait()
		suspect := f.postAlone(t, hour.Call(0))
		time.Sleep(10 * time.Second)
		begun := time.Now()
		id := f.post(t, noop.Call(0))
		f.wait(t, id)
		if took := time.Since(begun); took < 15*time.Second || took > 30*time.Second {
			t.Errorf("the next job was done after %v, want when 30s of draining were over", took)
		}
		var busy time.Duration // jobs go on for most of the time
		for range 50 {
			begun := time.Now()
			f.wait(t, f.post(t, noop.Call(0)))
			busy += time.Since(begun)
			time.Sleep(10 * time.Second)
		}
		if busy > 3*time.Minute {
			t.Errorf("50 jobs waited %v in all, want less than 3m", busy)
		}
		if s := f.wait(t, suspect).State; s != task.Succeeded {
			t.Errorf("suspect: got %v, want succeeded in the end", s)
		}
		w.ok()
	})
}

func TestASuspectThatWaitsForItsChildrenDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		parent := task.Define("parent", func(c task.Context, n int) (int, error) { return noop.Do(c, n) })
		w := start(t, f, Config{Slots: 2}, parent, noop)
		begun := time.Now()
		if s := f.wait(t, f.postAlone(t, parent.Call(0))); s.State != task.Succeeded || time.Since(begun) > 5*time.Second {
			t.Errorf("got %v after %v, want succeeded within 5s", s.State, time.Since(begun))
		}
		f.wait(t, f.post(t, noop.Call(0)))
		w.ok()
	})
}

func TestAnAttemptThatWaitedDoesNotGoOnBesideASuspect(t *testing.T) {
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
		slow := task.Define("slow", func(task.Context, int) (int, error) {
			time.Sleep(10 * time.Second)
			order.add("suspect")
			return 0, nil
		})
		f.mu.Lock()
		f.pend[0] = nil
		f.mu.Unlock()
		w := start(t, f, Config{Slots: 3}, parent, slow)
		id := f.post(t, parent.Call(0))
		time.Sleep(time.Second)
		f.postAlone(t, slow.Call(0))
		time.Sleep(time.Second)
		f.mu.Lock()
		f.finish(f.jobs[child], task.Succeeded, task.Outcome{})
		f.mu.Unlock()
		f.wait(t, id)
		if got := order.all(); len(got) != 2 || got[0] != "suspect" {
			t.Errorf("got %v, want suspect, parent", got)
		}
		w.ok()
	})
}
