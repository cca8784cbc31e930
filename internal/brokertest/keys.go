package brokertest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/gomlq/mlq/task"
)

var keyStories = stories{
	"AUniqueKeyHoldsUntilTheJobHasEnded":             uniqueHolds,
	"AUniqueKeyIsFreeAfterAnyEnd":                    uniqueFree,
	"AUniqueKeyHoldsThroughRetryAndLoss":             uniqueRetry,
	"AUniqueKeyHoldsWithinABatch":                    uniqueBatch,
	"AnIdempotencyKeyAnswersWithItsJob":              idempotent,
	"AnIdempotencyKeyRefusesAnotherPayload":          idempotentConflict,
	"AConflictInTheMiddleOfABatchIsNamed":            conflictFirst,
	"ADerivedIDPostedTwiceRunsOnce":                  derived,
	"KeysOfDifferentKindsDoNotMeet":                  keyKinds,
	"AJobWithBothKeysAnswersToBoth":                  bothKeys,
	"ARepeatedPostWithAKeyAnswersWithTheSameJob":     repostWithKey,
	"AnIdempotencyKeyComparesPayloadsWithTheirCodec": idempotentCodec,
	"KeysBelongToTheirFunctions":                     ownKeys,
	"AnIdempotencyKeyHoldsWithinABatch":              idempotentBatch,
	"AUniqueKeyOfADelayedJobHoldsBeforeItIsReady":    uniqueDelayed,
}

func unique(key, payload string) task.Call {
	c := call("f", payload)
	c.Spec.UniqueKey = key
	return c
}

func idem(key, payload string) task.Call {
	c := call("f", payload)
	c.Spec.IdempotencyKey = key
	return c
}

func uniqueHolds(s *stage) {
	id := s.post(unique("k", "first"))[0]
	same := func(when string) {
		s.Helper()
		if got := s.post(unique("k", "another"))[0]; got != id {
			s.Errorf("a post %s got job %v, want %v, which holds the key", when, got, id)
		}
	}
	same("while it is ready")
	if other := s.post(unique("k2", "first"))[0]; other == id {
		s.Errorf("another key got the same job %v", id)
	}
	w := s.join()
	for _, j := range w.take(2) {
		if string(j.Payload.Bytes) != "first" {
			s.Errorf("claimed %q, want the first payload", j.Payload.Bytes)
		}
		if j.ID == id {
			same("while it runs")
			w.succeed(j)
		}
	}
	if next := s.post(unique("k", "third"))[0]; next == id {
		s.Errorf("a post after the end got job %v, which has ended", id)
	}
	if j := w.one(); string(j.Payload.Bytes) != "third" {
		s.Errorf("claimed %q, want the third", j.Payload.Bytes)
	}
}

func uniqueFree(s *stage) {
	w := s.join()
	before := s.post(unique("k", ""))[0]
	for _, end := range []func(task.Job){
		func(j task.Job) { w.end(outcome(j, task.Fail, "broken")) },
		func(j task.Job) { w.end(outcome(j, task.CancelJob, "")) },
		func(j task.Job) { w.end(outcome(j, task.SkipJob, "")) },
		func(j task.Job) { s.cancel(j.ID) },
	} {
		end(w.one())
		next := s.post(unique("k", ""))[0]
		if next == before {
			s.Errorf("the key is held by job %v, which is %v", before, s.read(before).State)
		}
		before = next
	}
	s.cancel(before) // ready
	if next := s.post(unique("k", ""))[0]; next == before {
		s.Errorf("the key is held by job %v, which was cancelled before it ran", before)
	}
}

func uniqueRetry(s *stage) {
	w := s.join()
	id := s.post(unique("k", ""))[0]
	same := func(when string) {
		s.Helper()
		if got := s.post(unique("k", ""))[0]; got != id {
			s.Fatalf("a post %s got job %v, want %v", when, got, id)
		}
	}
	w.end(outcome(w.one(), task.Retry, "again"))
	same("after a failed attempt")
	w.end(outcome(w.one(), task.Release, ""))
	same("after a release")
	w.one()
	w.crash()
	same("after its worker was lost")
	w = s.join()
	w.succeed(w.one())
	if got := s.post(unique("k", ""))[0]; got == id {
		s.Errorf("the key is held by job %v, which has succeeded", id)
	}
}

func uniqueBatch(s *stage) {
	ids := s.post(unique("k", "1"), unique("l", "2"), unique("k", "3"))
	if ids[0] != ids[2] || ids[0] == ids[1] {
		s.Errorf("got IDs %v, want the first and the last to be the same", ids)
	}
	w := s.join()
	w.take(2)
	w.idle("two jobs were posted")
}

func uniqueDelayed(s *stage) {
	c := unique("k", "")
	c.Spec.Delay = task.MaxDelay
	id := s.post(c)[0]
	if got := s.post(unique("k", ""))[0]; got != id {
		s.Errorf("got job %v, want %v, which is scheduled", got, id)
	}
	s.join().idle("the job that holds the key is far from due")
}

func idempotent(s *stage) {
	id := s.post(idem("k", "p"))[0]
	same := func(when string) {
		s.Helper()
		if got := s.post(idem("k", "p"))[0]; got != id {
			s.Errorf("a post %s got job %v, want %v", when, got, id)
		}
	}
	same("while it is ready")
	w := s.join()
	j := w.one()
	w.idle("one job was posted")
	same("while it runs")
	w.succeed(j)
	same("after its success")
	w.idle("one job was posted, and has ended")
	dead := s.post(idem("dead", "p"))[0]
	w.end(outcome(w.one(), task.Fail, "broken"))
	if got := s.post(idem("dead", "p"))[0]; got != dead {
		s.Errorf("a post after the failure got job %v, want %v", got, dead)
	}
}

func idempotentConflict(s *stage) {
	id := s.post(idem("k", "p"))[0]
	conflict := func(when string) {
		s.Helper()
		_, err := s.b.Post(s.ctx, []task.Call{idem("k", "other")})
		s.wantErr(err, task.ErrConflict, "Post of another payload %s", when)
	}
	conflict("while the job is ready")
	w := s.join()
	w.succeed(w.one())
	conflict("after its success")
	w.idle("the others were refused")
	s.wantState(id, task.Succeeded)
}

func idempotentCodec(s *stage) {
	s.post(idem("k", "p"))
	c := idem("k", "p")
	c.Payload.Codec = task.CodecJSON
	_, err := s.b.Post(s.ctx, []task.Call{c})
	s.wantErr(err, task.ErrConflict, "Post of another codec")
	c = idem("k", "p")
	c.Spec.MaxAttempts = 9
	s.post(c) // options may differ
}

// ownKeys: or a post could be answered with another function's job.
func ownKeys(s *stage) {
	var ids []task.ID
	for _, c := range []task.Call{unique("k", "p"), idem("k", "p")} {
		for _, fs := range [][]string{{"f"}, {"g"}, {"f", "g"}, nil} {
			c.Functions = fs
			ids = append(ids, s.post(c)[0])
			if again := s.post(c)[0]; again != ids[len(ids)-1] {
				s.Errorf("posted again for %q it is job %v, want %v", fs, again, ids[len(ids)-1])
			}
		}
	}
	slices.SortFunc(ids, func(a, b task.ID) int { return bytes.Compare(a[:], b[:]) })
	if n := len(slices.Compact(ids)); n != 8 {
		s.Errorf("eight functions and keys made %d jobs", n)
	}
}

func idempotentBatch(s *stage) {
	ids := s.post(idem("k", "p"), idem("k", "p"), idem("l", "p"))
	if ids[0] != ids[1] || ids[0] == ids[2] {
		s.Errorf("got IDs %v, want the first two to be the same", ids)
	}
	_, err := s.b.Post(s.ctx, []task.Call{idem("m", "p"), idem("m", "other")})
	s.wantErr(err, task.ErrConflict, "Post of two payloads under one key")
	w := s.join()
	w.take(3)
	w.idle("three jobs were posted")
}

func conflictFirst(s *stage) {
	s.post(idem("k", "p"))
	cs := calls("f", 9)
	cs[4].Spec.IdempotencyKey = "k"
	_, err := s.b.Post(s.ctx, cs)
	pe, ok := errors.AsType[*task.PostError](err)
	if !ok || pe.First != 4 || !errors.Is(err, task.ErrConflict) {
		s.Fatalf("Post with a conflict in call 4: %v, want a PostError that names it", err)
	}
	for i := range 4 {
		s.wantState(cs[i].ID, task.Ready)
	}
	cs[4].Spec.IdempotencyKey = "free"
	s.post(cs...)
	w := s.join()
	w.take(10)
	w.idle("nine jobs and that of the key were posted")
}

func derived(s *stage) {
	w := s.join()
	s.post(call("f", "parent"))
	parent := w.one()
	derive := func(occurrence uint64) task.Call {
		c := call("g", "child")
		c.ID = task.DeriveID(parent.ID, sha256.Sum256(c.Payload.Bytes), occurrence, task.ClassFor(0))
		c.Parent, c.Depth = parent.ID, 1
		return c
	}
	first := s.post(derive(0))[0]
	if first.Partition() >= s.b.Partitions() || first.Kind() != task.KindDerived {
		s.Fatalf("a derived job was placed as %v", first)
	}
	if again := s.post(derive(0))[0]; again != first {
		s.Errorf("posted again, it is job %v, want %v", again, first)
	}
	if second := s.post(derive(1))[0]; second == first {
		s.Errorf("the second occurrence is the same job %v", first)
	}
	children := w.take(2)
	w.idle("two were posted")
	w.succeed(children...)
	if again := s.post(derive(0))[0]; again != first {
		s.Errorf("posted again after the end, it is job %v, want %v", again, first)
	}
	w.idle("both have ended")
}

func keyKinds(s *stage) {
	u, i, plain := s.post(unique("k", "p"))[0], s.post(idem("k", "p"))[0], s.post(call("f", "p"))[0]
	if u == i || u == plain || i == plain {
		s.Errorf("jobs with a unique key, an idempotency key of the same name and none are %v, %v, %v", u, i, plain)
	}
}

func bothKeys(s *stage) {
	both := func(u, i string) task.Call {
		c := unique(u, "p")
		c.Spec.IdempotencyKey = i
		return c
	}
	id := s.post(both("u", "i"))[0]
	if got := s.post(both("u", "i"))[0]; got != id {
		s.Errorf("got job %v, want %v, which has both keys", got, id)
	}
	if got := s.post(unique("u", "other"))[0]; got != id {
		s.Errorf("got job %v, want %v, which holds the unique key", got, id)
	}
	w := s.join()
	w.succeed(w.one())
	if got := s.post(both("u", "i"))[0]; got != id {
		s.Errorf("got job %v, want %v, which has the idempotency key", got, id)
	}
	w.idle("one job was posted, and has ended")
}

func repostWithKey(s *stage) {
	cs := []task.Call{unique("u", "p"), idem("i", "p")}
	first := s.post(cs...)
	wantEqual(s, "IDs of the second post", s.post(cs...), first)
	w := s.join()
	w.succeed(w.take(2)...)
	wantEqual(s, "IDs of the post after the end", s.post(cs...), first)
	w.idle("both have ended")
}
