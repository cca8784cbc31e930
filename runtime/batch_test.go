package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

func TestJobsOfABatchReachTheFunctionTogetherAndEndEachItsOwnWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var sizes journal[int]
		share := task.DefineBatch("share", func(ctx context.Context, ins []int) ([]task.Result[string], error) {
			sizes.add(len(ins))
			out := make([]task.Result[string], len(ins))
			for i, m := range task.Members(ctx) {
				switch n := ins[i]; {
				case n == 1 && m.Job().Attempt == 1:
					out[i].Err = errors.New("once more")
				case n == 2:
					out[i].Err = task.Skip("not two")
				default:
					out[i].Value = fmt.Sprint(n, " in attempt ", m.Job().Attempt)
				}
			}
			return out, nil
		}, task.BatchDelay(time.Second))
		w := start(t, f, Config{Slots: 4}, share)
		var ids []task.ID
		for n := range 6 {
			ids = append(ids, f.post(t, share.Call(n)))
		}
		want := []string{"0 in attempt 1", "1 in attempt 2", "skipped", "3 in attempt 1", "4 in attempt 1", "5 in attempt 1"}
		for i, id := range ids {
			s := f.wait(t, id)
			got := s.State.String()
			if s.State == task.Succeeded {
				_ = s.Result.Decode(&got)
			}
			if got != want[i] {
				t.Errorf("job %d: got %q, want %q", i, got, want[i])
			}
		}
		if got := sizes.all(); got[0] != 4 || slices.Max(got) > 4 {
			t.Errorf("got batches of %v jobs, want the first of 4 and none larger: there are 4 slots", got)
		}
		w.ok()
	})
}

func TestAPanicInABatchIsEachJobsWithTheStackOfTheFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		bad := task.DefineBatch("bad", func(_ context.Context, ins []int) ([]task.Result[int], error) {
			panic(fmt.Sprint("ouch of ", len(ins)))
		}, task.MaxAttempts(1))
		w := start(t, f, Config{Slots: 2}, bad)
		ids := []task.ID{f.post(t, bad.Call(1)), f.post(t, bad.Call(2))}
		for _, id := range ids {
			s := f.wait(t, id)
			if s.State != task.Failed || s.Failure.Kind != task.FailurePanic || s.Failure.Message != "panic: ouch of 2" || !strings.Contains(s.Failure.Stack, "TestAPanicInABatch") || strings.Contains(s.Failure.Stack, "runtime/debug") {
				t.Errorf("got %v, %+v, want failed with the panic of 2 and its stack", s.State, s.Failure)
			}
		}
		w.ok()
	})
}

func TestACancelledJobLeavesItsBatchAndFreesItsSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		gate := make(chan struct{})
		hold := task.DefineBatch("hold", func(_ context.Context, ins []int) ([]task.Result[int], error) {
			<-gate
			out := make([]task.Result[int], len(ins))
			for i, n := range ins {
				out[i].Value = n
			}
			return out, nil
		})
		w := start(t, f, Config{Slots: 2}, hold, noop)
		ids := []task.ID{f.post(t, hold.Call(1)), f.post(t, hold.Call(2))}
		synctest.Wait()
		if _, err := f.Cancel(t.Context(), ids[0]); err != nil {
			t.Fatal(err)
		}
		if s := f.wait(t, f.post(t, noop.Call(0))); s.State != task.Succeeded {
			t.Errorf("a job in the slot of a cancelled one: got %v, want succeeded", s.State)
		}
		close(gate)
		if n, err := decodeInt(f.wait(t, ids[1])); n != 2 || err != nil {
			t.Errorf("the other job: got %d, %v, want 2", n, err)
		}
		if s := f.wait(t, ids[0]); s.State != task.Cancelled || w.Abandoned() != 0 {
			t.Errorf("got %v and %d abandoned, want cancelled and none", s.State, w.Abandoned())
		}
		w.ok()
	})
}

func TestABatchIsGatheredOnOneWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sizes journal[int]
		count := task.DefineBatch("count", func(_ context.Context, ins []int) ([]task.Result[int], error) {
			sizes.add(len(ins))
			return make([]task.Result[int], len(ins)), nil
		})
		f, g := newFake(), newFake()
		v, w := start(t, f, Config{Slots: 8}, count), start(t, g, Config{Slots: 8}, count)
		a, b := f.post(t, count.Call(1)), g.post(t, count.Call(2))
		f.wait(t, a)
		g.wait(t, b)
		if got := sizes.all(); !slices.Equal(got, []int{1, 1}) {
			t.Errorf("got batches of %v jobs, want one on each worker", got)
		}
		v.ok()
		w.ok()
	})
}
