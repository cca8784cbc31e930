package broker

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/internal/timetable"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// clocked returns a broker on addr that works by a settable clock; see setClocks.
func clocked(t *testing.T, addr, namespace string) *Broker {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{
		Addr: addr, Protocol: 2, DisableIdentity: true, MaxRetries: -1, MaintNotificationsConfig: noNotifications(),
	})
	cfg := Config{Namespace: namespace, RetryFor: soon, Logger: slog.New(slog.DiscardHandler)}
	b, err := newBroker(cfg.withDefaults(false), rdb, dialect{}, testClock)
	if err == nil {
		err = b.check(t.Context())
	}
	must(t, err)
	t.Cleanup(func() { must(t, b.Close()) })
	return b
}

// timekeepers are schedulers of several processes, some of which run.
type timekeepers struct {
	t       *testing.T
	brokers []*Broker
	own     []task.Schedule
	stops   []func() // nil for one that does not run
	posted  atomic.Int64
}

func (k *timekeepers) start(i int) {
	if k.stops[i] != nil {
		return
	}
	s, err := runtime.NewScheduler(k.brokers[i], runtime.SchedulerConfig{
		Look: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		Observe: func(f runtime.Firing) {
			if f.Outcome == task.FirePosted && !f.Missed {
				k.posted.Add(1)
			}
		},
	}, k.own...)
	must(k.t, err)
	ctx, cancel := context.WithCancel(k.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			k.t.Errorf("scheduler %d: %v", i, err)
		}
	})
	k.stops[i] = func() { cancel(); wg.Wait() }
}

func (k *timekeepers) stop(i int) {
	if k.stops[i] != nil {
		k.stops[i]()
		k.stops[i] = nil
	}
}

// firedTimes returns the times that stored jobs are for, by schedule, in order.
func firedTimes(t *testing.T, b *Broker) map[string][]time.Time {
	t.Helper()
	jobs, err := b.rdb.HGetAll(t.Context(), b.prefixes[0]+"jobs").Result()
	must(t, err)
	got := map[string][]time.Time{}
	for field, v := range jobs {
		j, _, err := decodeJob(task.ID([]byte(field)), v)
		must(t, err)
		name, at, ok := j.Fire()
		if !ok {
			t.Errorf("job %v is of no schedule", j.ID)
		}
		got[name] = append(got[name], at)
	}
	for _, times := range got {
		slices.SortFunc(times, time.Time.Compare)
	}
	return got
}

// TestFiveSchedulersFireEachTimeOnce lets a clock go on while schedulers are killed and
// started, replies are lost, and commands come twice. All times that have come have one
// job each, those of when nobody ran too.
func TestFiveSchedulersFireEachTimeOnce(t *testing.T) {
	t.Parallel()
	const schedulers, fires = 5, 2000
	server := redistest.Start(t)
	proxy := redistest.StartProxy(t, server.Addr())
	ns := redistest.Namespace(t)
	direct := clocked(t, server.Addr(), ns)
	now := time.UnixMilli(testBegin).UTC()
	setClock := func() { must(t, direct.rdb.Set(t.Context(), direct.prefixes[0]+"clock", now.UnixMilli(), 0).Err()) }
	setClock()
	k := &timekeepers{t: t, stops: make([]func(), schedulers), own: []task.Schedule{
		{Name: "seconds", Every: time.Second, Call: fCall("a")},
		{Name: "odd", Every: 1300 * time.Millisecond, Call: fCall("b")},
		{Name: "cron", Cron: "*/3 * * * * *", Location: "Europe/Berlin", Call: fCall("c")},
		{Name: "jitter", Every: 5 * time.Second, Jitter: 4 * time.Second, Call: fCall("d")},
	}}
	var tables []timetable.Table
	for i := range k.own {
		k.own[i].CatchUp = task.CatchUpAll
		tt, err := timetable.New(k.own[i])
		must(t, err)
		tables = append(tables, tt)
	}
	must(t, direct.KeepSchedules(t.Context(), k.own))
	for range schedulers {
		k.brokers = append(k.brokers, clocked(t, proxy.Addr(), ns))
	}
	t.Cleanup(func() {
		for i := range schedulers {
			k.stop(i)
		}
	})
	begin, seed := now, rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var mu sync.Mutex
	proxy.SetFault(func(int64, redistest.Command) redistest.Mode {
		mu.Lock()
		defer mu.Unlock()
		if r.IntN(10) > 0 {
			return redistest.Pass
		}
		return faults[r.IntN(len(faults))]
	})
	lot := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	dealtWith := func() bool {
		rs, err := direct.Schedules(t.Context())
		must(t, err)
		for _, rec := range rs {
			i := slices.IndexFunc(k.own, func(s task.Schedule) bool { return s.Name == rec.Name })
			until, _ := tables[i].Until(rec.Mark, now)
			if len(tables[i].Last(rec.Mark, until, 1)) > 0 {
				return false
			}
		}
		return true
	}
	for total := 0; total < fires; {
		if lot(5) == 0 { // nobody runs for a while
			for i := range schedulers {
				k.stop(i)
			}
		}
		now = now.Add(time.Duration(1+lot(20_000)) * time.Millisecond)
		setClock()
		k.stop(lot(schedulers))
		for range 1 + lot(schedulers) {
			k.start(lot(schedulers))
		}
		redistest.Eventually(t, soon, dealtWith, "the times up to %v are not dealt with", now)
		n, err := direct.rdb.HLen(t.Context(), direct.prefixes[0]+"jobs").Result()
		must(t, err)
		total = int(n)
	}
	proxy.SetFault(nil)
	for i := range schedulers {
		k.stop(i)
	}
	got := firedTimes(t, direct)
	for i, s := range k.own {
		until, _ := tables[i].Until(begin, now)
		if want := tables[i].Last(begin, until, fires*2); !slices.EqualFunc(got[s.Name], want, time.Time.Equal) {
			t.Errorf("%s: %d jobs for the %d times from %v to %v; got %v", s.Name, len(got[s.Name]), len(want), begin, until, got[s.Name])
		}
	}
	t.Logf("%d times, of which the schedulers heard that they had posted %d", len(got["seconds"])+len(got["odd"])+len(got["cron"])+len(got["jitter"]), k.posted.Load())
	found, err := direct.Fsck(t.Context(), FsckConfig{})
	must(t, err)
	for _, f := range found.Broken {
		t.Errorf("fsck: %v", f)
	}
}

// TestSchedulesOfSeveralPartitionsLieInOne: one command tells whether any has changed.
func TestSchedulesOfSeveralPartitionsLieInOne(t *testing.T) {
	t.Parallel()
	b := open(t, redistest.Shared(t).URL(), Config{Partitions: 3})
	for i := range 9 {
		must(t, b.PutSchedule(t.Context(), task.Schedule{Name: fmt.Sprint("s", i), Every: time.Hour, Call: fCall("")}))
		id, err := b.TriggerSchedule(t.Context(), fmt.Sprint("s", i))
		must(t, err)
		if id.Partition() != schedulePartition {
			t.Errorf("job %v lies in partition %d", id, id.Partition())
		}
	}
	if n, err := b.rdb.HLen(t.Context(), b.prefixes[schedulePartition]+"cron").Result(); err != nil || n != 9 {
		t.Errorf("%d schedules lie in partition %d, %v; want 9", n, schedulePartition, err)
	}
}

// TestADamagedScheduleStopsNoOther: the others are read and fired, and it is put anew.
func TestADamagedScheduleStopsNoOther(t *testing.T) {
	t.Parallel()
	b := open(t, redistest.Shared(t).URL(), Config{})
	ctx := t.Context()
	for _, name := range []string{"bad", "good"} {
		must(t, b.PutSchedule(ctx, task.Schedule{Name: name, Every: time.Hour, Call: fCall(name)}))
	}
	for what, damage := range map[string]func() error{
		"cut":     func() error { return b.rdb.HSet(ctx, b.prefixes[0]+"cron", "bad", "x").Err() },
		"missing": func() error { return b.rdb.HDel(ctx, b.prefixes[0]+"fired", "bad").Err() },
	} {
		must(t, damage())
		rs, err := b.Schedules(ctx)
		wantErr(t, "Schedules with one that is "+what, err, task.ErrDamaged)
		if len(rs) != 1 || rs[0].Name != "good" {
			t.Errorf("with one that is %s: %+v, want the good one", what, rs)
		}
		bad := task.Fire{Schedule: task.Schedule{Name: "bad", Call: fCall("bad")}, Revision: 1, At: rs[0].Mark}
		good := task.Fire{Schedule: rs[0].Schedule, Revision: rs[0].Revision, At: rs[0].Mark.Add(time.Millisecond)}
		got, err := b.Fire(ctx, []task.Fire{bad, good})
		must(t, err)
		if got.Outcomes[0] != task.FireChanged || got.Outcomes[1] == task.FireChanged {
			t.Errorf("with one that is %s: fired %v", what, got.Outcomes)
		}
		must(t, b.PutSchedule(ctx, task.Schedule{Name: "bad", Every: time.Hour, Call: fCall("bad")}))
		if rs, err := b.Schedules(ctx); err != nil || len(rs) != 2 {
			t.Errorf("put anew: %+v, %v", rs, err)
		}
	}
}
