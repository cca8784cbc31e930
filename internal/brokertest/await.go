package brokertest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

var awaitStories = stories{
	"AWaitThatBeginsAfterTheEndReturnsIt":       awaitAfter,
	"AWaitThatBeginsBeforeTheEndReturnsIt":      awaitBefore,
	"ManyMayWaitForOneJob":                      awaitMany,
	"OneMayWaitForManyJobs":                     awaitAll,
	"ALargeResultArrivesWhole":                  awaitLarge,
	"ManyLargeResultsArriveWhole":               awaitManyLarge,
	"AResultOfAnySizeAroundTheInlineLimit":      awaitSizes,
	"AWaitEndsWithItsContext":                   awaitContext,
	"AWaitForNothingReturns":                    awaitNothing,
	"TheSameJobMayBeNamedTwice":                 awaitTwice,
	"AWaitOutlivesRetriesAndLosses":             awaitRetries,
	"AnUnknownJobAmongOthersEndsTheWait":        awaitUnknown,
	"APosterThatWaitsGetsTheResult":             awaitNotify,
	"APosterThatWaitsLearnsOfAFailure":          awaitNotifyFails,
	"APosterThatWaitsForAnOldJobGetsItsResult":  awaitNotifyOld,
	"AThousandWaitsEnd":                         awaitThousand,
	"AWaitThatWasGivenUpDoesNotHarmTheOthers":   awaitGivenUp,
	"AWaitMayBeginAgainAfterItsContextHasEnded": awaitAgain,
}

func awaitAfter(s *stage) {
	id := s.post(call("f", "r"))[0]
	w := s.join()
	w.succeed(w.one())
	for range 2 {
		if end := s.await(id); end.State != task.Succeeded || string(end.Result.Bytes) != "r" || end.Err() != nil {
			s.Errorf("the end is %+v", end)
		}
	}
}

func awaitBefore(s *stage) {
	id := s.post(call("f", "r"))[0]
	waiting := s.awaiting(id)
	w := s.join()
	j := w.one()
	select {
	case a := <-waiting:
		s.Errorf("the wait for a running job returned %+v", a)
	default:
	}
	w.succeed(j)
	if end := s.receive(waiting)[0]; end.ID != id || string(end.Result.Bytes) != "r" {
		s.Errorf("the end is %+v", end)
	}
}

func awaitMany(s *stage) {
	id := s.post(call("f", "r"))[0]
	var waits []<-chan awaited
	for range 50 {
		waits = append(waits, s.awaiting(id))
	}
	w := s.join()
	w.succeed(w.one())
	for range 50 {
		waits = append(waits, s.awaiting(id))
	}
	for _, c := range waits {
		if end := s.receive(c)[0]; end.ID != id || string(end.Result.Bytes) != "r" {
			s.Errorf("the end is %+v", end)
		}
	}
}

func awaitAll(s *stage) {
	ids := s.post(calls("f", 700)...) // more than go in one question
	w := s.join()
	w.succeed(w.take(100)...)
	waiting := s.awaiting(ids...)
	w.succeed(w.take(600)...)
	for i, end := range s.receive(waiting) {
		if end.ID != ids[i] || string(end.Result.Bytes) != fmt.Sprint(i) {
			s.Fatalf("end %d is %+v, want that of %v", i, end, ids[i])
		}
	}
}

func awaitLarge(s *stage) {
	id := s.post(call("f", ""))[0]
	waiting := s.awaiting(id)
	w := s.join()
	o := success(w.one(), "")
	o.Result.Bytes = bytes.Repeat([]byte("result"), 50_000)
	w.end(o)
	for what, end := range map[string]task.Settled{"before": s.receive(waiting)[0], "after": s.await(id)} {
		if !bytes.Equal(end.Result.Bytes, o.Result.Bytes) {
			s.Errorf("who waited from %s the end got %d bytes, want %d", what, len(end.Result.Bytes), len(o.Result.Bytes))
		}
	}
}

// awaitManyLarge: more than one answer has room for.
func awaitManyLarge(s *stage) {
	const n, size = 12, 1 << 20
	ids := s.post(s.in(0, calls("f", n)...)...)
	waiting := s.awaiting(ids...)
	w := s.join()
	for _, j := range w.take(n) {
		o := success(j, "")
		o.Result.Bytes = append(bytes.Repeat([]byte("x"), size), j.Payload.Bytes...)
		w.end(o)
	}
	ends, err := s.b.Await(s.ctx, ids)
	if err != nil {
		s.Fatalf("Await of %d large results: %v", n, err)
	}
	records, err := s.b.Read(s.ctx, ids)
	if err != nil {
		s.Fatalf("Read of %d large results: %v", n, err)
	}
	for i, end := range s.receive(waiting) {
		for what, r := range map[string]task.Data{"before": end.Result, "after": ends[i].Result, "Read": records[i].Result} {
			if len(r.Bytes) < size || string(r.Bytes[size:]) != fmt.Sprint(i) {
				s.Errorf("result %d (%s) has %d bytes", i, what, len(r.Bytes))
			}
		}
	}
}

func awaitSizes(s *stage) {
	w := s.join()
	for _, notify := range []bool{false, true} {
		for _, n := range []int{0, 1, 2046, 2047, 2048, 2049} {
			c := call("f", "")
			c.Notify = notify
			id := s.post(c)[0]
			waiting := s.awaiting(id)
			w.end(success(w.one(), string(make([]byte, n))))
			if end := s.receive(waiting)[0]; len(end.Result.Bytes) != n {
				s.Errorf("a result of %d bytes arrived with %d (notify: %t)", n, len(end.Result.Bytes), notify)
			}
		}
	}
}

func awaitContext(s *stage) {
	id := s.post(call("f", ""))[0]
	ctx, cancel := context.WithCancel(s.ctx)
	c := make(chan error, 1)
	go func() { // ends with ctx
		_, err := s.b.Await(ctx, []task.ID{id})
		c <- err
	}()
	cancel()
	s.wantErr(<-c, context.Canceled, "Await whose context ended")
	_, err := s.b.Await(ctx, []task.ID{id})
	s.wantErr(err, context.Canceled, "Await whose context has ended before")
}

func awaitNothing(s *stage) {
	if ends, err := s.b.Await(s.ctx, nil); err != nil || len(ends) != 0 {
		s.Errorf("Await of nothing: %v, %v", ends, err)
	}
}

func awaitTwice(s *stage) {
	id := s.post(call("f", "r"))[0]
	waiting := s.awaiting(id, id)
	w := s.join()
	w.succeed(w.one())
	if ends := s.receive(waiting); len(ends) != 2 || ends[0].ID != id || ends[1].ID != id {
		s.Errorf("the ends are %+v, want the same twice", ends)
	}
}

func awaitRetries(s *stage) {
	id := s.post(call("f", ""))[0]
	waiting := s.awaiting(id)
	w := s.join()
	w.end(outcome(w.one(), task.Retry, "x"))
	w.end(outcome(w.one(), task.Release, ""))
	w.one()
	w.crash()
	w = s.join()
	w.end(success(w.one(), "at last"))
	if end := s.receive(waiting)[0]; string(end.Result.Bytes) != "at last" {
		s.Errorf("the end is %+v", end)
	}
}

func awaitUnknown(s *stage) {
	known := s.post(call("f", ""))[0]
	_, err := s.b.Await(s.ctx, []task.ID{s.in(0, call("f", ""))[0].ID, known})
	s.wantErr(err, task.ErrUnknown, "Await of an unknown and a known job")
}

// do posts a call whose poster waits.
func (s *stage) do(payload string) task.ID {
	s.Helper()
	c := call("f", payload)
	c.Notify = true
	return s.post(c)[0]
}

func awaitNotify(s *stage) {
	w := s.join()
	for i := range 20 {
		payload := fmt.Sprint(i)
		id := s.do(payload)
		if i%2 == 0 {
			waiting := s.awaiting(id)
			w.succeed(w.one())
			if end := s.receive(waiting)[0]; string(end.Result.Bytes) != payload {
				s.Errorf("call %d ended with %+v", i, end)
			}
			continue
		}
		w.succeed(w.one())
		if end := s.await(id); string(end.Result.Bytes) != payload {
			s.Errorf("call %d ended with %+v", i, end)
		}
	}
}

func awaitNotifyFails(s *stage) {
	w := s.join()
	for v, want := range map[task.Verdict]task.State{
		task.Fail: task.Failed, task.CancelJob: task.Cancelled, task.SkipJob: task.Skipped,
	} {
		for range 2 { // the first call of a process may go another way
			waiting := s.awaiting(s.do(""))
			w.end(outcome(w.one(), v, "reason"))
			if end := s.receive(waiting)[0]; end.State != want || end.Failure.Message != "reason" {
				s.Errorf("the end is %+v, want %v and its reason", end, want)
			}
		}
	}
}

// awaitNotifyOld: the key belongs to a job that was posted, and has ended, before.
func awaitNotifyOld(s *stage) {
	w := s.join()
	id := s.post(idem("k", "p"))[0]
	w.succeed(w.one())
	for range 2 {
		c := idem("k", "p")
		c.Notify = true
		if got := s.post(c)[0]; got != id {
			s.Fatalf("the key answers with %v, want %v", got, id)
		}
		if end := s.await(id); string(end.Result.Bytes) != "p" {
			s.Errorf("the end is %+v", end)
		}
	}
}

func awaitThousand(s *stage) {
	const n = 1000
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			c := call("f", fmt.Sprint(i))
			c.Notify = i%2 == 0
			ids, err := s.b.Post(s.ctx, []task.Call{c})
			if err != nil {
				s.Errorf("Post: %v", err)
				return
			}
			ends, err := s.b.Await(s.ctx, ids)
			if err != nil || string(ends[0].Result.Bytes) != fmt.Sprint(i) {
				s.Errorf("wait %d: %+v, %v", i, ends, err)
			}
		})
	}
	w := s.join()
	done := 0
	redistest.Eventually(s.T, patience, func() bool {
		jobs := w.claim(100)
		w.succeed(jobs...)
		done += len(jobs)
		return done == n
	}, "%d jobs are run", n)
	wg.Wait()
}

func awaitGivenUp(s *stage) {
	id := s.post(call("f", "r"))[0]
	ctx, cancel := context.WithCancel(s.ctx)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { _, _ = s.b.Await(ctx, []task.ID{id}) })
	}
	waiting := s.awaiting(id)
	cancel()
	wg.Wait()
	w := s.join()
	w.succeed(w.one())
	if end := s.receive(waiting)[0]; string(end.Result.Bytes) != "r" {
		s.Errorf("the end is %+v", end)
	}
}

func awaitAgain(s *stage) {
	id := s.do("r")
	for range 3 {
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		_, err := s.b.Await(ctx, []task.ID{id})
		s.wantErr(err, context.Canceled, "Await whose context has ended")
	}
	w := s.join()
	w.succeed(w.one())
	ends, err := s.b.Await(s.ctx, slices.Repeat([]task.ID{id}, 3))
	if err != nil || string(ends[2].Result.Bytes) != "r" {
		s.Errorf("the ends are %+v, %v", ends, err)
	}
}
