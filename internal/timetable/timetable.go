// Package timetable says when schedules fire. It reads cron expressions, with
// github.com/robfig/cron, and works out times; what is done at them is others' business.
package timetable

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/gomlq/mlq/task"
)

// Table has the times of one schedule. It is a value, and safe for concurrent use.
type Table struct {
	name   string
	every  time.Duration // 0 for a cron expression
	spec   cron.Schedule
	jitter time.Duration
}

// New returns the table of s. It reports every fault of s at once, those of its cron
// expression with the field that has it; each wraps [task.ErrInvalid] and names s.
func New(s task.Schedule) (Table, error) {
	t := Table{name: s.Name, every: s.Every, jitter: s.Jitter}
	err := s.Validate()
	if s.Cron != "" && len(s.Cron) <= task.MaxCronLen {
		var bad error
		t.spec, bad = parse(s.Cron, s.Location)
		err = errors.Join(err, bad)
	}
	if err != nil {
		return Table{}, fmt.Errorf("schedule %q: %w", s.Name, err)
	}
	return t, nil
}

// fields are those of an expression, with the seconds.
var fields = []string{"second", "minute", "hour", "day-of-month", "month", "day-of-week"}

var parser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// parse reads an expression.
func parse(expr, location string) (cron.Schedule, error) {
	zone, rest, err := splitZone(expr, location)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(rest, "@every") {
		return nil, fmt.Errorf("%w: Cron is %q, whose times would depend on when a scheduler is started; set Every instead", task.ErrInvalid, expr)
	}
	if strings.HasPrefix(rest, "@") {
		if s, err := parser.Parse(zone + rest); err == nil {
			return s, nil
		}
		return nil, fmt.Errorf("%w: Cron is %q, which is none of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually", task.ErrInvalid, expr)
	}
	words := strings.Fields(rest)
	if n := len(words); n != 5 && n != 6 {
		return nil, fmt.Errorf("%w: Cron %q has %d fields, want 5 (minute, hour, day-of-month, month, day-of-week), or 6 with the second first", task.ErrInvalid, expr, n)
	}
	if err := checkFields(expr, words); err != nil {
		return nil, err
	}
	s, err := parser.Parse(zone + rest)
	if err != nil {
		return nil, fmt.Errorf("%w: Cron %q: %w", task.ErrInvalid, expr, err)
	}
	if s.Next(time.Unix(0, 0)).IsZero() {
		return nil, fmt.Errorf("%w: Cron %q names a day that no month has; it would never fire", task.ErrInvalid, expr)
	}
	return s, nil
}

// splitZone takes the zone off an expression. It is returned as the parser wants it
// before the rest: without one that would take the local zone.
func splitZone(expr, location string) (zone, rest string, err error) {
	rest = strings.TrimSpace(expr)
	name, tail, _ := strings.Cut(rest, " ")
	for _, mark := range []string{"CRON_TZ=", "TZ="} {
		if in, ok := strings.CutPrefix(name, mark); ok {
			if location != "" {
				return "", "", fmt.Errorf("%w: Cron %q has a zone, and Location is %q; want one of them", task.ErrInvalid, expr, location)
			}
			location, rest = in, strings.TrimSpace(tail)
			if in == "" {
				location = "?" // a zone without a name is not UTC
			}
			break
		}
	}
	if location == "" {
		location = "UTC"
	}
	if location == "Local" {
		return "", "", fmt.Errorf("%w: the zone is Local, which may be another on another machine; name one, as Europe/Berlin", task.ErrInvalid)
	}
	if _, err := time.LoadLocation(location); err != nil {
		return "", "", fmt.Errorf("%w: the zone %.40q is unknown here (%w); want an IANA name, as Europe/Berlin; a program for machines without zone files imports time/tzdata", task.ErrInvalid, location, err)
	}
	return "CRON_TZ=" + location + " ", rest, nil
}

// checkFields reads each field by itself, so that an error can name it.
func checkFields(expr string, words []string) error {
	var errs []error
	names := fields[len(fields)-len(words):]
	for i, w := range words {
		alone := make([]string, len(words))
		for k := range alone {
			alone[k] = "*"
		}
		alone[i] = w
		if _, err := parser.Parse("CRON_TZ=UTC " + strings.Join(alone, " ")); err != nil {
			errs = append(errs, fmt.Errorf("%w: the %s field %q of Cron %q: %w", task.ErrInvalid, names[i], w, expr, err))
		}
	}
	return errors.Join(errs...)
}

// Next returns the first time after a time; zero if there is none, which of a table that
// was made with New is not before 10,000 years.
func (t Table) Next(after time.Time) time.Time {
	if t.every == 0 {
		return t.spec.Next(after.UTC())
	}
	ms, every := after.UnixMilli(), t.every.Milliseconds() // rounded down both
	k := ms / every
	if ms%every < 0 {
		k--
	}
	return time.UnixMilli((k + 1) * every).UTC()
}

// Jitter returns how much later than at its job is posted: from 0 to the bound of the
// schedule, whole milliseconds, and always the same for a name and a time.
func (t Table) Jitter(at time.Time) time.Duration {
	bound := uint64(t.jitter.Milliseconds())
	if bound == 0 {
		return 0
	}
	sum := sha256.Sum256([]byte(t.name + "\x00" + strconv.FormatInt(at.UnixMilli(), 10)))
	return time.Duration(binary.BigEndian.Uint64(sum[:8])%(bound+1)) * time.Millisecond
}

// Until returns up to which time the times of the table have come at now, and when the
// next one after that comes. A time has come when its jitter has passed, and those
// before it have come.
func (t Table) Until(mark, now time.Time) (until, next time.Time) {
	at := now.Add(-t.jitter)
	if mark.After(at) {
		at = mark
	}
	until = at
	if until.After(now) {
		until = now
	}
	for {
		n := t.Next(at)
		if n.IsZero() {
			return until, n
		}
		due := n.Add(t.Jitter(n))
		if due.After(now) {
			return until, due
		}
		until, at = n, n
	}
}

// Last returns the last n times after from and not after to, in order.
func (t Table) Last(from, to time.Time, n int) []time.Time {
	if first := t.Next(from); first.IsZero() || first.After(to) {
		return nil
	}
	if t.every > 0 {
		// Older ones are not asked for.
		if first := to.Add(-time.Duration(n) * t.every); t.every <= to.Sub(from)/time.Duration(n) && first.After(from) {
			from = first
		}
		return t.collect(from, to, n)
	}
	// A cron expression can only be asked what comes next, so look back in spans that
	// grow until they have enough.
	for span := time.Minute; ; span *= 2 {
		start := to.Add(-span)
		all := span > maxSpan || !start.After(from)
		if all {
			start = from
		}
		if got := t.collect(start, to, n); all || len(got) == n {
			return got
		}
	}
}

// maxSpan keeps the spans that Last looks at from overflowing.
const maxSpan = 100 * 366 * 24 * time.Hour

// collect returns the last n times after from and not after to.
func (t Table) collect(from, to time.Time, n int) []time.Time {
	var got []time.Time
	for at := t.Next(from); !at.IsZero() && !at.After(to); at = t.Next(at) {
		if len(got) == 2*n {
			got = append(got[:0], got[n:]...)
		}
		got = append(got, at)
	}
	return got[max(0, len(got)-n):]
}
