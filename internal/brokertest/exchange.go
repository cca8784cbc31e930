package brokertest

import (
	"time"

	"github.com/gomlq/mlq/task"
)

var exchangeStories = stories{
	"TheSameNumberGetsTheSameAnswer":                  sameNumber,
	"AnEmptyAnswerIsRememberedToo":                    emptyAnswer,
	"AnOlderNumberIsRefused":                          olderNumber,
	"AMissingNumberEndsTheSession":                    missingNumber,
	"FetchersOfOneSessionHaveNumbersOfTheirOwn":       fetchers,
	"ARepeatedAnswerLeavesOutWhatWasTakenBack":        repeatAfterCancel,
	"AnOutcomeOfAnotherSessionIsLost":                 foreignOutcome,
	"AnOutcomeOfAFormerEpochIsLost":                   staleEpoch,
	"AnAttemptEndsOnce":                               endsOnce,
	"AnExpiredSessionThatWasNotReapedMayStillReport":  expiredReports,
	"AReapedSessionIsGoneAndItsOutcomesAreLost":       reaped,
	"AnAttemptIsStillHeldByItsFormerSession":          formerSession,
	"AnUnknownSessionIsGone":                          unknownSession,
	"ASessionThatHasLeftIsGone":                       leftSession,
	"AnOutcomeThatCannotBeSentIsNamedAndNothingIs":    badOutcome,
	"AnExchangeOutOfBoundsIsRefused":                  badExchange,
	"BadWorkersAreRefused":                            badWorkers,
	"LargeJobsComeInSeveralAnswersAndInOrder":         largeJobs,
	"SessionsShareTheJobsWithoutADouble":              manySessions,
	"AnExchangeWithoutRoomEndsAttemptsAndClaimsNone":  noRoom,
	"AnExchangeEndsAttemptsAndClaimsInOneStep":        bothAtOnce,
	"OutcomesOfOneExchangeAreJudgedOneByOne":          mixedOutcomes,
	"AFullExchangeOf128OutcomesAndJobsGoesThrough":    fullExchange,
	"MoreIsSaidWhereThereIsMore":                      more,
	"AResultUpToTheLimitIsKept":                       largestResult,
	"ALeaseOfAJobThatWasNeverPostedIsLost":            madeUpLease,
	"AnExchangeThatClaimsNothingStillExtendsTheLease": renews,
}

func sameNumber(s *stage) {
	s.post(s.in(0, calls("f", 9)...)...)
	w := s.join()
	held := w.exchange(0, task.Exchange{Want: 3}).Jobs
	x := w.next(0, task.Exchange{Want: 3, Done: []task.Outcome{
		success(held[0], "r"), outcome(held[1], task.Fail, "x"), outcome(held[2], task.Retry, "y"),
	}})
	first, err := w.try(x)
	if err != nil || len(first.Jobs) != 3 || len(first.Lost) != 0 {
		s.Fatalf("exchange: %+v, %v", first, err)
	}
	for range 3 {
		again, err := w.try(x)
		if err != nil {
			s.Fatalf("the same exchange again: %v", err)
		}
		wantEqual(s, "jobs of the repeated answer", payloads(again.Jobs), payloads(first.Jobs))
		wantEqual(s, "lost of the repeated answer", again.Lost, first.Lost)
		if again.Jobs[0].Lease != first.Jobs[0].Lease || again.More != first.More {
			s.Errorf("the same exchange got %+v, then %+v", first, again)
		}
	}
	w.succeed(first.Jobs...)
	if rest := w.take(4); len(s.read(held[2].ID).Failures) != 1 {
		s.Errorf("the retried job of %q failed %d times, want once", payloads(rest), len(s.read(held[2].ID).Failures))
	}
	w.idle("three have succeeded, one failed and five are held")
}

func emptyAnswer(s *stage) {
	w := s.join()
	x := w.next(0, task.Exchange{Want: 5})
	if got, err := w.try(x); err != nil || len(got.Jobs) != 0 {
		s.Fatalf("exchange: %+v, %v", got, err)
	}
	s.post(s.in(0, calls("f", 3)...)...)
	if got, err := w.try(x); err != nil || len(got.Jobs) != 0 {
		s.Errorf("the same number got %d jobs (%v), want none again", len(got.Jobs), err)
	}
	if n := len(w.exchange(0, task.Exchange{Want: 5}).Jobs); n != 3 {
		s.Errorf("the next number got %d jobs, want 3", n)
	}
}

func olderNumber(s *stage) {
	s.post(s.in(0, calls("f", 4)...)...)
	w := s.join()
	x := w.next(0, task.Exchange{Want: 1})
	first, err := w.try(x)
	if err != nil || len(first.Jobs) != 1 {
		s.Fatalf("exchange: %+v, %v", first, err)
	}
	w.exchange(0, task.Exchange{Want: 1})
	x.Done = []task.Outcome{success(first.Jobs[0], "late")}
	if got, err := s.b.Exchange(s.ctx, x); err == nil {
		s.Errorf("an exchange that was overtaken got %d jobs, want an error", len(got.Jobs))
	}
	s.wantState(first.Jobs[0].ID, task.Running)
	if n := len(w.exchange(0, task.Exchange{Want: 9}).Jobs); n != 2 {
		s.Errorf("%d jobs are left, want 2", n)
	}
}

// missingNumber: a broker that does not know the last exchange has lost what was
// written last, and what the session holds is not what it thinks.
func missingNumber(s *stage) {
	s.post(s.in(0, calls("f", 2)...)...)
	w := s.join()
	held := w.exchange(0, task.Exchange{Want: 1}).Jobs[0]
	w.numbers[0]++
	_, err := w.try(w.next(0, task.Exchange{Want: 1}))
	s.wantErr(err, task.ErrGone, "Exchange with a number left out")
	w.takenBack()
	s.wantState(held.ID, task.Ready)
	s.join().take(2)
}

// fetchers: the exchanges of one session may be numbered in several rows, so that
// several may be under way.
func fetchers(s *stage) {
	s.post(s.in(0, calls("f", 4)...)...)
	w := s.join()
	exchange := func(fetcher int, number uint64, done ...task.Outcome) task.Exchanged {
		s.Helper()
		x := w.next(0, task.Exchange{Fetcher: fetcher, Want: 1, Done: done})
		x.Number = number
		got, err := w.try(x)
		if err != nil {
			s.Fatalf("exchange %d of fetcher %d: %v", number, fetcher, err)
		}
		return got
	}
	first, second := exchange(0, 1), exchange(1, 1)
	wantEqual(s, "the first fetcher's jobs", payloads(first.Jobs), []string{"0"})
	wantEqual(s, "the second fetcher's jobs", payloads(second.Jobs), []string{"1"})
	wantEqual(s, "the first fetcher's again", payloads(exchange(0, 1).Jobs), []string{"0"})
	wantEqual(s, "the second fetcher's next", payloads(exchange(1, 2, success(first.Jobs[0], "")).Jobs), []string{"2"})
	wantEqual(s, "the first fetcher's next", payloads(exchange(0, 2, success(second.Jobs[0], "")).Jobs), []string{"3"})
	s.wantState(first.Jobs[0].ID, task.Succeeded)
	s.wantState(second.Jobs[0].ID, task.Succeeded)
}

func repeatAfterCancel(s *stage) {
	s.post(s.in(0, calls("f", 2)...)...)
	w := s.join()
	x := w.next(0, task.Exchange{Want: 2})
	got, err := w.try(x)
	if err != nil || len(got.Jobs) != 2 {
		s.Fatalf("exchange: %+v, %v", got, err)
	}
	s.cancel(got.Jobs[0].ID)
	if got, err = w.try(x); err != nil || len(got.Jobs) != 1 || string(got.Jobs[0].Payload.Bytes) != "1" {
		s.Errorf("repeated after a cancellation: %q, %v; want job 1 alone", payloads(got.Jobs), err)
	}
}

func foreignOutcome(s *stage) {
	s.post(call("f", ""))
	owner, other := s.join(), s.join()
	j := owner.one()
	forged := j
	forged.Lease.Session = other.id
	wantEqual(s, "lost", other.report(success(forged, "forged")), []task.ID{j.ID})
	s.wantState(j.ID, task.Running)
	owner.end(success(j, "true"))
	if got := s.await(j.ID); string(got.Result.Bytes) != "true" {
		s.Errorf("the result is %q, want that of the owner", got.Result.Bytes)
	}
}

func staleEpoch(s *stage) {
	s.post(call("f", ""))
	w := s.join()
	first := w.one()
	w.end(outcome(first, task.Release, ""))
	second := w.one()
	if second.Lease.Epoch <= first.Lease.Epoch {
		s.Errorf("the second lease has epoch %d, want above %d", second.Lease.Epoch, first.Lease.Epoch)
	}
	for _, v := range []task.Verdict{task.Succeed, task.Fail, task.Retry, task.Release, task.Postpone, task.CancelJob, task.SkipJob} {
		wantEqual(s, "lost with verdict "+v.String(), w.report(outcome(first, v, "stale")), []task.ID{first.ID})
	}
	w.held[second.ID] = true
	s.wantState(first.ID, task.Running)
	if r := s.read(first.ID); len(r.Failures) != 0 || r.Lease.Session != w.id {
		s.Errorf("stale outcomes left %+v", r)
	}
	w.end(success(second, "second"))
}

func endsOnce(s *stage) {
	s.post(call("f", ""))
	w := s.join()
	j := w.one()
	lost := w.report(success(j, "one"), success(j, "two"))
	wantEqual(s, "lost of two outcomes of one attempt", lost, []task.ID{j.ID})
	for _, o := range []task.Outcome{success(j, "three"), outcome(j, task.Fail, "x"), outcome(j, task.Retry, "x")} {
		wantEqual(s, "lost of a later outcome", w.report(o), []task.ID{j.ID})
	}
	if got := s.await(j.ID); got.State != task.Succeeded || string(got.Result.Bytes) != "one" {
		s.Errorf("the job ended as %v with %q, want the first outcome", got.State, got.Result.Bytes)
	}
}

func expiredReports(s *stage) {
	const lease = 3 * time.Second // what is renewed must hold for some calls
	s.post(call("f", ""))
	w := s.joinFor(lease)
	j := w.one()
	s.pass(lease)
	w.end(success(j, "late"))
	s.wantState(j.ID, task.Succeeded)
	if _, err := s.b.Tick(s.ctx); err != nil {
		s.Fatalf("Tick: %v", err)
	}
	if _, err := w.try(w.next(j.ID.Partition(), task.Exchange{})); err != nil {
		s.Errorf("Exchange after a report that renewed the lease: %v", err)
	}
}

func reaped(s *stage) {
	s.post(call("f", ""))
	w := s.joinFor(short)
	j := w.one()
	s.pass(short)
	w.takenBack()
	_, err := w.try(w.next(j.ID.Partition(), task.Exchange{Done: []task.Outcome{success(j, "late")}}))
	s.wantErr(err, task.ErrGone, "Exchange of a reaped session")
	_, err = s.b.Beat(s.ctx, w.id)
	s.wantErr(err, task.ErrGone, "Beat of a reaped session")
	again := s.join()
	wantEqual(s, "lost, as reported by the next session", again.report(success(j, "later")), []task.ID{j.ID})
	s.wantState(j.ID, task.Ready)
	next := again.one()
	wantEqual(s, "lost while another holds it", again.report(success(j, "latest")), []task.ID{j.ID})
	again.held[next.ID] = true
	again.end(success(next, "next"))
	if got := s.await(j.ID); string(got.Result.Bytes) != "next" {
		s.Errorf("the result is %q, want that of the second attempt", got.Result.Bytes)
	}
}

// formerSession: a worker whose session is gone opens another one and reports what
// it holds from before; as long as nobody has taken it back, that is accepted.
func formerSession(s *stage) {
	s.post(call("f", ""))
	w := s.join()
	j := w.one()
	w.leave()
	again := s.join()
	again.end(success(j, "late"))
	if got := s.await(j.ID); string(got.Result.Bytes) != "late" {
		s.Errorf("the result is %q", got.Result.Bytes)
	}
}

func unknownSession(s *stage) {
	id := task.SessionID{1}
	_, err := s.b.Exchange(s.ctx, task.Exchange{Session: id, Number: 1})
	s.wantErr(err, task.ErrGone, "Exchange of a session that never was")
	_, err = s.b.Beat(s.ctx, id)
	s.wantErr(err, task.ErrGone, "Beat of a session that never was")
	if err := s.b.Leave(s.ctx, id); err != nil {
		s.Errorf("Leave of a session that never was: %v", err)
	}
}

func leftSession(s *stage) {
	w := s.join()
	w.leave()
	_, err := w.try(w.next(0, task.Exchange{Want: 1}))
	s.wantErr(err, task.ErrGone, "Exchange after Leave")
	_, err = s.b.Beat(s.ctx, w.id)
	s.wantErr(err, task.ErrGone, "Beat after Leave")
	w.leave()
}
