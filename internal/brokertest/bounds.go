package brokertest

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

func badOutcome(s *stage) {
	s.post(s.in(0, calls("f", 3)...)...)
	w := s.join()
	jobs := w.exchange(0, task.Exchange{Want: 3}).Jobs
	large := success(jobs[2], "")
	large.Result.Bytes = bytes.Repeat([]byte("x"), 8<<20+1)
	none := task.Outcome{Lease: jobs[2].Lease}
	delay := outcome(jobs[2], task.Retry, "x")
	delay.Delay = task.MaxDelay + 1
	negative := outcome(jobs[2], task.Postpone, "")
	negative.Delay = -1
	elsewhere := success(jobs[2], "")
	elsewhere.Lease.ID = elsewhere.Lease.ID.WithPartition(0xFFF0)
	keyed := success(jobs[2], "")
	keyed.Then = []task.Call{unique("k", "")}
	named := success(jobs[2], "")
	named.Then = []task.Call{call("not a name", "")}
	for _, c := range []struct {
		what string
		bad  task.Outcome
		want error
	}{
		{"a result of 8 MiB and a byte", large, task.ErrTooLarge},
		{"no verdict", none, task.ErrInvalid},
		{"a delay of centuries", delay, task.ErrInvalid},
		{"a negative delay", negative, task.ErrInvalid},
		{"a job of another partition", elsewhere, task.ErrInvalid},
		{"a follower with a key", keyed, task.ErrInvalid},
		{"a follower with a bad name", named, task.ErrInvalid},
	} {
		x := w.next(0, task.Exchange{Done: []task.Outcome{success(jobs[0], ""), success(jobs[1], ""), c.bad}})
		w.numbers[0]-- // nothing is sent
		_, err := w.try(x)
		oe, ok := errors.AsType[*task.OutcomeError](err)
		if !ok || oe.Index != 2 || !errors.Is(err, c.want) {
			s.Errorf("an exchange with %s: %v, want an OutcomeError that names 2 and wraps %v", c.what, err, c.want)
		}
	}
	for _, j := range jobs {
		s.wantState(j.ID, task.Running)
	}
	w.succeed(jobs...)
}

func badExchange(s *stage) {
	w := s.join()
	for what, x := range map[string]task.Exchange{
		"a number of 0":               {Number: 0},
		"a partition that is not":     {Number: 1, Partition: s.b.Partitions()},
		"a negative partition":        {Number: 1, Partition: -1},
		"a wish for too many jobs":    {Number: 1, Want: task.MaxWant + 1},
		"a wish for less than no job": {Number: 1, Want: -1},
		"too many outcomes":           {Number: 1, Done: make([]task.Outcome, task.MaxDone+1)},
		"a negative number of held":   {Number: 1, Held: -1},
	} {
		x.Session = w.id
		_, err := s.b.Exchange(s.ctx, x)
		s.wantErr(err, task.ErrInvalid, "Exchange with %s", what)
	}
}

func badWorkers(s *stage) {
	for what, w := range map[string]task.Worker{
		"no lease":          {Queues: []string{"q"}, Functions: []string{"f"}},
		"a short lease":     {Queues: []string{"q"}, Functions: []string{"f"}, LeaseTTL: time.Millisecond},
		"a bad queue":       {Queues: []string{"a,b"}, Functions: []string{"f"}, LeaseTTL: long},
		"a bad function":    {Queues: []string{"q"}, Functions: []string{"a+b"}, LeaseTTL: long},
		"a starry function": {Queues: []string{"q"}, Functions: []string{"*"}, LeaseTTL: long},
	} {
		_, err := s.b.Join(s.ctx, w, func(task.Signal) {})
		s.wantErr(err, task.ErrInvalid, "Join with %s", what)
	}
}

// largeJobs: an answer is bounded in bytes, or it would hold others up.
func largeJobs(s *stage) {
	const n, size = 9, 1 << 20
	cs := calls("f", n)
	for i := range cs {
		cs[i].Payload.Bytes = append(bytes.Repeat([]byte("x"), size), byte('0'+i))
	}
	s.post(s.in(0, cs...)...)
	w := s.join()
	var got []string
	for answers := 0; len(got) < n; answers++ {
		a := w.exchange(0, task.Exchange{Want: 100})
		if len(a.Jobs) == 0 || len(a.Jobs) > 6 {
			s.Fatalf("an answer has %d jobs of 1 MiB, want a few", len(a.Jobs))
		}
		for _, j := range a.Jobs {
			got = append(got, string(j.Payload.Bytes[size:]))
		}
		if !a.More && len(got) < n {
			s.Errorf("after %d of %d jobs the answer does not say that there are more", len(got), n)
		}
	}
	wantEqual(s, "order of claims", got, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8"})
}

func manySessions(s *stage) {
	const n = 300
	s.post(calls("f", n)...)
	ws := []*worker{s.join(), s.join(), s.join()}
	seen := map[task.ID]bool{}
	redistest.Eventually(s.T, patience, func() bool {
		for _, w := range ws {
			for _, j := range w.claim(17) {
				if seen[j.ID] {
					s.Fatalf("job %v was claimed twice", j.ID)
				}
				seen[j.ID] = true
			}
		}
		return len(seen) == n
	}, "%d jobs are claimed", n)
	for _, w := range ws {
		w.idle("all are claimed")
	}
}

func noRoom(s *stage) {
	s.post(s.in(0, calls("f", 2)...)...)
	w := s.join()
	j := w.exchange(0, task.Exchange{Want: 1}).Jobs[0]
	if got := w.exchange(0, task.Exchange{Done: []task.Outcome{success(j, "")}}); len(got.Jobs) != 0 || len(got.Lost) != 0 {
		s.Errorf("an exchange that wants none got %+v", got)
	}
	s.wantState(j.ID, task.Succeeded)
}

func bothAtOnce(s *stage) {
	s.post(s.in(0, calls("f", 20)...)...)
	w := s.join()
	jobs := w.exchange(0, task.Exchange{Want: 1}).Jobs
	for i := range 20 {
		if len(jobs) != 1 || string(jobs[0].Payload.Bytes) != strconv.Itoa(i) {
			s.Fatalf("claim %d got %q", i, payloads(jobs))
		}
		jobs = w.exchange(0, task.Exchange{Want: 1, Done: []task.Outcome{success(jobs[0], "")}}).Jobs
	}
	if len(jobs) != 0 {
		s.Errorf("there is a job %q too many", payloads(jobs))
	}
}

func mixedOutcomes(s *stage) {
	verdicts := map[task.Verdict]task.State{
		task.Succeed: task.Succeeded, task.Fail: task.Failed, task.Retry: task.Ready, task.Postpone: task.Ready,
		task.Release: task.Ready, task.CancelJob: task.Cancelled, task.SkipJob: task.Skipped,
	}
	s.post(s.in(0, calls("f", len(verdicts)+1)...)...)
	w := s.join()
	jobs := w.exchange(0, task.Exchange{Want: 100}).Jobs
	stale := jobs[len(verdicts)]
	stale.Lease.Epoch++
	done, want := []task.Outcome{success(stale, "")}, map[task.ID]task.State{stale.ID: task.Running}
	for v, state := range verdicts {
		j := jobs[len(done)-1]
		done = append(done, outcome(j, v, ""))
		want[j.ID] = state
	}
	wantEqual(s, "lost", w.exchange(0, task.Exchange{Done: done}).Lost, []task.ID{stale.ID})
	for id, state := range want {
		s.wantState(id, state)
	}
}

func fullExchange(s *stage) {
	s.post(s.in(0, calls("f", 2*task.MaxDone)...)...)
	w := s.join()
	first := w.exchange(0, task.Exchange{Want: task.MaxWant}).Jobs
	done := make([]task.Outcome, len(first))
	for i, j := range first {
		done[i] = success(j, "")
	}
	second := w.exchange(0, task.Exchange{Want: task.MaxWant, Done: done})
	if len(first) != task.MaxWant || len(second.Jobs) != task.MaxWant || len(second.Lost) != 0 {
		s.Errorf("got %d jobs, then %d with %d lost; want %d, twice", len(first), len(second.Jobs), len(second.Lost), task.MaxWant)
	}
}

func more(s *stage) {
	s.post(s.in(0, calls("f", 5)...)...)
	w := s.join()
	if got := w.exchange(0, task.Exchange{Want: 3}); !got.More {
		s.Errorf("after 3 of 5 jobs the answer does not say that there are more")
	}
	if got := w.exchange(0, task.Exchange{Want: 3}); got.More || len(got.Jobs) != 2 {
		s.Errorf("the last 2 of 5 jobs came as %d, more: %t", len(got.Jobs), got.More)
	}
}

func largestResult(s *stage) {
	s.post(call("f", ""))
	w := s.join()
	j := w.one()
	o := success(j, "")
	o.Result.Bytes = bytes.Repeat([]byte("x"), 8<<20)
	w.end(o)
	if got := s.await(j.ID); !bytes.Equal(got.Result.Bytes, o.Result.Bytes) {
		s.Errorf("the result has %d bytes, want 8 MiB", len(got.Result.Bytes))
	}
}

func madeUpLease(s *stage) {
	w := s.join()
	id := s.in(0, call("f", ""))[0].ID
	o := task.Outcome{Lease: task.Lease{ID: id, Session: w.id}, Verdict: task.Succeed}
	wantEqual(s, "lost", w.report(o), []task.ID{id})
	_, err := s.b.Read(s.ctx, []task.ID{id})
	s.wantErr(err, task.ErrUnknown, "Read of a job that was never posted")
}

func renews(s *stage) {
	const lease = 3 * time.Second
	w := s.joinFor(lease)
	s.pass(lease)
	for p := range s.b.Partitions() {
		w.exchange(p, task.Exchange{})
	}
	got, err := s.b.Tick(s.ctx)
	if err != nil || got.Sessions != 0 {
		s.Errorf("Tick after the lease was renewed: %+v, %v", got, err)
	}
	if _, err := s.b.Beat(s.ctx, w.id); err != nil {
		s.Errorf("Beat: %v", err)
	}
}
