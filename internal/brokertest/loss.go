package brokertest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

var lossStories = stories{
	"AJobOfALostSessionIsFirstInLine":              lostOnce,
	"ASessionThatLeavesGivesBackAtTheNextTick":     leaves,
	"ABeatBeforeTheReaperKeepsASession":            beats,
	"AJobThatWasLostTwiceRunsAlone":                alone,
	"ASuspectWaitsUntilASessionHasDrained":         drains,
	"ThreeLossesWhileAloneMakeAJobPoison":          poison,
	"NeighboursOfAPoisonousJobAreNeverCharged":     neighbours,
	"ABlockedAttemptIsNotCharged":                  blockedLoss,
	"ASuspectThatEndsWellIsLikeAnyOther":           acquitted,
	"ManyJobsOfALostSessionComeBackOnceEach":       manyLost,
	"WhatASessionHoldsIsNotLostWhileOthersAre":     others,
	"ALostWorkersFailuresAndAttemptsStayAsTheyAre": lossesAndFailures,
}

// crash ends a session and waits until the broker has taken back what it held.
func (w *worker) crash() {
	w.s.Helper()
	w.leave()
	w.takenBack()
}

// takenBack waits until a session that is lost owns nothing of what it held. It asks
// for the jobs: what a tick tells of may be lost with its reply.
func (w *worker) takenBack() {
	w.s.Helper()
	held := slices.Collect(maps.Keys(w.held))
	w.s.tick(fmt.Sprintf("%d jobs are taken back", len(held)), func() bool {
		rs, err := w.s.b.Read(w.s.ctx, held)
		if err != nil {
			w.s.Fatalf("Read: %v", err)
		}
		return !slices.ContainsFunc(rs, func(r task.Record) bool { return r.State == task.Running && r.Lease.Session == w.id })
	})
}

func lostOnce(s *stage) {
	s.post(s.in(0, calls("f", 3)...)...)
	w := s.joinFor(short)
	w.exchange(0, task.Exchange{Want: 1})
	s.pass(short)
	w.takenBack()
	jobs := s.join().exchange(0, task.Exchange{Want: 9}).Jobs
	wantEqual(s, "order of claims", payloads(jobs), []string{"0", "1", "2"})
	if j := jobs[0]; j.Attempt != 1 || j.Losses != 1 || j.Alone || j.Lease.Epoch == 0 {
		s.Errorf("the lost job is %+v, want attempt 1 again, and a loss", j)
	}
}

func leaves(s *stage) {
	s.post(calls("f", 5)...)
	w := s.join()
	held := w.take(3)
	w.crash()
	for _, j := range held {
		if r := s.read(j.ID); r.State != task.Ready || r.Losses != 1 {
			s.Errorf("job %v is %v with %d losses, want ready with one", j.ID, r.State, r.Losses)
		}
	}
	s.join().take(5)
}

func beats(s *stage) {
	const lease = 3 * time.Second
	s.post(call("f", ""))
	w := s.joinFor(lease)
	j := w.one()
	s.pass(lease)
	if revoked, err := s.b.Beat(s.ctx, w.id); err != nil || len(revoked) != 0 {
		s.Fatalf("Beat: %v, %v", revoked, err)
	}
	if got, err := s.b.Tick(s.ctx); err != nil || got.Lost != 0 || got.Sessions != 0 {
		s.Errorf("Tick after the beat: %+v, %v", got, err)
	}
	w.succeed(j)
}

// suspect posts a job to partition 0 and loses it twice.
func (s *stage) suspect(c task.Call) task.ID {
	s.Helper()
	id := s.post(s.in(0, c)...)[0]
	for range 2 {
		w := s.join()
		if j := w.one(); j.ID != id || j.Alone {
			s.Fatalf("claimed %+v, want %v among others", j, id)
		}
		w.crash()
	}
	return id
}

func alone(s *stage) {
	id := s.suspect(call("f", "suspect"))
	s.post(s.in(0, calls("f", 3)...)...)
	w := s.join()
	jobs := w.exchange(0, task.Exchange{Want: 9}).Jobs
	if len(jobs) != 1 || jobs[0].ID != id || !jobs[0].Alone || jobs[0].Losses != 2 {
		s.Errorf("an idle session claimed %q, want the suspect alone", payloads(jobs))
	}
	if r := s.read(id); r.State != task.Running || !r.Alone {
		s.Errorf("the suspect is %v, alone: %t", r.State, r.Alone)
	}
	wantEqual(s, "claims of another session", payloads(s.join().exchange(0, task.Exchange{Want: 9}).Jobs), []string{"0", "1", "2"})
	w.succeed(jobs...)
}

func drains(s *stage) {
	s.post(s.in(0, call("g", "busy"))...)
	w := s.joinAs(task.Worker{Functions: []string{"g", "f"}, LeaseTTL: long})
	busy := w.one()
	id := s.suspect(call("f", "suspect"))
	got := w.exchange(0, task.Exchange{Want: 5})
	if len(got.Jobs) != 0 || !got.Drain {
		s.Fatalf("a busy session got %q (drain: %t), want to be told to drain", payloads(got.Jobs), got.Drain)
	}
	other := s.joinAs(task.Worker{Functions: []string{"g", "f"}, LeaseTTL: long})
	s.post(s.in(0, call("g", "more"), call("g", "work"))...)
	other.held[id] = true // as if it were busy
	if got := other.exchange(0, task.Exchange{Want: 1}); got.Drain || len(got.Jobs) != 1 {
		s.Errorf("another busy session got %q (drain: %t), want a job: one session drains at a time", payloads(got.Jobs), got.Drain)
	}
	got = w.exchange(0, task.Exchange{Want: 5, Done: []task.Outcome{success(busy, "")}})
	if len(got.Jobs) != 1 || got.Jobs[0].ID != id || !got.Jobs[0].Alone {
		s.Errorf("the drained session got %q, want the suspect", payloads(got.Jobs))
	}
}

func poison(s *stage) {
	id := s.suspect(call("f", ""))
	waiting := s.awaiting(id)
	for i := range 3 {
		s.wantState(id, task.Ready)
		w := s.join()
		if j := w.one(); !j.Alone || j.Attempt != 1 || j.Losses != 2+i {
			s.Errorf("before loss %d while alone the job is %+v", i+1, j)
		}
		w.crash()
	}
	r := s.read(id)
	if r.State != task.Failed || len(r.Failures) != 1 || r.Failures[0].Kind != task.FailurePoison {
		s.Errorf("the job is %v with history %+v, want a poisonous dead letter", r.State, r.Failures)
	}
	if end := s.receive(waiting)[0]; end.State != task.Failed || end.Failure.Kind != task.FailurePoison {
		s.Errorf("who waited learnt %+v", end)
	}
	s.join().idle("a dead letter is not run")
}

func neighbours(s *stage) {
	const good = 5
	bad := s.post(s.in(0, append(calls("f", good), call("f", "poison"))...)...)
	redistest.Eventually(s.T, 3*patience, func() bool {
		w := s.join()
		jobs := w.claim(3)
		for _, j := range jobs {
			if string(j.Payload.Bytes) == "poison" {
				w.crash()
				return false
			}
		}
		w.succeed(jobs...)
		w.leave()
		return s.read(bad[good]).State.Terminal()
	}, "the poisonous job is a dead letter")
	w := s.join()
	w.succeed(w.claim(good)...)
	for i, id := range bad {
		r := s.read(id)
		if i < good && (r.State != task.Succeeded || len(r.Failures) != 0) {
			s.Errorf("neighbour %d is %v with history %+v, want success without a failure", i, r.State, r.Failures)
		}
		if i == good && (r.State != task.Failed || r.Failures[0].Kind != task.FailurePoison) {
			s.Errorf("the poisonous job is %v with history %+v", r.State, r.Failures)
		}
	}
}

// blockedLoss: what a blocked attempt waits for may be to blame, it is not.
func blockedLoss(s *stage) {
	id := s.suspect(call("f", ""))
	for range 4 { // more often than makes it poison
		w := s.join()
		j := w.one()
		if err := s.b.Block(s.ctx, j, []task.ID{s.in(0, call("g", ""))[0].ID}); err != nil {
			s.Fatalf("Block: %v", err)
		}
		w.crash()
	}
	s.wantState(id, task.Ready)
}

func acquitted(s *stage) {
	id := s.suspect(call("f", ""))
	w := s.join()
	w.end(outcome(w.one(), task.Retry, "an error is no loss"))
	j := w.one()
	if j.ID != id || j.Attempt != 2 || j.Losses != 2 {
		s.Errorf("claimed %+v, want the second attempt of %v", j, id)
	}
	w.succeed(j)
	if r := s.read(id); r.State != task.Succeeded || r.Losses != 2 || len(r.Failures) != 1 {
		s.Errorf("the record is %+v, want success after one failure and two losses", r)
	}
}

func manyLost(s *stage) {
	const n = 700 // more than one round of a tick
	s.post(calls("f", n)...)
	w := s.join()
	w.take(n)
	w.crash()
	next := s.join()
	seen := map[task.ID]bool{}
	for _, j := range next.take(n) {
		if seen[j.ID] || j.Losses != 1 {
			s.Fatalf("job %v came back with %d losses, seen before: %t", j.ID, j.Losses, seen[j.ID])
		}
		seen[j.ID] = true
	}
	next.idle("all have come back")
}

func others(s *stage) {
	s.post(calls("f", 6)...)
	stays, goes := s.join(), s.join()
	kept := stays.take(3)
	goes.take(3)
	goes.crash()
	s.ticks(1)
	for _, j := range kept {
		s.wantState(j.ID, task.Running)
	}
	stays.succeed(kept...)
}

func lossesAndFailures(s *stage) {
	id := s.post(call("f", ""))[0]
	w := s.join()
	w.end(outcome(w.one(), task.Retry, "first"))
	w.one()
	w.crash()
	w = s.join()
	j := w.one()
	if j.Attempt != 2 || j.Losses != 1 {
		s.Errorf("after a failure and a loss it is attempt %d with %d losses, want 2 and 1", j.Attempt, j.Losses)
	}
	w.end(outcome(j, task.Fail, "second"))
	if r := s.read(id); len(r.Failures) != 2 || r.Losses != 1 || r.Attempt != 2 {
		s.Errorf("the dead letter is %+v, want two failures and one loss", r)
	}
}
