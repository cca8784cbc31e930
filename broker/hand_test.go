package broker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gomlq/mlq/task"
)

// soon is the deadline of what must happen, on a machine however busy.
const soon = time.Minute

// fCall returns a call of f with a text as its payload.
func fCall(s string) task.Call {
	return task.Call{Functions: []string{"f"}, Payload: task.Data{Codec: task.CodecBytes, Bytes: []byte(s)}}
}

// fCalls returns n calls of f.
func fCalls(n int) []task.Call {
	cs := make([]task.Call, n)
	for i := range cs {
		cs[i] = fCall(fmt.Sprint(i))
	}
	return cs
}

// hand is a session with function f on the default queue that is driven by hand.
type hand struct {
	b       *Broker
	id      task.SessionID
	numbers []uint64
}

// joinHand opens a session whose lease is long.
func joinHand(ctx context.Context, b *Broker) (*hand, error) {
	id, err := b.Join(ctx, task.Worker{
		Name: "hand", Queues: []string{"default"}, Functions: []string{"f"}, LeaseTTL: 10 * time.Minute,
	}, func(task.Signal) {})
	return &hand{b: b, id: id, numbers: make([]uint64, b.Partitions())}, err
}

func newHand(t testing.TB, b *Broker) *hand {
	t.Helper()
	h, err := joinHand(t.Context(), b)
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	return h
}

// exchange ends attempts in one partition and claims there, and tries again, as a
// worker does, as long as Redis is out of reach and ctx allows.
func (h *hand) exchange(ctx context.Context, p, want int, done ...task.Outcome) (task.Exchanged, error) {
	h.numbers[p]++
	x := task.Exchange{Session: h.id, Partition: p, Number: h.numbers[p], Want: want, Done: done}
	for {
		got, err := h.b.Exchange(ctx, x)
		if !errors.Is(err, task.ErrUnavailable) || ctx.Err() != nil {
			return got, err
		}
	}
}

// claim asks every partition for up to n jobs together.
func (h *hand) claim(ctx context.Context, n int) (jobs []task.Job, err error) {
	for p := range h.numbers {
		for len(jobs) < n {
			got, err := h.exchange(ctx, p, min(n-len(jobs), task.MaxWant))
			if err != nil {
				return jobs, err
			}
			jobs = append(jobs, got.Jobs...)
			if !got.More {
				break
			}
		}
	}
	return jobs, nil
}

// finish ends attempts with success.
func (h *hand) finish(ctx context.Context, jobs ...task.Job) error {
	for len(jobs) > 0 {
		p := jobs[0].ID.Partition()
		var now []task.Outcome
		var later []task.Job
		for _, j := range jobs {
			if j.ID.Partition() == p && len(now) < task.MaxDone {
				now = append(now, succeeded(j))
			} else {
				later = append(later, j)
			}
		}
		got, err := h.exchange(ctx, p, 0, now...)
		if err == nil && len(got.Lost) > 0 {
			err = fmt.Errorf("%w: %v", task.ErrLeaseLost, got.Lost)
		}
		if err != nil {
			return err
		}
		jobs = later
	}
	return nil
}

// succeeded is the outcome of an attempt whose result is its payload.
func succeeded(j task.Job) task.Outcome {
	return task.Outcome{Lease: j.Lease, Verdict: task.Succeed, Result: j.Payload}
}

// must ends the test if there is an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr fails the test unless err is all of want.
func wantErr(t testing.TB, what string, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("%s: got error %v, want %v", what, err, w)
		}
	}
}
