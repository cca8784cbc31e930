package broker

import (
	"errors"
	"slices"
	"testing"

	"github.com/gomlq/mlq/task"
)

// onAll runs a story of an operator on servers with one and several partitions, and on
// the one that is built in. What is stored must be sound after it.
func onAll(t *testing.T, story func(t *testing.T, b *Broker)) {
	t.Helper()
	t.Parallel()
	for name, server := range map[string]func(t *testing.T) func(*testing.T) *Broker{
		"Redis": onRedis(1), "ThreePartitions": onRedis(3), "Embedded": onEmbedded,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(t, checked(t, server(t)(t)))
		})
	}
}

// failed returns the outcome of an attempt that has failed for good.
func failed(j task.Job) task.Outcome {
	return task.Outcome{Lease: j.Lease, Verdict: task.Fail, Failure: task.Failure{
		Attempt: j.Attempt, Kind: task.FailurePanic, Message: "failed " + string(j.Payload.Bytes), Stack: "a stack",
	}}
}

// work ends attempts of all jobs there are, and returns the jobs.
func (h *hand) work(t *testing.T, end func(task.Job) task.Outcome) (all []task.Job) {
	t.Helper()
	for {
		jobs, err := h.claim(t.Context(), 100)
		must(t, err)
		if len(jobs) == 0 {
			return all
		}
		for _, j := range jobs {
			_, err := h.exchange(t.Context(), j.ID.Partition(), 0, end(j))
			must(t, err)
		}
		all = append(all, jobs...)
	}
}

// post posts calls.
func post(t *testing.T, b *Broker, cs ...task.Call) []task.ID {
	t.Helper()
	ids, err := b.Post(t.Context(), cs)
	must(t, err)
	return ids
}

// wantState fails the test unless a job has a state.
func wantState(t *testing.T, b *Broker, id task.ID, want task.State) task.Record {
	t.Helper()
	got, err := b.Read(t.Context(), []task.ID{id})
	must(t, err)
	if got[0].State != want {
		t.Errorf("%v is %v, want %v", id, got[0].State, want)
	}
	return got[0]
}

// pages reads all pages of dead letters.
func pages(t *testing.T, b *Broker, q DeadQuery) (all []task.Record) {
	t.Helper()
	for range 1000 {
		page, err := b.DeadLetters(t.Context(), q)
		must(t, err)
		if q.Limit > 0 && len(page.Records) > q.Limit {
			t.Errorf("a page of %d has %d records", q.Limit, len(page.Records))
		}
		all = append(all, page.Records...)
		if q.After = page.Next; q.After == "" {
			return all
		}
	}
	t.Fatalf("%+v has no last page", q)
	return nil
}

func TestDeadLettersAreListedPageByPage(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		h := newHand(t, b)
		ids := post(t, b, fCalls(50)...)
		other := fCall("other")
		other.Functions = []string{"f", "g"}
		h2, err := b.Join(t.Context(), task.Worker{Queues: []string{"default"}, Functions: []string{"f", "g"}, LeaseTTL: soon}, func(task.Signal) {})
		must(t, err)
		otherID := post(t, b, other)[0]
		h.work(t, failed)
		(&hand{b: b, id: h2, numbers: make([]uint64, b.Partitions())}).work(t, failed)
		ids = append(ids, otherID)

		byAge := func(x, y task.Record) int { return x.Finished.Compare(y.Finished) }
		for _, limit := range []int{1, 7, 51, 500} {
			newest, oldest := pages(t, b, DeadQuery{Limit: limit}), pages(t, b, DeadQuery{Limit: limit, Oldest: true})
			var seen []task.ID
			for _, r := range oldest {
				seen = append(seen, r.ID)
			}
			slices.Reverse(newest)
			if !slices.EqualFunc(newest, oldest, func(x, y task.Record) bool { return x.ID == y.ID }) || !slices.IsSortedFunc(oldest, byAge) {
				t.Errorf("pages of %d are not in order", limit)
			}
			sortIDs(seen)
			if want := sortIDs(slices.Clone(ids)); !slices.Equal(seen, want) {
				t.Errorf("pages of %d have %d dead letters, want each of %d once", limit, len(seen), len(want))
			}
		}
		got := pages(t, b, DeadQuery{DeadFilter: DeadFilter{Task: "g"}, Limit: 3})
		if len(got) != 1 || got[0].ID != otherID {
			t.Errorf("of g there are %v, want %v", got, otherID)
		}
		if f := got[0].Failures; len(f) != 1 || f[0].Message != "failed other" || f[0].Stack != "a stack" || string(got[0].Payload.Bytes) != "other" || got[0].Finished.IsZero() {
			t.Errorf("the dead letter is %+v", got[0])
		}
		if got := pages(t, b, DeadQuery{DeadFilter: DeadFilter{Queue: "nowhere"}}); len(got) != 0 {
			t.Errorf("of a queue that has none there are %d", len(got))
		}
		_, err = b.DeadLetters(t.Context(), DeadQuery{After: "rubbish"})
		wantErr(t, "a cursor that is none", err, task.ErrInvalid)
		_, err = b.DeadLetters(t.Context(), DeadQuery{Limit: MaxPage + 1})
		wantErr(t, "a page that is too large", err, task.ErrInvalid)
	})
}

func sortIDs(ids []task.ID) []task.ID {
	slices.SortFunc(ids, func(x, y task.ID) int { return slices.Compare(x[:], y[:]) })
	return ids
}

func TestADeadLetterIsRedrivenWithAllItsAttempts(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		h, ctx := newHand(t, b), t.Context()
		c := fCall("x")
		c.Spec.UniqueKey, c.Spec.IdempotencyKey = "key", "key"
		id := post(t, b, c)[0]
		zombie := h.work(t, failed)[0]
		rival := post(t, b, fCall("rival"))[0]
		_, err := b.Redrive(ctx, rival)
		wantErr(t, "redrive of a ready job", err, task.ErrInvalid)
		_, err = b.Cancel(ctx, rival)
		must(t, err)

		state, err := b.Redrive(ctx, id)
		if err != nil || state != task.Ready {
			t.Errorf("Redrive: %v, %v", state, err)
		}
		r := wantState(t, b, id, task.Ready)
		if r.Attempt != 1 || len(r.Failures) != 1 || r.Lease.Epoch == zombie.Lease.Epoch {
			t.Errorf("it is at attempt %d, epoch %d, with %d failures; want the first one of another epoch, and its history", r.Attempt, r.Lease.Epoch, len(r.Failures))
		}
		if got, err := b.Post(ctx, []task.Call{c}); err != nil || got[0] != id {
			t.Errorf("its unique key leads to %v, %v; want %v", got, err, id)
		}
		got, err := h.exchange(ctx, id.Partition(), 0, succeeded(zombie))
		if err != nil || !slices.Equal(got.Lost, []task.ID{id}) {
			t.Errorf("what the zombie says is answered with %+v, %v; want LOST", got, err)
		}
		h.work(t, succeeded)
		wantState(t, b, id, task.Succeeded)
		_, err = b.Redrive(ctx, id)
		wantErr(t, "redrive of a job that has succeeded", err, task.ErrInvalid)
	})
}

func TestARedriveIsRefusedWhileAnotherHoldsTheKey(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		h, ctx := newHand(t, b), t.Context()
		c := fCall("first")
		c.Spec.UniqueKey = "key"
		first := post(t, b, c)[0]
		h.work(t, failed)
		c = fCall("second")
		c.Spec.UniqueKey = "key"
		second := post(t, b, c)[0]
		_, err := b.Redrive(ctx, first)
		held, ok := errors.AsType[*HeldKeyError](err)
		if !ok || held.Holder != second || held.ID != first || !errors.Is(err, task.ErrConflict) {
			t.Errorf("Redrive: %v, want one that names %v", err, second)
		}
		n, err := b.RedriveAll(ctx, DeadFilter{})
		if held, ok := errors.AsType[*HeldKeyError](err); n != 0 || !ok || held.Holder != second {
			t.Errorf("RedriveAll: %d, %v; want none, and the same error", n, err)
		}
		_, err = b.Repost(ctx, first, c.Payload, RepostConfig{})
		wantErr(t, "Repost", err, task.ErrConflict)
		h.work(t, succeeded)
		if n, err := b.RedriveAll(ctx, DeadFilter{}); n != 1 || err != nil {
			t.Errorf("RedriveAll when the key is free: %d, %v; want 1", n, err)
		}
		wantState(t, b, first, task.Ready)
	})
}

// endsOf returns what ends an attempt badly if its payload is bad, else well.
func endsOf(bad ...string) func(task.Job) task.Outcome {
	return func(j task.Job) task.Outcome {
		if slices.Contains(bad, string(j.Payload.Bytes)) {
			return failed(j)
		}
		return succeeded(j)
	}
}

func TestRedriveOfANodeLetsItsRunGoOn(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		h, ctx := newHand(t, b), t.Context()
		run, err := b.Submit(ctx, task.Plan{Name: "p", KeepGoing: true, Nodes: []task.Node{
			{Call: fCall("good")}, {Call: fCall("bad")}, {Call: fCall("late"), Parents: task.After(0)},
			{Call: fCall("child"), Parents: task.After(1)},
		}})
		must(t, err)
		p := run.Partition()
		got, err := h.exchange(ctx, p, 2)
		must(t, err)
		for _, j := range got.Jobs {
			_, err := h.exchange(ctx, p, 0, endsOf("bad")(j))
			must(t, err)
		}
		bad := run.Node(1)
		wantState(t, b, bad, task.Failed)
		_, err = b.Redrive(ctx, bad)
		wantErr(t, "redrive while the run goes on", err, task.ErrUnavailable)
		wantErr(t, "delete while the run goes on", b.DeleteDead(ctx, bad), task.ErrUnavailable)
		_, err = b.Repost(ctx, bad, fCall("x").Payload, RepostConfig{})
		wantErr(t, "repost while the run goes on", err, task.ErrUnavailable)
		h.work(t, succeeded)

		state, err := b.Redrive(ctx, bad)
		if err != nil || state.Terminal() {
			t.Errorf("Redrive: %v, %v", state, err)
		}
		var began []string
		for _, j := range h.work(t, succeeded) {
			began = append(began, string(j.Payload.Bytes))
		}
		if want := []string{"bad", "child"}; !slices.Equal(began, want) {
			t.Errorf("the run went on with %v, want %v", began, want)
		}
		if r, err := b.Run(ctx, run); err != nil || r.State != task.Succeeded {
			t.Errorf("the run is %+v, %v", r, err)
		}
	})
}

func TestAllDeadLettersAreRedrivenOrDeleted(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		h, ctx := newHand(t, b), t.Context()
		post(t, b, fCalls(300)...)
		for range 3 {
			_, err := b.Submit(ctx, task.Plan{Name: "p", Nodes: []task.Node{{Call: fCall("node")}, {Call: fCall("node")}}})
			must(t, err)
		}
		h.work(t, failed)
		counts, err := b.Counts(ctx)
		must(t, err)
		if n, err := b.RedriveAll(ctx, DeadFilter{Task: "g"}); n != 0 || err != nil {
			t.Errorf("RedriveAll of g: %d, %v; want none", n, err)
		}
		if n, err := b.RedriveAll(ctx, DeadFilter{Queue: "default", Task: "f"}); n != counts[task.Failed] || n < 303 || err != nil {
			t.Errorf("RedriveAll: %d, %v; want %d", n, err, counts[task.Failed])
		}
		if n, err := b.RedriveAll(ctx, DeadFilter{}); n != 0 || err != nil {
			t.Errorf("RedriveAll again: %d, %v; want none", n, err)
		}
		h.work(t, failed)
		counts, err = b.Counts(ctx)
		must(t, err)
		if n, err := b.DeleteAllDead(ctx, DeadFilter{}); n != counts[task.Failed] || n < 303 || err != nil {
			t.Errorf("DeleteAllDead: %d, %v; want %d", n, err, counts[task.Failed])
		}
		if counts, err = b.Counts(ctx); err != nil || counts[task.Failed] != 0 || counts.Live() != 0 {
			t.Errorf("then there are %v, %v", counts, err)
		}
	})
}

func TestADeadLetterIsPostedAgainWithAnotherPayload(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		h, ctx := newHand(t, b), t.Context()
		c := fCall("bad")
		c.Spec.UniqueKey, c.Spec.IdempotencyKey = "key", "key"
		c.Spec.MaxAttempts, c.Spec.Headers = 7, map[string]string{"a": "b"}
		old := post(t, b, c)[0]
		h.work(t, failed)
		for _, keep := range []bool{true, false} {
			id, err := b.Repost(ctx, old, fCall("good").Payload, RepostConfig{Keep: keep})
			must(t, err)
			r := wantState(t, b, id, task.Ready)
			idem := "key"
			if keep {
				idem = ""
			}
			if r.Spec.UniqueKey != "key" || r.Spec.MaxAttempts != 7 || r.Spec.Headers["a"] != "b" || r.Spec.IdempotencyKey != idem || string(r.Payload.Bytes) != "good" || len(r.Failures) > 0 {
				t.Errorf("keep %t: the new job is %+v", keep, r)
			}
			_, err = b.Read(ctx, []task.ID{old})
			if keep != (err == nil) {
				t.Errorf("keep %t: reading the dead letter: %v", keep, err)
			}
			h.work(t, succeeded)
		}
		_, err := b.Repost(ctx, old, c.Payload, RepostConfig{})
		wantErr(t, "repost of one that is gone", err, task.ErrUnknown)
		wantErr(t, "delete of one that is gone", b.DeleteDead(ctx, old), task.ErrUnknown)
	})
}

// TestADamagedDeadLetterIsListedAndDeleted: one that nobody can read must not hide the others.
func TestADamagedDeadLetterIsListedAndDeleted(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		h, ctx := newHand(t, b), t.Context()
		ids := post(t, b, fCalls(3)...)
		h.work(t, failed)
		bad := ids[1]
		must(t, b.rdb.HSet(ctx, b.prefixes[bad.Partition()]+"jobs", bad[:], "rubbish").Err())
		got := pages(t, b, DeadQuery{Oldest: true})
		faults := map[task.ID]error{}
		for _, r := range got {
			if r.Fault != nil {
				faults[r.ID] = r.Fault
			}
		}
		if len(got) != 3 || len(faults) != 1 {
			t.Errorf("%d records, %d of which cannot be read; want 3 and 1", len(got), len(faults))
		}
		wantErr(t, "the fault", faults[bad], task.ErrDamaged)
		if n, err := b.RedriveAll(ctx, DeadFilter{}); n != 2 || !errors.Is(err, task.ErrDamaged) {
			t.Errorf("RedriveAll: %d, %v; want 2, and that the other cannot be read", n, err)
		}
		must(t, b.DeleteDead(ctx, bad))
		if got := pages(t, b, DeadQuery{}); len(got) != 0 {
			t.Errorf("then there are %d dead letters", len(got))
		}
		must(t, b.rdb.HIncrBy(ctx, b.prefixes[bad.Partition()]+"cnt", "default:F", -1).Err()) // what nobody can read is not counted
		must(t, b.rdb.HIncrBy(ctx, b.prefixes[bad.Partition()]+"cnt", "default:D", 1).Err())
	})
}
