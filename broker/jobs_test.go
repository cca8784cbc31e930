package broker

import (
	"fmt"
	"testing"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// allJobs reads all pages of jobs, and counts how often each is there.
func allJobs(t *testing.T, b *Broker, q JobQuery) map[task.ID]int {
	t.Helper()
	seen := map[task.ID]int{}
	for range 10_000 {
		page, err := b.Jobs(t.Context(), q)
		must(t, err)
		for _, r := range page.Records {
			if seen[r.ID]++; r.State != q.State || q.Queue != "" && r.Spec.Queue != q.Queue {
				t.Errorf("among jobs of %q that are %v is %v, %v of %q", q.Queue, q.State, r.ID, r.State, r.Spec.Queue)
			}
		}
		if q.After = page.Next; q.After == "" {
			return seen
		}
	}
	t.Fatalf("%+v has no last page", q)
	return nil
}

// jobStory leaves jobs in all states.
func jobStory(t *testing.T, b *Broker) {
	t.Helper()
	h, ctx := newHand(t, b), t.Context()
	var cs []task.Call
	for i := range 200 {
		c := fCall(fmt.Sprint(i))
		c.Spec.Retention = []time.Duration{24 * time.Hour, time.Hour, 0}[i%3]
		cs = append(cs, c)
	}
	post(t, b, cs...)
	h.work(t, func(j task.Job) task.Outcome {
		o := succeeded(j)
		switch j.Payload.Bytes[len(j.Payload.Bytes)-1] {
		case '1':
			o = failed(j)
		case '2':
			o.Verdict = task.SkipJob
		}
		return o
	})
	ids := post(t, b, fCalls(60)...)
	for _, id := range ids[:20] {
		_, err := b.Cancel(ctx, id)
		must(t, err)
	}
	delayed := fCall("delayed")
	delayed.Spec.Delay = time.Hour
	post(t, b, delayed)
	_, err := b.Submit(ctx, task.Plan{Name: "p", Nodes: []task.Node{{Call: fCall("node")}, {Call: fCall("child"), Parents: task.After(0)}}})
	must(t, err)
	_, err = h.claim(ctx, 10)
	must(t, err)
}

func TestJobsAreListedByState(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		jobStory(t, b)
		counts, err := b.Counts(t.Context())
		must(t, err)
		for _, state := range task.States() {
			if counts[state] == 0 {
				t.Errorf("the story has no job that is %v", state)
			}
			for _, limit := range []int{1, 30, 500} {
				for queue, want := range map[string]int{"": counts[state], "default": counts[state], "other": 0} {
					seen := allJobs(t, b, JobQuery{State: state, Queue: queue, Limit: limit})
					if len(seen) != want {
						t.Errorf("pages of %d have %d jobs of %q that are %v, want %d", limit, len(seen), queue, state, want)
					}
				}
			}
		}
		for _, q := range []JobQuery{{}, {State: task.Ready, Limit: -1}, {State: task.Ready, After: "x"}, {State: task.Skipped, After: "0.0.+0.ab"}, {State: task.Failed, After: "x"}, {State: task.Ready, After: "9999.0.-0."}} {
			_, err := b.Jobs(t.Context(), q)
			wantErr(t, fmt.Sprintf("Jobs of %+v", q), err, task.ErrInvalid)
		}
	})
}

func TestJobsAreListedOnACluster(t *testing.T) {
	t.Parallel()
	b := open(t, clusterURL(redistest.Cluster(t)), patient)
	jobStory(t, b)
	counts, err := b.Counts(t.Context())
	must(t, err)
	for _, state := range []task.State{task.Ready, task.Succeeded, task.Failed} {
		if got := allJobs(t, b, JobQuery{State: state}); len(got) != counts[state] {
			t.Errorf("%d jobs are %v, want %d", len(got), state, counts[state])
		}
	}
}

func TestClearLeavesNothing(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		ctx := t.Context()
		jobStory(t, b)
		_, err := b.Clear(ctx, ClearConfig{})
		wantErr(t, "Clear while there is a worker", err, ErrInUse)
		before, err := b.rdb.DBSize(ctx).Result()
		must(t, err)
		if n, err := b.Clear(ctx, ClearConfig{Force: true}); err != nil || n < 10 || int64(n) > before {
			t.Errorf("Clear: %d, %v; there were %d keys", n, err, before)
		}
		for _, pre := range append([]string{metaKey(b.Namespace())}, b.prefixes...) {
			if keys, err := b.rdb.Keys(ctx, globEscape(pre)+"*").Result(); len(keys) > 0 || err != nil {
				t.Errorf("left are %v, %v", keys, err)
			}
		}
		if n, err := b.Clear(ctx, ClearConfig{}); n != 0 || err != nil {
			t.Errorf("Clear again: %d, %v", n, err)
		}
		h := newHand(t, b)
		post(t, b, fCall("x"))
		if jobs := h.work(t, succeeded); len(jobs) != 1 {
			t.Errorf("after it %d jobs ran, want 1", len(jobs))
		}
	})
}

// TestClearLeavesOtherNamespacesAlone: its patterns match nothing else.
func TestClearLeavesOtherNamespacesAlone(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	one, two := open(t, s.URL(), Config{Namespace: "a"}), open(t, s.URL(), Config{Namespace: "ab"})
	post(t, one, fCall("x"))
	id := post(t, two, fCall("x"))[0]
	if n, err := one.Clear(t.Context(), ClearConfig{}); n == 0 || err != nil {
		t.Errorf("Clear: %d, %v", n, err)
	}
	wantState(t, two, id, task.Ready)
	open(t, s.URL(), Config{Namespace: "a", Partitions: 2}) // it may have another number now
	if _, err := Open(t.Context(), s.URL(), quietly(t, Config{Namespace: "ab", Partitions: 2})); err == nil {
		t.Error("the other namespace has forgotten what it is")
	}
}
