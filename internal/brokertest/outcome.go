package brokertest

import (
	"bytes"
	"strings"
	"time"

	"github.com/gomlq/mlq/task"
)

var outcomeStories = stories{
	"ASuccessIsRecorded":                           succeeded,
	"ARetryWaitsAndIsCounted":                      retry,
	"ARetryWithoutDelayGoesToTheEndOfTheLine":      retryAtOnce,
	"ASnoozeSpendsNoAttempt":                       snooze,
	"AReleasedJobIsFirstInLineAndSpendsNoAttempt":  release,
	"APermanentFailureIsADeadLetter":               deadLetter,
	"AnAttemptMayCancelOrSkipItsJob":               ownVerdict,
	"TheHistoryOfFailuresIsKeptThroughASuccess":    history,
	"ALongHistoryIsBoundedAndEndsWithTheLast":      longHistory,
	"RemarksGoIntoTheRecord":                       remarks,
	"APriorityOutlivesRetries":                     priorityOutlives,
	"AResultOfAnyCodecIsKeptAsItIs":                codecs,
	"AJobOfTheShortestRetentionCanBeReadAfterward": shortRetention,
}

func succeeded(s *stage) {
	id := s.post(call("f", "p"))[0]
	w := s.join()
	j := w.one()
	running := s.read(id)
	if running.State != task.Running || running.Worker == "" || running.Started.IsZero() || !running.Finished.IsZero() {
		s.Errorf("the running job is %+v", running)
	}
	w.end(success(j, "r"))
	r := s.read(id)
	if r.State != task.Succeeded || string(r.Result.Bytes) != "r" || r.Result.Codec != task.CodecBytes || r.Progress != 100 {
		s.Errorf("the record is %+v, want success with result r", r)
	}
	if r.Worker != running.Worker || r.Attempt != 1 || r.Losses != 0 || len(r.Failures) != 0 || string(r.Payload.Bytes) != "p" {
		s.Errorf("the record is %+v, want one attempt of %s", r, running.Worker)
	}
	if !r.Started.Equal(running.Started) || r.Finished.Before(r.Started) || r.Finished.Sub(r.Started) > patience {
		s.Errorf("started %v (running: %v), finished %v", r.Started, running.Started, r.Finished)
	}
}

func retry(s *stage) {
	const delay = 300 * time.Millisecond
	id := s.post(call("f", ""))[0]
	w := s.join()
	first := w.one()
	o := outcome(first, task.Retry, "no luck")
	o.Delay = delay
	w.end(o)
	r := s.read(id)
	if r.State != task.Scheduled && r.State != task.Ready || r.Attempt != 2 || len(r.Failures) != 1 || r.Failures[0].Message != "no luck" {
		s.Errorf("after a failed attempt the job is %+v, want it scheduled for a second", r)
	}
	second := w.later(1)[0]
	if second.Attempt != 2 || second.Losses != 0 || second.Lease.Epoch <= first.Lease.Epoch {
		s.Errorf("the second attempt is %+v, the first was %+v", second, first)
	}
	if again := s.read(id); again.Started.Sub(r.Started) < delay {
		s.Errorf("the second attempt began %v after the first, want at least %v", again.Started.Sub(r.Started), delay)
	}
	w.end(success(second, "luck"))
	if r := s.read(id); r.State != task.Succeeded || r.Attempt != 2 || len(r.Failures) != 1 {
		s.Errorf("the record is %+v, want a success at the second attempt", r)
	}
}

func retryAtOnce(s *stage) {
	s.post(s.in(0, calls("f", 3)...)...)
	w := s.join()
	w.end(outcome(w.exchange(0, task.Exchange{Want: 1}).Jobs[0], task.Retry, "x"))
	wantEqual(s, "order of claims", payloads(w.exchange(0, task.Exchange{Want: 9}).Jobs), []string{"1", "2", "0"})
}

func snooze(s *stage) {
	id := s.post(call("f", ""))[0]
	w := s.join()
	for _, delay := range []time.Duration{10 * time.Millisecond, task.MaxDelay} {
		o := outcome(w.later(1)[0], task.Postpone, "")
		o.Delay = delay
		w.end(o)
		if r := s.read(id); r.Attempt != 1 || r.Losses != 0 || len(r.Failures) != 0 {
			s.Errorf("a snoozed job is %+v, want none of it counted", r)
		}
	}
	s.wantState(id, task.Scheduled)
	w.idle("the job was snoozed for long")
}

func release(s *stage) {
	s.post(s.in(0, calls("f", 3)...)...)
	w := s.join()
	jobs := w.exchange(0, task.Exchange{Want: 2}).Jobs
	w.end(outcome(jobs[0], task.Release, ""))
	next := w.exchange(0, task.Exchange{Want: 9}).Jobs
	wantEqual(s, "order of claims", payloads(next), []string{"0", "2"})
	if j := next[0]; j.Attempt != 1 || j.Losses != 0 || j.Alone {
		s.Errorf("a released job is %+v, want nothing of it counted", j)
	}
}

func deadLetter(s *stage) {
	id := s.post(call("f", "p"))[0]
	w := s.join()
	waiting := s.awaiting(id)
	w.end(outcome(w.one(), task.Retry, "first"))
	second := w.one()
	running := s.read(id)
	w.end(outcome(second, task.Fail, "second"))
	r := s.read(id)
	if r.State != task.Failed || r.Finished.IsZero() || r.Attempt != 2 || string(r.Payload.Bytes) != "p" {
		s.Errorf("the dead letter is %+v", r)
	}
	if running.Started.IsZero() || !r.Started.Equal(running.Started) || r.Worker != running.Worker {
		s.Errorf("its last attempt was begun at %v by %s, want %v by %s", r.Started, r.Worker, running.Started, running.Worker)
	}
	if len(r.Failures) != 2 || r.Failures[0].Message != "first" || r.Failures[1].Message != "second" {
		s.Errorf("its history is %+v, want both failures", r.Failures)
	}
	for when, got := range map[string]task.Settled{"before": s.receive(waiting)[0], "after": s.await(id)} {
		if got.State != task.Failed || got.Failure.Message != "second" || got.Failure.Attempt != 2 {
			s.Errorf("who waited from %s the end learnt %+v, want the last failure", when, got)
		}
		s.wantErr(got.Err(), task.ErrFailed, "the end")
	}
	w.idle("a dead letter is not run")
	s.ticks(1)
	s.wantState(id, task.Failed)
	w.idle("a dead letter is not run after a tick either")
}

func ownVerdict(s *stage) {
	w := s.join()
	for v, want := range map[task.Verdict]task.State{task.CancelJob: task.Cancelled, task.SkipJob: task.Skipped} {
		id := s.post(call("f", ""))[0]
		w.end(outcome(w.one(), v, "because"))
		r := s.read(id)
		if r.State != want || r.Finished.IsZero() {
			s.Errorf("after %v the job is %+v", v, r)
		}
		if got := s.await(id); got.State != want || got.Failure.Message != "because" {
			s.Errorf("after %v the end is %+v, want %v with its reason", v, got, want)
		}
	}
}

func history(s *stage) {
	id := s.post(call("f", ""))[0]
	w := s.join()
	for _, m := range []string{"one", "two", "three"} {
		w.end(outcome(w.one(), task.Retry, m))
	}
	w.end(success(w.one(), "r"))
	r := s.read(id)
	if r.State != task.Succeeded || r.Attempt != 4 || string(r.Result.Bytes) != "r" {
		s.Errorf("the record is %+v, want a success at the fourth attempt", r)
	}
	for i, want := range []string{"one", "two", "three"} {
		if len(r.Failures) != 3 || r.Failures[i].Message != want || r.Failures[i].Attempt != i+1 {
			s.Fatalf("the history is %+v, want one, two, three", r.Failures)
		}
	}
	if got := s.await(id); string(got.Result.Bytes) != "r" || got.Failure != (task.Failure{}) {
		s.Errorf("the end is %+v, want the result alone", got)
	}
}

func longHistory(s *stage) {
	id := s.post(call("f", ""))[0]
	w := s.join()
	const n = 100
	text := strings.Repeat("x", task.MaxMessage-10)
	for range n {
		w.end(outcome(w.one(), task.Retry, text))
	}
	r := s.read(id)
	if r.Attempt != n+1 || len(r.Failures) == 0 || r.Failures[len(r.Failures)-1].Attempt != n {
		s.Errorf("after %d failures it is attempt %d, with %d in the history, want the last among them", n, r.Attempt, len(r.Failures))
	}
	size := 0
	for _, f := range r.Failures {
		size += len(f.Message)
	}
	if size > 256<<10 {
		s.Errorf("the history has %d bytes of messages, want a bound", size)
	}
}

func remarks(s *stage) {
	progress, text, short := 42.5, "counting", "short"
	note := task.Note{Progress: &progress, Text: &text, Short: &short}
	w := s.join()
	for v, state := range map[task.Verdict]task.State{
		task.Succeed: task.Succeeded, task.Fail: task.Failed, task.CancelJob: task.Cancelled,
	} {
		id := s.post(call("f", ""))[0]
		o := outcome(w.one(), v, "")
		o.Note = note
		w.end(o)
		r := s.read(id)
		want := progress
		if v == task.Succeed {
			want = 100
		}
		if r.State != state || r.Progress != want || r.Note != text || r.ShortResult != short {
			s.Errorf("the record is %+v, want progress %v, note %q, short result %q", r, want, text, short)
		}
	}
}

func priorityOutlives(s *stage) {
	high := call("f", "high")
	high.Spec.Priority = task.High
	s.post(s.in(0, high)...)
	w := s.join()
	j := w.one()
	s.post(s.in(0, calls("f", 2)...)...)
	w.end(outcome(j, task.Retry, "x"))
	j = w.exchange(0, task.Exchange{Want: 1}).Jobs[0]
	if string(j.Payload.Bytes) != "high" || j.Spec.Priority != task.High {
		s.Errorf("claimed %q of priority %d, want the retried job of high priority", j.Payload.Bytes, j.Spec.Priority)
	}
}

func codecs(s *stage) {
	w := s.join()
	for _, d := range []task.Data{
		{},
		{Codec: task.CodecBytes, Bytes: []byte{}},
		{Codec: task.CodecMsgpack, Bytes: []byte{0xc0}},
		{Codec: task.CodecJSON, Bytes: []byte("\x00\xff")},
	} {
		id := s.post(call("f", ""))[0]
		o := success(w.one(), "")
		o.Result = d
		w.end(o)
		for what, got := range map[string]task.Data{"Read": s.read(id).Result, "Await": s.await(id).Result} {
			if got.Codec != d.Codec || !bytes.Equal(got.Bytes, d.Bytes) {
				s.Errorf("%s returned %+v, want %+v", what, got, d)
			}
		}
	}
}

func shortRetention(s *stage) {
	for _, d := range []time.Duration{time.Minute, task.Forever} {
		c := call("f", "")
		c.Spec.Retention = d
		id := s.post(c)[0]
		w := s.join()
		w.succeed(w.one())
		if r := s.read(id); r.State != task.Succeeded || r.Spec.Retention != d {
			s.Errorf("a record kept for %v is %v with retention %v", d, r.State, r.Spec.Retention)
		}
	}
}
