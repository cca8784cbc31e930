package brokertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// patience is the deadline of what must happen, on a machine however busy, and limit
// that of a whole story.
const (
	patience = time.Minute
	limit    = 4 * patience
)

// Leases of hand-driven workers.
const (
	long  = 5 * time.Minute        // outlives the test
	short = 250 * time.Millisecond // expires while the test waits for it
)

// stage is where one story plays: a broker, and short words for what clients do.
// A call that fails ends the test, unless the word says otherwise.
type stage struct {
	*testing.T
	b   Broker
	ctx context.Context
}

// call returns a call of function fn with a text as its payload.
func call(fn, payload string) task.Call {
	return task.Call{Functions: []string{fn}, Payload: task.Data{Codec: task.CodecBytes, Bytes: []byte(payload)}}
}

// calls returns n calls of fn whose payloads are their numbers, from 0.
func calls(fn string, n int) []task.Call {
	cs := make([]task.Call, n)
	for i := range cs {
		cs[i] = call(fn, fmt.Sprint(i))
	}
	return cs
}

// in returns calls with IDs of their own that lie in partition p, in order.
func (s *stage) in(p int, cs ...task.Call) []task.Call {
	bucket := uint32(time.Now().UnixNano())
	for i := range cs {
		cs[i].ID = task.NewID(time.Now().UnixMilli(), task.KindLone, task.ClassFor(0), bucket, uint32(i), uint16(p))
	}
	return cs
}

func (s *stage) post(cs ...task.Call) []task.ID {
	s.Helper()
	ids, err := s.b.Post(s.ctx, cs)
	if err != nil {
		s.Fatalf("Post %d calls: %v", len(cs), err)
	}
	if len(ids) != len(cs) {
		s.Fatalf("Post %d calls returned %d IDs", len(cs), len(ids))
	}
	return ids
}

func (s *stage) submit(p task.Plan) task.RunID {
	s.Helper()
	id, err := s.b.Submit(s.ctx, p)
	if err != nil {
		s.Fatalf("Submit %q: %v", p.Name, err)
	}
	return id
}

func (s *stage) read(id task.ID) task.Record {
	s.Helper()
	rs, err := s.b.Read(s.ctx, []task.ID{id})
	if err != nil {
		s.Fatalf("Read %v: %v", id, err)
	}
	if rs[0].ID != id {
		s.Fatalf("Read %v returned the record of %v", id, rs[0].ID)
	}
	return rs[0]
}

// wantState fails the test unless id is in state want.
func (s *stage) wantState(id task.ID, want task.State) {
	s.Helper()
	if got := s.read(id).State; got != want {
		s.Errorf("job %v is %v, want %v", id, got, want)
	}
}

func (s *stage) await(id task.ID) task.Settled {
	s.Helper()
	ends, err := s.b.Await(s.ctx, []task.ID{id})
	if err != nil {
		s.Fatalf("Await %v: %v", id, err)
	}
	if len(ends) != 1 || ends[0].ID != id {
		s.Fatalf("Await %v returned %+v", id, ends)
	}
	return ends[0]
}

// awaiting begins to wait for ids in the background, and returns where the end of
// the wait arrives.
func (s *stage) awaiting(ids ...task.ID) <-chan awaited {
	c := make(chan awaited, 1)
	go func() { // ends with the wait, which ends with the test at the latest
		ends, err := s.b.Await(s.ctx, ids)
		c <- awaited{ends, err}
	}()
	return c
}

type awaited struct {
	ends []task.Settled
	err  error
}

// receive waits for what awaiting has begun.
func (s *stage) receive(c <-chan awaited) []task.Settled {
	s.Helper()
	select {
	case a := <-c:
		if a.err != nil {
			s.Fatalf("Await: %v", a.err)
		}
		return a.ends
	case <-time.After(patience):
		s.Fatalf("Await has not returned after %v", patience)
		return nil
	}
}

func (s *stage) cancel(id task.ID) task.State {
	s.Helper()
	state, err := s.b.Cancel(s.ctx, id)
	if err != nil {
		s.Fatalf("Cancel %v: %v", id, err)
	}
	return state
}

func (s *stage) run(id task.RunID) task.RunRecord {
	s.Helper()
	r, err := s.b.Run(s.ctx, id)
	if err != nil {
		s.Fatalf("Run %v: %v", id, err)
	}
	return r
}

// wantRun fails the test unless the run is in that state.
func (s *stage) wantRun(id task.RunID, want task.State) {
	s.Helper()
	if got := s.run(id); got.State != want {
		s.Errorf("run %v is %v, want %v (%v)", id, got.State, want, got.Counts)
	}
}

// tick calls Tick until done is true.
func (s *stage) tick(what string, done func() bool) {
	s.Helper()
	var sum task.Ticked
	redistest.Eventually(s.T, patience, func() bool {
		t, err := s.b.Tick(s.ctx)
		if err != nil {
			s.Fatalf("Tick: %v", err)
		}
		sum.Add(t)
		return done()
	}, "%s; ticks moved %+v", what, &sum)
}

// ticks calls Tick until every partition has been ticked n times from now on: it
// posts delayed jobs there and waits for them.
func (s *stage) ticks(n int) {
	s.Helper()
	for range n {
		var cs []task.Call
		for p := range s.b.Partitions() {
			c := s.in(p, call("tock", ""))[0]
			c.Spec.Queue, c.Spec.Delay = "tock", time.Millisecond
			cs = append(cs, c)
		}
		ids := s.post(cs...)
		s.tick("delayed jobs in all partitions become ready", func() bool {
			rs, err := s.b.Read(s.ctx, ids)
			if err != nil {
				s.Fatalf("Read: %v", err)
			}
			for i := range rs {
				if rs[i].State != task.Ready {
					return false
				}
			}
			return true
		})
	}
}

// now returns the time on the broker's clock, by the job that it posts.
func (s *stage) now() time.Time {
	s.Helper()
	c := call("clock", "")
	c.Spec.Queue = "clock"
	return s.post(c)[0].Time()
}

// pass waits until d has passed on the broker's clock.
func (s *stage) pass(d time.Duration) {
	s.Helper()
	until := s.now().Add(d)
	redistest.Eventually(s.T, patience, func() bool { return s.now().After(until) }, "%v pass on the broker's clock", d)
}

// wantErr fails the test unless err is want.
func (s *stage) wantErr(err, want error, what string, args ...any) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: got error %v, want %v", fmt.Sprintf(what, args...), err, want)
	}
}
