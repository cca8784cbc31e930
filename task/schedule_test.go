package task

import (
	"errors"
	"testing"
	"time"
)

func TestAJobSaysWhichTimeOfItsScheduleItIsFor(t *testing.T) {
	t.Parallel()
	report := Declare[string, None]("report")
	s := Schedule{Name: "nightly", Every: time.Hour, Call: report.Call("in", Header("k", "v"))}
	at := time.Date(2026, 3, 1, 4, 5, 6, 7_000_000, time.FixedZone("", 3600))
	j := Job{Call: s.CallAt(at)}
	name, got, ok := j.Fire()
	if name != "nightly" || !got.Equal(at) || !ok || j.Spec.Headers["k"] != "v" {
		t.Errorf("got %q, %v, %t and headers %v; want nightly, %v", name, got, ok, j.Spec.Headers, at)
	}
	if n := len(s.Call.Spec.Headers); n != 1 {
		t.Errorf("the schedule's own call has %d headers now, want the 1 it had", n)
	}
	for _, h := range []map[string]string{nil, {HeaderSchedule: "s"}, {HeaderFire: "2026-01-01T00:00:00Z"}, {HeaderSchedule: "s", HeaderFire: "noon"}} {
		if name, at, ok := (&Job{Call: Call{Spec: Spec{Headers: h}}}).Fire(); ok {
			t.Errorf("a job with headers %v is for %q at %v", h, name, at)
		}
	}
}

func TestWordsOfSchedulesHaveNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		got  string
		want string
	}{
		{CatchUpSkip.String(), "skip"},
		{CatchUpAll.String(), "all"},
		{CatchUp(7).String(), "catchup(7)"},
		{OverlapAllow.String(), "allow"},
		{OverlapSkip.String(), "skip"},
		{Overlap(7).String(), "overlap(7)"},
		{FirePosted.String(), "posted"},
		{FireEarly.String(), "early"},
		{FireOutcome(9).String(), "fire(9)"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestACallWithAFaultOfItsOwnMakesNoSchedule(t *testing.T) {
	t.Parallel()
	bad := Declare[string, None]("no name")
	if err := (Schedule{Name: "s", Every: time.Hour, Call: bad.Call("in")}).Validate(); err == nil {
		t.Error("a schedule whose task has no valid name is taken")
	}
}

func TestStartWithinIsADeadlineAfterTheTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)
	s := Schedule{Name: "s", Every: time.Hour, StartWithin: time.Minute, Call: Declare[string, None]("f").Call("")}
	if got := s.CallAt(at).Spec.Deadline; !got.Equal(at.Add(time.Minute)) {
		t.Errorf("got %v, want a minute after %v", got, at)
	}
	s.StartWithin = 0
	if got := s.CallAt(at).Spec.Deadline; !got.IsZero() {
		t.Errorf("without it: got %v, want none", got)
	}
}

func TestADeadlineIsOfOnePost(t *testing.T) {
	t.Parallel()
	f := Declare[string, None]("f")
	at := time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)
	c := f.Call("", Deadline(at))
	if got := c.Spec.Deadline; c.Err() != nil || !got.Equal(at) {
		t.Errorf("got %v, %v; want %v", got, c.Err(), at)
	}
	c = f.Call("", Deadline(time.Unix(-1, 0)))
	if !errors.Is(c.Err(), ErrInvalid) {
		t.Errorf("a deadline before 1970: got %v, want ErrInvalid", c.Err())
	}
}
