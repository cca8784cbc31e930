package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

// almanac keeps schedules in memory, as a broker does, by a clock that is not ours.
type almanac struct {
	mu      sync.Mutex
	ahead   time.Duration // its clock minus ours
	down    error         // what calls return, nil for none
	version uint64
	recs    map[string]*task.ScheduleRecord
	jobs    map[string][]time.Time // times that have a job
	calls   map[string]int
	kept    []string
}

func newAlmanac(ahead time.Duration) *almanac {
	return &almanac{ahead: ahead, recs: map[string]*task.ScheduleRecord{}, jobs: map[string][]time.Time{}, calls: map[string]int{}}
}

func (a *almanac) now() time.Time { return time.Now().Add(a.ahead).Truncate(time.Millisecond).UTC() }

func (a *almanac) call(op string, do func()) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[op]++
	if a.down == nil {
		do()
	}
	return a.down
}

// put changes a schedule.
func (a *almanac) put(s task.Schedule, paused bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version++
	a.recs[s.Name] = &task.ScheduleRecord{Schedule: s, Revision: a.version, Paused: paused, Mark: a.now()}
}

func (a *almanac) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = err
}

// times returns how long after begin the times were that have jobs.
func (a *almanac) times(name string, begin time.Time) []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []time.Duration
	for _, at := range a.jobs[name] {
		out = append(out, at.Sub(begin))
	}
	return out
}

func (a *almanac) KeepSchedules(_ context.Context, ss []task.Schedule) error {
	return a.call("keep", func() {
		for _, s := range ss {
			a.kept = append(a.kept, s.Name)
			if a.recs[s.Name] == nil {
				a.version++
				a.recs[s.Name] = &task.ScheduleRecord{Schedule: s, Revision: a.version, Mark: a.now()}
			}
		}
	})
}

func (a *almanac) Agenda(_ context.Context, seen uint64) (out task.Agenda, err error) {
	err = a.call("agenda", func() {
		out = task.Agenda{Now: a.now(), Version: a.version}
		if seen != a.version {
			out.Schedules = []task.ScheduleRecord{}
			for _, name := range slices.Sorted(maps.Keys(a.recs)) {
				out.Schedules = append(out.Schedules, *a.recs[name])
			}
		}
	})
	return out, err
}

func (a *almanac) Fire(_ context.Context, fs []task.Fire) (out task.Fired, err error) {
	err = a.call("fire", func() {
		out = task.Fired{Now: a.now(), Version: a.version, IDs: make([]task.ID, len(fs))}
		for _, f := range fs {
			out.Outcomes = append(out.Outcomes, a.judge(f))
		}
	})
	return out, err
}

func (a *almanac) judge(f task.Fire) task.FireOutcome {
	switch r := a.recs[f.Schedule.Name]; {
	case r == nil || r.Revision != f.Revision || r.Paused:
		return task.FireChanged
	case !f.At.After(r.Mark):
		return task.FireDone
	case f.At.After(a.now()):
		return task.FireEarly
	default:
		r.Mark = f.At
		if !f.Pass {
			a.jobs[r.Name] = append(a.jobs[r.Name], f.At)
		}
		return task.FirePosted
	}
}

// every returns a schedule of an interval.
func every(name string, d time.Duration, policy task.CatchUp) task.Schedule {
	return task.Schedule{Name: name, Every: d, CatchUp: policy, Call: task.Call{Functions: []string{"f"}}}
}

// schedule runs a scheduler of a until the test ends. It returns what ends it before.
func schedule(t *testing.T, a *almanac, c SchedulerConfig, ss ...task.Schedule) (end func()) {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	s, err := NewScheduler(a, c, ss...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(end)
	return end
}

// stepsOf returns d, 2d, ... up to to.
func stepsOf(d, to time.Duration) (out []time.Duration) {
	for at := d; at <= to; at += d {
		out = append(out, at)
	}
	return out
}

func TestASchedulerGoesByTheBrokersClock(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, time.Hour, -time.Hour + 333*time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			a := newAlmanac(ahead)
			begin := a.now().Truncate(10 * time.Second)
			var late []time.Duration
			var mu sync.Mutex
			end := schedule(t, a, SchedulerConfig{Observe: func(f Firing) {
				mu.Lock()
				defer mu.Unlock()
				late = append(late, f.Late)
			}}, every("s", 10*time.Second, task.CatchUpSkip))
			time.Sleep(65 * time.Second)
			end()
			got := a.times("s", begin)
			if want := stepsOf(10*time.Second, a.now().Sub(begin)); !slices.Equal(got, want) {
				t.Errorf("%v ahead: fired %v after the beginning, want %v", ahead, got, want)
			}
			if len(late) != len(got) || slices.Max(late) > 5*time.Millisecond || slices.Min(late) < 0 {
				t.Errorf("%v ahead: late by %v", ahead, late)
			}
		})
	}
}

func TestAnIdleSchedulerAsksOnceInALook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAlmanac(0)
		a.put(every("s", 24*time.Hour, task.CatchUpSkip), false)
		end := schedule(t, a, SchedulerConfig{})
		time.Sleep(time.Hour)
		end()
		if n := a.calls["agenda"]; n > 1801 || n < 1700 || len(a.calls) != 1 {
			t.Errorf("in an hour it called %v, want some 1800 looks and nothing else", a.calls)
		}
	})
}

func TestAnOutageIsRiddenOutAndTheCatchUpDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAlmanac(0)
		begin := a.now().Truncate(10 * time.Minute)
		if !begin.Equal(a.now()) {
			t.Fatal("the clock of the bubble does not begin at a full hour")
		}
		end := schedule(t, a, SchedulerConfig{}, every("skip", 10*time.Minute, task.CatchUpSkip),
			every("one", 10*time.Minute, task.CatchUpOne), every("all", 10*time.Minute, task.CatchUpAll))
		time.Sleep(11 * time.Minute) // all fire at 10
		a.set(task.ErrUnavailable)
		time.Sleep(33 * time.Minute) // none at 20, 30, 40
		a.set(nil)
		time.Sleep(7 * time.Minute) // all at 50
		end()
		for name, want := range map[string][]time.Duration{
			"skip": {10 * time.Minute, 50 * time.Minute}, "one": {10 * time.Minute, 40 * time.Minute, 50 * time.Minute},
			"all": stepsOf(10*time.Minute, 50*time.Minute),
		} {
			if got := a.times(name, begin); !slices.Equal(got, want) {
				t.Errorf("%s: fired %v, want %v", name, got, want)
			}
		}
	})
}

func TestAShortOutageCostsNoTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAlmanac(0)
		begin := a.now()
		end := schedule(t, a, SchedulerConfig{}, every("s", 10*time.Minute, task.CatchUpSkip))
		time.Sleep(10*time.Minute - time.Second)
		a.set(task.ErrUnavailable)
		time.Sleep(30 * time.Second)
		a.set(nil)
		time.Sleep(10 * time.Second)
		end()
		if got := a.times("s", begin); !slices.Equal(got, []time.Duration{10 * time.Minute}) {
			t.Errorf("fired %v, want the time that was half a minute late", got)
		}
	})
}

func TestChangesAreNoticedWithinALook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAlmanac(0)
		begin := a.now()
		a.put(every("s", 10*time.Second, task.CatchUpSkip), false)
		end := schedule(t, a, SchedulerConfig{})
		time.Sleep(11 * time.Second) // 10
		a.put(every("s", 3*time.Second, task.CatchUpSkip), false)
		time.Sleep(8 * time.Second) // 12 is over when it looks, 15, 18
		a.put(every("s", 3*time.Second, task.CatchUpSkip), true)
		time.Sleep(20 * time.Second)
		end()
		got := a.times("s", begin)
		if want := []time.Duration{10 * time.Second, 12 * time.Second, 15 * time.Second, 18 * time.Second}; !slices.Equal(got, want) {
			t.Errorf("fired %v, want %v", got, want)
		}
	})
}

func TestSchedulesThatTheBrokerHasLostAreDeclaredAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAlmanac(0)
		end := schedule(t, a, SchedulerConfig{}, every("s", time.Minute, task.CatchUpSkip), every("t", time.Minute, task.CatchUpSkip))
		time.Sleep(time.Minute + time.Second) // not at the very time of a fire
		a.mu.Lock()
		a.version, a.recs = 0, map[string]*task.ScheduleRecord{}
		a.mu.Unlock()
		time.Sleep(3 * time.Minute)
		end()
		if want := []string{"s", "t", "s", "t"}; !slices.Equal(a.kept, want) || len(a.jobs["s"]) < 3 {
			t.Errorf("declared %v, want %v; fired %v", a.kept, want, a.jobs)
		}
	})
}

func TestManySchedulersFireEachTimeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAlmanac(0)
		begin := a.now()
		var ends []func()
		for range 5 {
			ends = append(ends, schedule(t, a, SchedulerConfig{}, every("s", time.Second, task.CatchUpSkip)))
		}
		time.Sleep(100*time.Second + 500*time.Millisecond)
		for _, end := range ends {
			end()
		}
		if got, want := a.times("s", begin), stepsOf(time.Second, 100*time.Second); !slices.Equal(got, want) {
			t.Errorf("fired %v, want %v", got, want)
		}
	})
}

func TestASchedulerEndsWithItsBrokerAndWhenItIsRefused(t *testing.T) {
	t.Parallel()
	for _, refusal := range []error{fmt.Errorf("%w: %w", task.ErrUnavailable, task.ErrClosed), task.ErrTooLarge, task.ErrInvalid} {
		a := newAlmanac(0)
		a.set(refusal)
		s, err := NewScheduler(a, SchedulerConfig{}, every("s", time.Second, task.CatchUpSkip))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); !errors.Is(err, refusal) {
			t.Errorf("Run: %v, want %v", err, refusal)
		}
	}
}

func TestAllFaultsOfSchedulesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	bad := every("cron", 0, task.CatchUpSkip)
	bad.Cron = "0 24 * * *"
	zone := every("zone", 0, task.CatchUpSkip)
	zone.Cron, zone.Location = "@daily", "Nowhere/At_All"
	_, err := NewScheduler(nil, SchedulerConfig{Look: time.Hour}, bad, zone, every("twice", time.Hour, 0), every("twice", time.Minute, 0), every("often", time.Millisecond, 0))
	if !errors.Is(err, task.ErrInvalid) {
		t.Fatalf("got %v, want an error that wraps ErrInvalid", err)
	}
	for _, want := range []string{
		"the broker is nil", "Look is 1h0m0s", `schedule "cron"`, `the hour field "24"`, `the zone "Nowhere/At_All" is unknown`,
		`two schedules are named "twice"`, `schedule "often"`, "Every is 1ms, want 1s",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

// withAlmanac is a broker that keeps schedules as well.
type withAlmanac struct {
	*fake
	*almanac
}

func TestAWorkerRunsItsSchedules(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAlmanac(0)
		begin := a.now()
		f := task.Define("f", func(task.Context, string) (string, error) { return "", nil })
		w, err := NewWorker(withAlmanac{newFake(), a}, quiet(Config{Schedules: []task.Schedule{every("s", time.Second, task.CatchUpSkip)}}), f)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(3500 * time.Millisecond)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if got, want := a.times("s", begin), stepsOf(time.Second, 3*time.Second); !slices.Equal(got, want) {
			t.Errorf("fired %v, want %v", got, want)
		}
	})
}

func TestAWorkerWithBadSchedulesIsRefused(t *testing.T) {
	t.Parallel()
	c := quiet(Config{Schedules: []task.Schedule{every("s", 0, task.CatchUpSkip)}})
	for want, b := range map[string]Broker{"neither Cron nor Every": withAlmanac{newFake(), newAlmanac(0)}, "this broker keeps none": newFake()} {
		if _, err := NewWorker(b, c, task.Define("f", func(task.Context, string) (string, error) { return "", nil })); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %q", err, want)
		}
	}
}
