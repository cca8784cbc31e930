package broker

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/gomlq/mlq/task"
)

// storedSchedule is what only Go reads of a schedule; see lua/lib/cron.lua for the rest.
type storedSchedule struct {
	Cron     string        `msgpack:"c,omitempty"`
	Location string        `msgpack:"l,omitempty"`
	Every    time.Duration `msgpack:"e,omitempty"`
	Jitter   time.Duration `msgpack:"j,omitempty"`
	CatchUp  task.CatchUp  `msgpack:"u,omitempty"`
	Overlap  task.Overlap  `msgpack:"o,omitempty"`
	Within   time.Duration `msgpack:"w,omitempty"`

	Functions []string          `msgpack:"f,omitempty"`
	Codec     task.Codec        `msgpack:"k,omitempty"`
	Payload   []byte            `msgpack:"p,omitempty"`
	Queue     string            `msgpack:"q,omitempty"`
	Priority  task.Level        `msgpack:"r,omitempty"`
	Retention time.Duration     `msgpack:"t,omitempty"`
	Attempts  int               `msgpack:"a,omitempty"`
	Timeout   time.Duration     `msgpack:"m,omitempty"`
	Least     time.Duration     `msgpack:"b,omitempty"`
	Most      time.Duration     `msgpack:"x,omitempty"`
	Delay     time.Duration     `msgpack:"d,omitempty"`
	Headers   map[string]string `msgpack:"h,omitempty"`
}

// encodeSchedule encodes s: the same bytes each time, since they are compared.
func encodeSchedule(s task.Schedule) ([]byte, error) {
	c := &s.Call
	var out bytes.Buffer
	e := msgpack.NewEncoder(&out)
	e.SetSortMapKeys(true)
	if err := e.Encode(&storedSchedule{
		Cron: s.Cron, Location: s.Location, Every: s.Every, Jitter: s.Jitter, CatchUp: s.CatchUp, Overlap: s.Overlap, Within: s.StartWithin,
		Functions: c.Functions, Codec: c.Payload.Codec, Payload: c.Payload.Bytes,
		Queue: c.Spec.Queue, Priority: c.Spec.Priority, Retention: c.Spec.Retention, Attempts: c.Spec.MaxAttempts,
		Timeout: c.Spec.Timeout, Least: c.Spec.BackoffMin, Most: c.Spec.BackoffMax, Delay: c.Spec.Delay, Headers: c.Spec.Headers,
	}); err != nil {
		return nil, fmt.Errorf("%w: %w", task.ErrInvalid, err)
	}
	if err := checkFilter(c.Functions); err != nil {
		return nil, err
	}
	if n := len(s.Name) + out.Len(); n > task.MaxScheduleBytes {
		return nil, fmt.Errorf("%w: it takes %d bytes, want at most %d; store the input elsewhere, and send its name", task.ErrTooLarge, n, task.MaxScheduleBytes)
	}
	return out.Bytes(), nil
}

// scheduleHead is the length of what scripts read of a schedule, firedLen of what is
// kept of what was fired.
const (
	scheduleHead = 6 + 1 + 8 + 8
	firedLen     = 6 + 6 + 16
)

// decodeSchedule reads a schedule, and what was fired of it.
func decodeSchedule(name, v, fired string) (r task.ScheduleRecord, err error) {
	if len(v) < scheduleHead || len(fired) != firedLen {
		return r, fmt.Errorf("%w: schedule %q is cut short; put it again, or delete it", task.ErrDamaged, name)
	}
	var w storedSchedule
	if err := decodeMeta(v[scheduleHead:], &w); err != nil {
		return r, fmt.Errorf("%w: schedule %q cannot be read; put it again, or delete it: %w", task.ErrDamaged, name, err)
	}
	h, f := reader{b: v}, reader{b: fired}
	r.Revision, r.Paused = h.uint(6), h.u8() == '1'
	r.Mark, r.Last = letterTime(f.uint(6)).UTC(), letterTime(f.uint(6)).UTC()
	copy(r.LastJob[:], f.bytes(16))
	r.Schedule = task.Schedule{
		Name: name, Cron: w.Cron, Location: w.Location, Every: w.Every, Jitter: w.Jitter, CatchUp: w.CatchUp, Overlap: w.Overlap, StartWithin: w.Within,
		Call: task.Call{
			Functions: w.Functions, Payload: task.Data{Codec: w.Codec, Bytes: w.Payload},
			Spec: task.Spec{
				Queue: w.Queue, Priority: w.Priority, Retention: w.Retention, MaxAttempts: w.Attempts,
				Timeout: w.Timeout, BackoffMin: w.Least, BackoffMax: w.Most, Delay: w.Delay, Headers: w.Headers,
			},
		},
	}
	return r, nil
}

// decodeSchedules reads all schedules, by name; it returns those that can be read, and
// what is wrong with the others.
func decodeSchedules(defs, fired map[string]string) ([]task.ScheduleRecord, error) {
	rs := make([]task.ScheduleRecord, 0, len(defs))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(defs)) {
		r, err := decodeSchedule(name, defs[name], fired[name])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rs = append(rs, r)
	}
	return rs, errors.Join(errs...)
}

// pairs makes a map of the fields and values of a hash.
func pairs(list []any) map[string]string {
	m := make(map[string]string, len(list)/2)
	for ; len(list) >= 2; list = list[2:] {
		m[asText(list[0])] = asText(list[1])
	}
	return m
}

// revision returns a revision as scripts have it.
func revision(n uint64) string {
	return string(binary.BigEndian.AppendUint64(nil, n)[2:])
}

func digest8(b []byte) string {
	sum := sha256.Sum256(b)
	return string(sum[:8])
}

// timesDigest tells schedules that fire at different times apart.
func timesDigest(s task.Schedule) string {
	return digest8([]byte(strings.Join([]string{s.Cron, s.Location, s.Every.String()}, "\x00")))
}

// fireID returns the ID of the job of a time: the same for all who fire it. Jobs of one
// schedule share buckets for an eighth of their retention, as others do, so that old
// records can expire.
func fireID(s task.Schedule, at time.Time) task.ID {
	class := task.ClassFor(s.Call.Spec.Retention)
	span := class.Duration() / 8
	if span <= 0 {
		span = 24 * time.Hour
	}
	ms := at.UnixMilli()
	near := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", s.Name, ms/span.Milliseconds()))
	own := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00", s.Name, ms))
	return task.NewID(ms, task.KindLone, class, binary.BigEndian.Uint32(near[:4]), binary.BigEndian.Uint32(own[:4]), schedulePartition)
}
