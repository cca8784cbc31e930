package broker

import (
	"testing"
	"time"

	"github.com/gomlq/mlq/task"
)

// sum adds up periods, and returns the last one that has something.
func sum(ps []Period) (all, last Period) {
	for _, p := range ps {
		all.Succeeded += p.Succeeded
		all.Failed += p.Failed
		all.Cancelled += p.Cancelled
		all.Skipped += p.Skipped
		if p.Succeeded+p.Failed+p.Cancelled+p.Skipped > 0 {
			last = p
		}
	}
	return all, last
}

// TestThroughputIsKeptForEachMinuteAndHour works by a clock that is set, with the counters
// as jobs would leave them.
func TestThroughputIsKeptForEachMinuteAndHour(t *testing.T) {
	t.Parallel()
	n := newBench(t, testConfig)
	ctx := t.Context()
	must(t, n.reset(ctx))
	// The broker reads the time of its machine: the story ends now.
	const minutes = 90
	begin := time.Now().Truncate(time.Minute).Add(-minutes * time.Minute)
	tick := func(at time.Time) {
		must(t, n.setClock(ctx, at.UnixMilli()))
		_, _, err := n.b.tickOnce(ctx, 0, false)
		must(t, err)
	}
	count := func(letter string, by int64) {
		must(t, n.rdb.HIncrBy(ctx, n.b.prefixes[0]+"cnt", "q:"+letter, by).Err())
	}
	for i := range minutes {
		at := begin.Add(time.Duration(i) * time.Minute)
		tick(at.Add(time.Second)) // notes the minute before
		count("S", 2)
		count("P", 4)
		count("F", 1)
		count("C", int64(i%2))
		count("K", int64(1-i%2))
		tick(at.Add(30 * time.Second)) // notes nothing
	}
	tick(begin.Add(minutes*time.Minute + time.Millisecond))
	got, err := n.b.Throughput(ctx, "q")
	must(t, err)
	if len(got.Minutes) != RateMinutes || len(got.Hours) != RateHours {
		t.Fatalf("%d minutes and %d hours, want %d and %d", len(got.Minutes), len(got.Hours), RateMinutes, RateHours)
	}
	for i, p := range got.Minutes[:RateMinutes-2] { // the minute may be over by now
		if p.Succeeded != 2 || p.Failed != 1 || p.Cancelled+p.Skipped != 1 {
			t.Errorf("minute %d is %+v, want 2 successes, a dead letter and another end", i, p)
		}
	}
	if all, last := sum(got.Hours); all.Succeeded != 2*minutes || all.Failed != minutes || all.Cancelled != minutes/2 || all.Skipped != minutes/2 || time.Since(last.Start) > 2*time.Hour {
		t.Errorf("the hours are %+v together, the last is %v", all, last.Start)
	}
	fields, err := n.rdb.HLen(ctx, n.b.prefixes[0]+"rate:q").Result()
	if err != nil || fields > RateMinutes+RateHours+1 {
		t.Errorf("it has %d fields, %v", fields, err)
	}
	// A dead letter that is deleted has died all the same; one that is redriven is taken off.
	at := begin.Add(minutes * time.Minute)
	count("F", -1)
	count("D", 1)
	count("F", -1)
	tick(at.Add(time.Minute))
	tick(at.Add(2 * time.Minute))
	if again, err := n.b.Throughput(ctx, "q"); err != nil || fails(again.Hours) != fails(got.Hours) {
		t.Errorf("after a redrive %d have failed, %v; want %d", fails(again.Hours), err, fails(got.Hours))
	}
	if none, err := n.b.Throughput(ctx, "other"); err != nil || fails(none.Hours) != 0 || len(none.Minutes) != RateMinutes {
		t.Errorf("a queue without jobs: %+v, %v", none, err)
	}
	_, err = n.b.Throughput(ctx, "")
	wantErr(t, "a queue without a name", err, task.ErrInvalid)
}

func fails(ps []Period) int {
	all, _ := sum(ps)
	return all.Failed
}

// TestThroughputOfJobs lets jobs end, and the minute too.
func TestThroughputOfJobs(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		h, ctx := newHand(t, b), t.Context()
		post(t, b, fCalls(20)...)
		h.work(t, endsOf("1", "2"))
		for _, pre := range b.prefixes { // as if the last tick had been two minutes ago
			must(t, b.rdb.Set(ctx, pre+"tick", b.now().Add(-2*time.Minute).UnixMilli(), 0).Err())
		}
		_, err := b.Tick(ctx)
		must(t, err)
		got, err := b.Throughput(ctx, "default")
		must(t, err)
		for _, ps := range [][]Period{got.Minutes, got.Hours} {
			if all, last := sum(ps); all.Succeeded != 18 || all.Failed != 2 || last.Succeeded+last.Failed != 20 {
				t.Errorf("periods of %v have %+v together, %+v last; want 18 and 2", ps[1].Start.Sub(ps[0].Start), all, last)
			}
		}
	})
}
