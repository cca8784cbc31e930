package brokertest

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

var postStories = stories{
	"NothingPostedIsNothing":                  postNothing,
	"ABatchIsClaimedOnceAndInOrder":           batch,
	"AllOfACallReachesTheWorker":              roundTrip,
	"ConcurrentPostsAllArrive":                concurrentPosts,
	"ADelayedJobIsReadyWhenItsTimeHasCome":    delayed,
	"APayloadOverTheLimitIsRefused":           tooLarge,
	"BadNamesAndOptionsAreRefused":            badNames,
	"TheFirstCallThatWasNotPostedIsNamed":     firstRefused,
	"ACallMayBePostedAgainAndAgain":           repost,
	"TheSameIDInOneBatchIsPostedOnce":         sameID,
	"AnUnknownJobIsUnknownAndAnOldOneExpired": unknown,
	"ReadAnswersInOrder":                      readOrder,
}

func postNothing(s *stage) {
	if ids := s.post(); len(ids) != 0 {
		s.Errorf("got IDs %v", ids)
	}
	s.join().idle("none was posted")
}

func batch(s *stage) {
	const n = 1200
	cs := calls("f", n)
	ids := s.post(cs...)
	seen := map[task.ID]bool{}
	for i, id := range ids {
		if seen[id] || id != cs[i].ID {
			s.Fatalf("call %d has ID %v, Post returned %v, seen before: %t", i, cs[i].ID, id, seen[id])
		}
		seen[id] = true
	}
	jobs := s.join().take(n)
	at := map[int][]int{}
	for _, j := range jobs {
		if !seen[j.ID] {
			s.Fatalf("job %v was claimed twice, or never posted", j.ID)
		}
		delete(seen, j.ID)
		at[j.ID.Partition()] = append(at[j.ID.Partition()], slices.Index(ids, j.ID))
	}
	for p, order := range at {
		if !slices.IsSorted(order) {
			s.Errorf("jobs of partition %d were claimed in the order %v", p, order)
		}
	}
}

func roundTrip(s *stage) {
	c := task.Call{
		Functions: []string{"f", "g"},
		Payload:   task.Data{Codec: task.CodecJSON, Bytes: []byte("\x00{}\xff\r\n")},
		Spec: task.Spec{
			Queue: "default", Priority: task.High, MaxAttempts: 7, Timeout: time.Minute,
			BackoffMin: 2 * time.Second, BackoffMax: 3 * time.Second, Retention: time.Hour,
			UniqueKey: "u \x00", IdempotencyKey: "i", Headers: map[string]string{"traceparent": "x"},
		},
		Parent: task.NewID(1, task.KindLone, 1, 2, 3, 0),
		Depth:  5,
	}
	before := s.now()
	id := s.post(c)[0]
	j := s.join().one()
	if j.ID != id || j.Lease.ID != id || j.Attempt != 1 || j.Losses != 0 || j.Alone {
		s.Errorf("claimed %+v", j)
	}
	if j.Posted.Before(before) || j.Posted.Sub(before) > patience {
		s.Errorf("posted at %v, want soon after %v", j.Posted, before)
	}
	want := c
	want.ID = id
	for what, got := range map[string]task.Call{"claimed": j.Call, "read": s.read(id).Call} {
		if !reflect.DeepEqual(got, want) { //nolint:govet // the error in a Call is nil in both
			s.Errorf("%s call\n%+v, want\n%+v", what, got, want)
		}
	}
}

func concurrentPosts(s *stage) {
	const posters, each = 32, 10
	var wg sync.WaitGroup
	for range posters {
		wg.Go(func() {
			for range each {
				if _, err := s.b.Post(s.ctx, calls("f", 2)); err != nil {
					s.Errorf("Post: %v", err)
				}
			}
		})
	}
	wg.Wait()
	w := s.join()
	w.take(posters * each * 2)
	w.idle("all were claimed")
}

func delayed(s *stage) {
	const delay = 400 * time.Millisecond
	soon, far := call("f", "soon"), call("f", "far")
	soon.Spec.Delay, far.Spec.Delay = delay, task.MaxDelay
	ids := s.post(soon, far)
	id := ids[0]
	s.wantState(ids[1], task.Scheduled)
	w := s.join()
	if j := w.later(1)[0]; j.ID != id {
		s.Errorf("claimed %q, want the job that is due soon", j.Payload.Bytes)
	}
	w.idle("the time of the other has not come")
	s.wantState(ids[1], task.Scheduled)
	const slack = 100 * time.Millisecond // how well the poster knows the broker's clock
	if r := s.read(id); r.Started.Sub(r.Posted) < delay-slack {
		s.Errorf("started %v after it was posted, want at least %v", r.Started.Sub(r.Posted), delay)
	}
}

func tooLarge(s *stage) {
	c := call("f", "")
	c.Payload.Bytes = bytes.Repeat([]byte("x"), 8<<20+1)
	_, err := s.b.Post(s.ctx, []task.Call{c})
	s.wantErr(err, task.ErrTooLarge, "Post of 8 MiB and a byte")
	c.Payload.Bytes = c.Payload.Bytes[1:]
	id := s.post(c)[0]
	if j := s.join().one(); j.ID != id || len(j.Payload.Bytes) != 8<<20 {
		s.Errorf("claimed %v with %d bytes, want %v with 8 MiB", j.ID, len(j.Payload.Bytes), id)
	}
}

func badNames(s *stage) {
	for name, spoil := range map[string]func(*task.Call){
		"a queue with a colon":           func(c *task.Call) { c.Spec.Queue = "a:b" },
		"a queue with braces":            func(c *task.Call) { c.Spec.Queue = "{a}" },
		"a queue that is too long":       func(c *task.Call) { c.Spec.Queue = strings.Repeat("q", task.MaxNameLen+1) },
		"a function with a plus":         func(c *task.Call) { c.Functions = []string{"f+g"} },
		"a function with a comma":        func(c *task.Call) { c.Functions = []string{"f,g"} },
		"a function without a name":      func(c *task.Call) { c.Functions = []string{""} },
		"a function with a line feed":    func(c *task.Call) { c.Functions = []string{"f\n"} },
		"the listeners as a function":    func(c *task.Call) { c.Functions = []string{"*"} },
		"too many functions":             func(c *task.Call) { c.Functions = slices.Repeat([]string{"f"}, task.MaxFilter+1) },
		"a priority that does not exist": func(c *task.Call) { c.Spec.Priority = 2 },
		"a negative delay":               func(c *task.Call) { c.Spec.Delay = -1 },
		"a delay of centuries":           func(c *task.Call) { c.Spec.Delay = task.MaxDelay + 1 },
		"a long unique key":              func(c *task.Call) { c.Spec.UniqueKey = strings.Repeat("k", task.MaxKeyLen+1) },
		"too many headers": func(c *task.Call) {
			c.Spec.Headers = map[string]string{"h": strings.Repeat("v", task.MaxHeaderBytes)}
		},
	} {
		c := call("f", "")
		spoil(&c)
		_, err := s.b.Post(s.ctx, []task.Call{c})
		s.wantErr(err, task.ErrInvalid, "Post with %s", name)
	}
	s.joinAs(task.Worker{Functions: []string{"f"}, Listeners: true, LeaseTTL: long}).idle("nothing was accepted")
}

func firstRefused(s *stage) {
	cs := calls("f", 10)
	cs[7].Spec.Queue = "not a name"
	ids, err := s.b.Post(s.ctx, cs)
	pe, ok := errors.AsType[*task.PostError](err)
	if !ok || pe.First != 7 || !errors.Is(err, task.ErrInvalid) {
		s.Fatalf("Post with a bad call 7: %v, want a PostError that names it", err)
	}
	if len(ids) != 7 {
		s.Errorf("Post returned %d IDs, want those of the 7 calls that were posted", len(ids))
	}
	w := s.join()
	w.take(7)
	w.idle("the others were not posted")
	cs[7].Spec.Queue = ""
	s.post(cs...)
	w.take(3)
	w.idle("a repetition posts what was not posted alone")
}

func repost(s *stage) {
	cs := calls("f", 5)
	cs[3].Spec.Delay = time.Millisecond
	first := s.post(cs...)
	again := s.post(cs...)
	wantEqual(s, "IDs of the second post", again, first)
	w := s.join()
	w.succeed(w.later(5)...)
	wantEqual(s, "IDs of the third post", s.post(cs...), first)
	w.idle("all five have ended")
	for _, id := range first {
		s.wantState(id, task.Succeeded)
	}
}

func sameID(s *stage) {
	c := s.in(0, call("f", ""))[0]
	got := s.post(c, c, c)
	wantEqual(s, "IDs", got, []task.ID{c.ID, c.ID, c.ID})
	w := s.join()
	w.one()
	w.idle("it was posted once")
}

// old returns the ID of a job that nobody has posted, of a time long gone.
func old(kind task.Kind) task.ID {
	return task.NewID(time.Now().Add(-10*24*time.Hour).UnixMilli(), kind, task.ClassFor(task.DefaultRetention), 1, 2, 0)
}

func unknown(s *stage) {
	fresh := s.in(0, call("f", ""))[0].ID
	forever := task.NewID(1, task.KindLone, task.ClassFor(task.Forever), 1, 2, 0)
	far := fresh.WithPartition(0xFFF0)
	for id, want := range map[task.ID]error{
		fresh: task.ErrUnknown, forever: task.ErrUnknown, far: task.ErrUnknown,
		old(task.KindLone): task.ErrExpired, old(task.KindNode): task.ErrExpired, old(task.KindRun): task.ErrExpired,
	} {
		_, err := s.b.Read(s.ctx, []task.ID{id})
		s.wantErr(err, want, "Read %v", id)
		_, err = s.b.Await(s.ctx, []task.ID{id})
		s.wantErr(err, want, "Await %v", id)
		_, err = s.b.Cancel(s.ctx, id)
		s.wantErr(err, want, "Cancel %v", id)
		if id.Kind() == task.KindRun {
			_, err = s.b.Run(s.ctx, id)
			s.wantErr(err, want, "Run %v", id)
		}
	}
	known := s.post(call("f", ""))[0]
	_, err := s.b.Read(s.ctx, []task.ID{known, fresh})
	s.wantErr(err, task.ErrUnknown, "Read of a known and an unknown job")
}

func readOrder(s *stage) {
	var ids []task.ID
	for i := range 3 {
		ids = append(ids, s.post(calls("f", 90+i)...)...)
	}
	slices.Reverse(ids)
	rs, err := s.b.Read(s.ctx, ids)
	if err != nil {
		s.Fatalf("Read of %d jobs: %v", len(ids), err)
	}
	for i := range rs {
		if rs[i].ID != ids[i] {
			s.Fatalf("record %d is of %v, want %v", i, rs[i].ID, ids[i])
		}
	}
	if rs, err := s.b.Read(s.ctx, nil); err != nil || len(rs) != 0 {
		s.Errorf("Read of nothing: %v, %v", rs, err)
	}
}
