package timetable

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests, wherever they run

	"pgregory.net/rapid"

	"github.com/gomlq/mlq/task"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func table(t testing.TB, s task.Schedule) Table {
	t.Helper()
	if s.Name == "" {
		s.Name = "s"
	}
	got, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// texts are the next n times after from, in UTC.
func texts(tt Table, from time.Time, n int) []string {
	var out []string
	for range n {
		from = tt.Next(from)
		out = append(out, from.UTC().Format("01-02T15:04:05"))
	}
	return out
}

func TestNextIsAsTheExpressionSays(t *testing.T) {
	t.Parallel()
	from := at(t, "2026-02-27T23:30:10Z") // a Friday
	for _, c := range []struct {
		s    task.Schedule
		want []string
	}{
		{task.Schedule{Cron: "*/15 * * * *"}, []string{"02-27T23:45:00", "02-28T00:00:00"}},
		{task.Schedule{Cron: "*/20 * * * * *"}, []string{"02-27T23:30:20", "02-27T23:30:40", "02-27T23:31:00"}},
		{task.Schedule{Cron: "@hourly"}, []string{"02-28T00:00:00", "02-28T01:00:00"}},
		{task.Schedule{Cron: "0 9 * * mon-fri"}, []string{"03-02T09:00:00", "03-03T09:00:00"}},
		{task.Schedule{Cron: "0 9 * * *", Location: "Europe/Berlin"}, []string{"02-28T08:00:00", "03-01T08:00:00"}},
		{task.Schedule{Cron: " CRON_TZ=Europe/Berlin  0 9 * * *"}, []string{"02-28T08:00:00"}},
		{task.Schedule{Cron: "TZ=Asia/Kolkata @daily"}, []string{"02-28T18:30:00"}},
		{task.Schedule{Every: time.Minute}, []string{"02-27T23:31:00", "02-27T23:32:00"}},
		{task.Schedule{Every: 7 * 24 * time.Hour}, []string{"03-05T00:00:00"}}, // 1 January 1970 was a Thursday
	} {
		if got := texts(table(t, c.s), from, len(c.want)); !slices.Equal(got, c.want) {
			t.Errorf("%q %v %s: got %v, want %v", c.s.Cron, c.s.Every, c.s.Location, got, c.want)
		}
	}
}

// TestBerlinsClocks: the clocks go forward at 02:00 on 29 March 2026, to 03:00, and back
// at 03:00 on 25 October, to 02:00.
func TestBerlinsClocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, cron, from string
		want             []string
	}{
		{"a time in the gap is left out", "30 2 * * *", "2026-03-28T00:00:00Z", []string{"03-28T01:30:00", "03-30T00:30:00"}},
		{"hours go on over the gap", "0 * * * *", "2026-03-28T23:30:00Z", []string{"03-29T00:00:00", "03-29T01:00:00", "03-29T02:00:00"}},
		{"a time after the gap keeps its hour", "0 9 * * *", "2026-03-28T00:00:00Z", []string{"03-28T08:00:00", "03-29T07:00:00"}},
		{"a time in the hour that is there twice comes twice", "30 2 * * *", "2026-10-24T12:00:00Z", []string{"10-25T00:30:00", "10-25T01:30:00", "10-26T01:30:00"}},
		{"hours go on over the overlap", "0 * * * *", "2026-10-24T23:30:00Z", []string{"10-25T00:00:00", "10-25T01:00:00", "10-25T02:00:00"}},
		{"a time after the overlap keeps its hour", "0 9 * * *", "2026-10-24T00:00:00Z", []string{"10-24T07:00:00", "10-25T08:00:00"}},
	} {
		tt := table(t, task.Schedule{Cron: c.cron, Location: "Europe/Berlin"})
		if got := texts(tt, at(t, c.from), len(c.want)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q: got %v, want %v", c.what, c.cron, got, c.want)
		}
	}
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	call := task.Call{Functions: []string{"f"}}
	key := call
	key.Spec.UniqueKey = "k"
	late := call
	late.Spec.Deadline = time.Now()
	posted := call
	posted.ID = task.NewID(1, task.KindLone, 1, 1, 1, 0)
	many := call
	many.Spec.Headers = map[string]string{}
	for i := range task.MaxHeaders {
		many.Spec.Headers[strings.Repeat("h", i+1)] = ""
	}
	for _, c := range []struct {
		s    task.Schedule
		want []string
	}{
		{task.Schedule{Name: "a", Cron: "61 * * * *"}, []string{`schedule "a"`, `the minute field "61"`}},
		{task.Schedule{Name: "a", Cron: "* 25 * * 8"}, []string{`the hour field "25"`, `the day-of-week field "8"`}},
		{task.Schedule{Name: "a", Cron: "x 0 0 1 1 *"}, []string{`the second field "x"`}},
		{task.Schedule{Name: "a", Cron: "* * *"}, []string{"has 3 fields, want 5"}},
		{task.Schedule{Name: "a", Cron: "@sometimes"}, []string{"none of @hourly"}},
		{task.Schedule{Name: "a", Cron: "@every 1h"}, []string{"set Every instead"}},
		{task.Schedule{Name: "a", Cron: "0 0 30 2 *"}, []string{"would never fire"}},
		{task.Schedule{Name: "a", Cron: "CRON_TZ=Mars/Base"}, []string{`the zone "Mars/Base" is unknown`}},
		{task.Schedule{Name: "a", Cron: "CRON_TZ= 0 * * * *"}, []string{"is unknown"}},
		{task.Schedule{Name: "a", Cron: "CRON_TZ=UTC"}, []string{"has 0 fields"}},
		{task.Schedule{Name: "a", Cron: "0 * * * *", Location: "Local"}, []string{"the zone is Local"}},
		{task.Schedule{Name: "a", Cron: "TZ=UTC 0 * * * *", Location: "UTC"}, []string{"want one of them"}},
		{task.Schedule{Name: "a", Cron: strings.Repeat("0,", 200) + "0 * * * *"}, []string{"bytes, want at most 256"}},
		{task.Schedule{Name: "a"}, []string{"neither Cron nor Every"}},
		{task.Schedule{Name: "a", Cron: "@hourly", Every: time.Hour}, []string{"both set"}},
		{task.Schedule{Name: "a", Every: time.Millisecond}, []string{"Every is 1ms, want 1s"}},
		{task.Schedule{Name: "a", Every: 1500*time.Millisecond + 1}, []string{"whole milliseconds"}},
		{task.Schedule{Name: "a", Every: time.Hour, Location: "UTC"}, []string{"nothing of an interval"}},
		{task.Schedule{Name: "a", Every: time.Minute, Jitter: time.Minute}, []string{"Jitter is 1m0s"}},
		{task.Schedule{Name: "a", Cron: "@daily", Jitter: 2 * time.Hour}, []string{"want 0 to 1h0m0s"}},
		{task.Schedule{Every: time.Minute, CatchUp: 9, Overlap: 9}, []string{"a schedule needs a name", "catchup(9)", "overlap(9)"}},
		{task.Schedule{Name: "a", Every: time.Minute, Call: key}, []string{"has a key"}},
		{task.Schedule{Name: "a", Every: time.Minute, Call: late}, []string{"set StartWithin instead"}},
		{task.Schedule{Name: "a", Every: time.Minute, StartWithin: time.Microsecond}, []string{"StartWithin is 1µs"}},
		{task.Schedule{Name: "a", Every: time.Minute, Call: posted}, []string{"was posted before"}},
		{task.Schedule{Name: "a", Every: time.Minute, Call: many}, []string{"too many headers"}},
	} {
		if c.s.Call.Functions == nil {
			c.s.Call = call
		}
		_, err := New(c.s)
		if !errors.Is(err, task.ErrInvalid) {
			t.Errorf("%+v: got %v, want an error that wraps ErrInvalid", c.s, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q %v: the error does not say %q: %v", c.s.Cron, c.s.Every, want, err)
			}
		}
	}
}

func TestNoTextMakesTheParserPanic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		expr := rapid.OneOf(rapid.String(), rapid.StringMatching(`((CRON_)?TZ=[A-Z/]* ?)?([-*/?,0-9a-zL@#]{0,4} ){0,6}`)).Draw(rt, "expression")
		tt, err := New(task.Schedule{Name: "s", Cron: expr})
		if err == nil && tt.Next(time.Unix(0, 0)).IsZero() {
			rt.Errorf("%q is taken, but never fires", expr)
		}
	})
}

// drawn draws a schedule and a time.
func drawn(rt *rapid.T) (Table, time.Time) {
	s := task.Schedule{Name: rapid.StringMatching(`[a-z]{1,8}`).Draw(rt, "name")}
	if rapid.Bool().Draw(rt, "an interval") {
		s.Every = time.Duration(rapid.Int64Range(1000, 100_000_000).Draw(rt, "every")) * time.Millisecond
		s.Jitter = time.Duration(rapid.Int64Range(0, min(s.Every.Milliseconds()-1, 3_600_000)).Draw(rt, "jitter")) * time.Millisecond
	} else {
		s.Cron = rapid.SampledFrom([]string{
			"* * * * * *", "*/7 * * * *", "30 2 * * *", "0 0 29 2 *", "@weekly", "0-5 9-17 * * 1-5", "0,30 1-3 * * *", "* 3 * * *", "15 30 2 * * 0",
		}).Draw(rt, "cron")
		s.Location = rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"}).Draw(rt, "zone")
		s.Jitter = time.Duration(rapid.Int64Range(0, 300_000).Draw(rt, "jitter")) * time.Millisecond
	}
	from := time.UnixMilli(rapid.Int64Range(0, 3_000_000_000_000).Draw(rt, "from")).UTC()
	tt, err := New(s)
	if err != nil {
		rt.Fatal(err)
	}
	return tt, from
}

func TestTimesAreOneAfterTheOtherWhereverOneBegins(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tt, from := drawn(rt)
		n := tt.Next(from)
		if !n.After(from) {
			rt.Fatalf("the next time after %v is %v", from, n)
		}
		// Every instant between gives the same answer: so replicas agree.
		between := from.Add(time.Duration(rapid.Int64Range(0, int64(n.Sub(from))-1).Draw(rt, "between")))
		if got := tt.Next(between); !got.Equal(n) {
			rt.Errorf("after %v comes %v, but after %v comes %v", from, n, between, got)
		}
		if tt.every > 0 && n.UnixMilli()%tt.every.Milliseconds() != 0 {
			rt.Errorf("%v is no multiple of %v", n, tt.every)
		}
	})
}

func TestLastIsTheEndOfAllTimes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tt, from := drawn(rt)
		var all []time.Time
		to := from.Add(time.Duration(rapid.Int64Range(0, int64(400*time.Hour)).Draw(rt, "for")))
		for at := tt.Next(from); !at.After(to) && len(all) < 5000; at = tt.Next(at) {
			all = append(all, at)
		}
		if len(all) == 5000 {
			to = all[len(all)-1]
		}
		n := rapid.IntRange(1, 50).Draw(rt, "n")
		want := all[max(0, len(all)-n):]
		if got := tt.Last(from, to, n); !slices.EqualFunc(got, want, time.Time.Equal) {
			rt.Errorf("the last %d of %d times from %v to %v: got %v, want %v", n, len(all), from, to, got, want)
		}
	})
}

func TestATimeComesWhenItsJitterAndThoseBeforeItHavePassed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tt, mark := drawn(rt)
		now := mark.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Minute)).Draw(rt, "since")))
		until, next := tt.Until(mark, now)
		if until.After(now) || !next.After(now) {
			rt.Errorf("at %v times up to %v have come, the next comes at %v", now, until, next)
		}
		for at := tt.Next(mark); !at.After(now); at = tt.Next(at) {
			due := !at.Add(tt.Jitter(at)).After(now)
			if !due {
				if !at.After(until) {
					rt.Errorf("%v, with jitter %v, has come at %v", at, tt.Jitter(at), now)
				}
				break // those after it wait for it
			}
			if at.After(until) {
				rt.Errorf("%v, with jitter %v, has not come at %v", at, tt.Jitter(at), now)
			}
		}
	})
}

func TestJitterIsWithinItsBoundAndTheSameForAll(t *testing.T) {
	t.Parallel()
	s := task.Schedule{Name: "a", Every: time.Minute, Jitter: 10 * time.Second}
	one, other := table(t, s), table(t, s)
	s.Name = "b"
	b := table(t, s)
	from, seen, differ := time.Unix(0, 0), map[time.Duration]bool{}, false
	for range 200 {
		from = one.Next(from)
		j := one.Jitter(from)
		if j < 0 || j > s.Jitter || j != other.Jitter(from) {
			t.Errorf("at %v: jitter %v, for another scheduler %v, want 0 to %v and the same", from, j, other.Jitter(from), s.Jitter)
		}
		seen[j] = true
		differ = differ || j != b.Jitter(from)
	}
	if len(seen) < 150 || !differ {
		t.Errorf("%d different ones of 200, others for another name: %t", len(seen), differ)
	}
}

func TestYearsOfMissedSecondsCostLittle(t *testing.T) {
	t.Parallel()
	from, to := at(t, "1999-01-01T00:00:00Z"), at(t, "2026-01-01T00:00:00Z")
	for _, s := range []task.Schedule{{Cron: "* * * * * *"}, {Every: time.Second}, {Every: task.MaxEvery}, {Cron: "@yearly"}} {
		if got := table(t, s).Last(from, to, task.MaxCatchUp); len(got) != min(len(got), task.MaxCatchUp) || len(got) == 0 {
			t.Errorf("%q %v: %d times", s.Cron, s.Every, len(got))
		}
	}
}
