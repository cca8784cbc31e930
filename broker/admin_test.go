package broker

import (
	"slices"
	"testing"
	"time"

	"github.com/gomlq/mlq/task"
)

// administer calls what an operator calls, on a broker where nothing happens.
func administer(t *testing.T, b *Broker) {
	t.Helper()
	ctx := t.Context()
	c := task.Call{Functions: []string{"admin"}}
	c.Spec.Queue = "admin"
	id := post(t, b, c)[0]
	_, err := b.Queues(ctx)
	must(t, err)
	_, err = b.WorkerRecords(ctx)
	must(t, err)
	_, err = b.Throughput(ctx, "admin")
	must(t, err)
	_, err = b.DeadLetters(ctx, DeadQuery{})
	must(t, err)
	must(t, b.PauseQueue(ctx, "admin"))
	must(t, b.ResumeQueue(ctx, "admin"))
	_, err = b.ShutdownAll(ctx)
	must(t, err)
	_, err = b.RedriveAll(ctx, DeadFilter{})
	must(t, err)
	_, err = b.Cancel(ctx, id)
	must(t, err)
}

func TestQueuesTellHowTheyStand(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		ctx := t.Context()
		if qs, err := b.Queues(ctx); len(qs) != 0 || err != nil {
			t.Errorf("of nothing there are %v, %v", qs, err)
		}
		h := newHand(t, b)
		begun := b.now().Add(-time.Minute)
		stale := post(t, b, fCall("cancelled"))[0]
		_, err := b.Cancel(ctx, stale)
		must(t, err)
		cs := fCalls(20)
		late, other := fCall("late"), fCall("other")
		late.Spec.Delay, other.Spec.Queue = time.Hour, "other"
		child := other
		child.ID, child.Parent = task.DeriveID(task.ID{1}, [32]byte{1}, 0, 0), task.ID{1}
		ids := post(t, b, cs...)
		post(t, b, late, other, child)
		first, err := h.claim(ctx, 3)
		must(t, err)
		must(t, h.finish(ctx, first[0]))
		must(t, b.PauseQueue(ctx, "held"))
		qs, err := b.Queues(ctx)
		must(t, err)
		var names []string
		for _, q := range qs {
			names = append(names, q.Name)
		}
		if want := []string{"default", "held", "other"}; !slices.Equal(names, want) {
			t.Fatalf("queues are %v, want %v", names, want)
		}
		d := qs[0]
		if c := d.Counts; c[task.Ready] != 17 || c[task.Running] != 2 || c[task.Scheduled] != 1 || c[task.Succeeded] != 1 || c[task.Cancelled] != 1 {
			t.Errorf("jobs of the default queue are %v", c)
		}
		oldest := ids[len(ids)-1].Time()
		for _, id := range ids {
			if !slices.ContainsFunc(first, func(j task.Job) bool { return j.ID == id }) && id.Time().Before(oldest) {
				oldest = id.Time()
			}
		}
		if d.Workers != 1 || d.Paused || !d.Oldest.Equal(oldest) || d.Oldest.Before(begun) {
			t.Errorf("the default queue is %+v, want one worker, and the oldest of %v", d, oldest)
		}
		if q := qs[1]; !q.Paused || q.Workers != 0 || !q.Oldest.IsZero() || q.Counts.Live() != 0 {
			t.Errorf("the paused queue is %+v", q)
		}
		if q := qs[2]; q.Counts[task.Ready] != 2 || q.Oldest.Before(begun) || q.Oldest.After(time.Now().Add(time.Minute)) {
			t.Errorf("the other queue is %+v", q)
		}
	})
}

func TestWorkersTellWhatTheyRun(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		ctx := t.Context()
		h, idle := newHand(t, b), newHand(t, b)
		post(t, b, fCalls(5)...)
		jobs, err := h.claim(ctx, 3)
		must(t, err)
		lost := newHand(t, b)
		_, err = lost.claim(ctx, 1)
		must(t, err)
		must(t, b.Leave(ctx, lost.id)) // what it holds is nobody's
		ws, err := b.WorkerRecords(ctx)
		must(t, err)
		if len(ws) != 2 {
			t.Fatalf("%d workers, want 2", len(ws))
		}
		var want, got []task.ID
		for _, j := range jobs {
			want = append(want, j.ID)
		}
		for _, w := range ws {
			switch w.Session {
			case idle.id:
				if len(w.Running) != 0 {
					t.Errorf("the idle one runs %v", w.Running)
				}
			case h.id:
				if w.Name != "hand" || !slices.Equal(w.Queues, []string{"default"}) {
					t.Errorf("the worker is %+v", w.Worker)
				}
				for _, r := range w.Running {
					got = append(got, r.ID)
					if r.Queue != "default" || !slices.Equal(r.Functions, []string{"f"}) || time.Since(r.Since).Abs() > soon {
						t.Errorf("it runs %+v", r)
					}
				}
			}
		}
		if !slices.Equal(sortIDs(got), sortIDs(want)) {
			t.Errorf("it runs %v, want %v", got, want)
		}
	})
}

// signalled joins a worker, and returns what it hears.
func signalled(t *testing.T, b *Broker, name string) (task.SessionID, chan task.Signal) {
	t.Helper()
	heard := make(chan task.Signal, 1000)
	id, err := b.Join(t.Context(), task.Worker{Name: name, Queues: []string{"default"}, Functions: []string{"f"}, LeaseTTL: 10 * time.Minute}, func(s task.Signal) { heard <- s })
	must(t, err)
	return id, heard
}

// hasEnd waits until a session hears that it should end.
func hasEnd(t *testing.T, heard chan task.Signal) {
	t.Helper()
	deadline := time.After(soon)
	for {
		select {
		case s := <-heard:
			if s.Kind == task.SignalShutdown {
				return
			}
		case <-deadline:
			t.Fatal("the session has not heard that it should end")
		}
	}
}

func TestWorkersAreAskedToEnd(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		ctx := t.Context()
		one, heard := signalled(t, b, "one")
		_, others := signalled(t, b, "others")
		_, others2 := signalled(t, b, "others")
		if n, err := b.Shutdown(ctx, one.String()); n != 1 || err != nil {
			t.Errorf("Shutdown of a session: %d, %v; want 1", n, err)
		}
		_, err := b.Beat(ctx, one) // the message may have come before it listened
		must(t, err)
		hasEnd(t, heard)
		if n, err := b.Shutdown(ctx, "others"); n != 2 || err != nil {
			t.Errorf("Shutdown of a name: %d, %v; want 2", n, err)
		}
		_, err = b.Shutdown(ctx, "nobody")
		wantErr(t, "Shutdown of nobody", err, task.ErrUnknown)
		if n, err := b.ShutdownAll(ctx); n != 3 || err != nil {
			t.Errorf("ShutdownAll: %d, %v; want 3", n, err)
		}
		for s := range b.sessions.Range {
			id, _ := s.(task.SessionID)
			revoked, err := b.Beat(ctx, id)
			if err != nil || len(revoked) > 0 {
				t.Errorf("Beat: %v, %v; want nothing cancelled", revoked, err)
			}
		}
		hasEnd(t, others)
		hasEnd(t, others2)
	})
}

// TestAWorkerThatMissesTheMessageHearsItByItsBeat: the message alone is only a shortcut.
func TestAWorkerThatMissesTheMessageHearsItByItsBeat(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		id, heard := signalled(t, b, "deaf")
		must(t, b.Rejoin(t.Context(), id, task.Worker{Name: "deaf", Queues: []string{"default"}, Functions: []string{"g"}, LeaseTTL: 10 * time.Minute}))
		b.inbox.forget(string(id[:]))
		n, err := b.ShutdownAll(t.Context())
		if n != 1 || err != nil {
			t.Errorf("ShutdownAll: %d, %v; want 1", n, err)
		}
		for range 2 { // and again, in case it was busy
			_, err = b.Beat(t.Context(), id)
			must(t, err)
			hasEnd(t, heard)
		}
	})
}
