package runtime

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/gomlq/mlq/task"
)

func call(payload string, functions ...string) task.Call {
	return task.Call{Functions: functions, Payload: task.Data{Codec: task.CodecBytes, Bytes: []byte(payload)}}
}

func parentJob() *task.Job {
	return &task.Job{Call: task.Call{ID: task.NewID(1, task.KindLone, 0, 1, 1, 0), Depth: 2}}
}

func idsOf(calls []task.Call) []task.ID {
	ids := make([]task.ID, len(calls))
	for i := range calls {
		ids[i] = calls[i].ID
	}
	return ids
}

func TestARetriedAttemptPostsUnderTheSameIDs(t *testing.T) {
	t.Parallel()
	var names [2][]task.ID
	for i := range names {
		calls := []task.Call{call("x", "a"), call("x", "a"), call("y", "a"), call("x", "b"), call("x", "a", "b"), call("x"), call("", "ab"), call("b", "a")}
		new(births).name(parentJob(), calls)
		names[i] = idsOf(calls)
		if c := calls[0]; c.Parent != parentJob().ID || c.Depth != 3 || c.ID.Kind() != task.KindDerived {
			t.Errorf("got parent %v, depth %d, kind %d, want the parent's, 3, derived", c.Parent, c.Depth, c.ID.Kind())
		}
	}
	if !slices.Equal(names[0], names[1]) {
		t.Errorf("got %v, then %v", names[0], names[1])
	}
	seen := map[task.ID]bool{}
	for i, id := range names[0] {
		if seen[id] {
			t.Errorf("call %d has the ID of another one", i)
		}
		seen[id] = true
	}
}

func TestTheIDOfAFailedPostIsGivenToTheNextEqualCall(t *testing.T) {
	t.Parallel()
	var b births
	first := []task.Call{call("x", "a"), call("x", "a"), call("x", "a")}
	named := b.name(parentJob(), first)
	b.fail(named, 1) // the first one is posted
	again := []task.Call{call("x", "a"), call("y", "a"), call("x", "a"), call("x", "a")}
	b.name(parentJob(), again)
	if got, want := idsOf(again)[0], first[1].ID; got != want {
		t.Errorf("first repeated: got %v, want %v", got, want)
	}
	if got, want := idsOf(again)[2], first[2].ID; got != want {
		t.Errorf("second repeated: got %v, want %v", got, want)
	}
	if slices.Contains(idsOf(first), again[3].ID) {
		t.Error("a fourth equal call has the ID of an earlier one")
	}
}

func TestCallsThatArePostedAgainKeepTheirIDsForThemselves(t *testing.T) {
	t.Parallel()
	var b births
	calls := []task.Call{call("x", "a"), call("x", "a")}
	named := b.name(parentJob(), calls)
	b.fail(named, 0)
	want := idsOf(calls)
	if again := b.name(parentJob(), calls); len(again) != 0 || !slices.Equal(idsOf(calls), want) {
		t.Errorf("got %v new IDs, %v, want none, %v", len(again), idsOf(calls), want)
	}
	other := []task.Call{call("x", "a")}
	b.name(parentJob(), other)
	if slices.Contains(want, other[0].ID) {
		t.Error("another equal call has the ID of one that was posted again")
	}
}

func TestChildrenOfARetriedAttemptAreNotPostedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		n := 0
		f.fault = func(op string) outage {
			n++
			if op == "post" && n%3 == 0 {
				return lost
			}
			return fine
		}
		parent := task.Define("parent", func(c task.Context, _ int) (int, error) {
			for i := range 10 {
				for try := 0; ; try++ { // tries again by itself
					if _, err := noop.Post(c, i/2); err == nil || try == 5 {
						break
					}
				}
			}
			if c.Job().Attempt < 3 {
				return 0, errors.New("again")
			}
			return 0, nil
		})
		c := parent.Call(0)
		c.ID = task.NewID(0, task.KindLone, 0, 0, 77, 0)
		w := start(t, f, Config{Slots: 1}, parent, noop)
		_, _ = f.Post(t.Context(), []task.Call{c})
		f.wait(t, c.ID)
		w.ok()
		if n := len(f.jobs); n != 11 {
			t.Errorf("jobs: got %d, want the parent and ten", n)
		}
	})
}

func TestEveryAttemptVerbGoesThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		other := f.post(t, noop.Call(1))
		var errs []error
		all := task.Define("all", func(c task.Context, _ int) (int, error) {
			h := task.At[int](c, other)
			state, err := h.Cancel(c)
			if state != task.Cancelled {
				err = fmt.Errorf("cancel: got %v", state)
			}
			_, err2 := h.Record(c)
			_, err3 := task.Submit(c, task.Plan{Name: "p", Nodes: []task.Node{{Call: noop.Call(1)}}})
			if err3 == nil {
				err3 = errors.New("submit did not reach the broker")
			} else {
				err3 = nil
			}
			errs = append(errs, err, err2, err3)
			return 0, nil
		})
		w := start(t, f, Config{Slots: 1}, all)
		f.mu.Lock()
		f.pend[0] = nil
		f.mu.Unlock()
		f.wait(t, f.post(t, all.Call(0)))
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		w.ok()
	})
}
