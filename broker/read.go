package broker

import (
	"context"
	"fmt"
	"strconv"

	"github.com/gomlq/mlq/task"
)

// maxRead bounds one call of read.lua.
const maxRead = 100

// Read implements [task.Port]: it returns all that is kept of the jobs, in
// order; [task.ErrUnknown] or [task.ErrExpired] for the first that is not known.
func (b *Broker) Read(ctx context.Context, ids []task.ID) ([]task.Record, error) {
	groups, err := b.byPartition(ids)
	if err != nil {
		return nil, err
	}
	out := make([]task.Record, len(ids))
	for p, places := range groups {
		for len(places) > 0 {
			n, err := b.readSome(ctx, p, ids, places[:min(len(places), maxRead)], out)
			if err != nil {
				return nil, err
			}
			places = places[n:]
		}
	}
	return out, nil
}

// readSome reads the jobs at places, and returns how many of them: an answer is
// bounded in bytes, and may leave out the last ones.
func (b *Broker) readSome(ctx context.Context, p int, ids []task.ID, places []int, out []task.Record) (n int, err error) {
	args := make([]any, len(places))
	for k, i := range places {
		args[k] = ids[i][:]
	}
	res, err := b.eval(ctx, b.scripts.read, p, args...)
	if err != nil {
		return 0, err
	}
	list, _ := res.([]any)
	if len(list) != len(places) {
		return 0, fmt.Errorf("broker: read: %w: %d answers for %d questions", task.ErrDamaged, len(list), len(places))
	}
	for k, i := range places {
		parts, _ := list[k].([]any)
		if k > 0 && len(parts) == 1 && parts[0] == "+" {
			return k, nil
		}
		if out[i], err = b.record(ids[i], parts); err != nil {
			return 0, err
		}
	}
	return len(places), nil
}

// record makes a record of one answer of read.lua.
func (b *Broker) record(id task.ID, parts []any) (task.Record, error) {
	s := make([]string, 8)
	for i := range min(len(parts), len(s)) {
		s[i], _ = parts[i].(string)
	}
	switch s[0] {
	case "R":
		return decodeRecord(id, s[1])
	case "J":
		return liveRecord(id, s[1:])
	default:
		return task.Record{}, b.missing(id)
	}
}

// decodeRecord reads the record of a job that has ended; see lua/lib/finish.lua.
func decodeRecord(id task.ID, v string) (rec task.Record, err error) {
	r := reader{b: v}
	state := endStates[r.u8()]
	rec.State, rec.Finished, rec.Started = state, letterTime(r.uint(6)), letterTime(r.uint(6))
	session := r.bytes(8)
	if r.bad || state == 0 {
		return rec, errDamaged(id, "has a record that cannot be read")
	}
	job, rest, ok := splitJob(v[r.i:])
	if !ok {
		return rec, errDamaged(id, "has a record that cannot be read")
	}
	var flags byte
	if rec.Job, flags, err = decodeJob(id, job); err != nil {
		return rec, err
	}
	t := reader{b: rest}
	if flags&flagHist != 0 {
		past, err := decodeHistory(t.bytes(int(t.uint(4))))
		if err != nil {
			return rec, errDamaged(id, "has a history that cannot be read")
		}
		rec.Failures = past.failures
	}
	data, m, err := decodeTail(rest[t.i:])
	if err != nil {
		return rec, errDamaged(id, "has an end that cannot be read")
	}
	rec.Result = data
	setNote(&rec, &m)
	if m.Failure != (task.Failure{}) {
		rec.Failures = append(rec.Failures, m.Failure)
	}
	if state == task.Succeeded {
		rec.Progress = 100
	}
	setSession(&rec, session)
	return rec, nil
}

func setSession(rec *task.Record, session string) {
	if session != "" && session != "\x00\x00\x00\x00\x00\x00\x00\x00" {
		copy(rec.Lease.Session[:], session)
		rec.Worker = rec.Lease.Session.String()
	}
}

// liveRecord makes a record of a job that is still stored as a job. s has the
// job, its owner, the time it died, its due time, the parents it waits for, its
// note and its history.
func liveRecord(id task.ID, s []string) (rec task.Record, err error) {
	var flags byte
	if rec.Job, flags, err = decodeJob(id, s[0]); err != nil {
		return rec, err
	}
	owner, died, due, waits, note := s[1], s[2], s[3], s[4], s[5]
	past, err := decodeHistory(s[6])
	if err != nil {
		return rec, errDamaged(id, "has a history that cannot be read")
	}
	rec.Failures = past.failures
	switch {
	case flags&flagDead != 0:
		rec.State = task.Failed
		ms, _ := strconv.ParseFloat(died, 64)
		rec.Finished, rec.Started = letterTime(uint64(ms)), past.started
		setSession(&rec, past.session)
		rec.Attempt = max(rec.Attempt, 1)
	case len(owner) >= 17:
		r := reader{b: owner}
		setSession(&rec, r.bytes(8))
		r.bytes(3)
		rec.State, rec.Started = task.Running, letterTime(r.uint(6))
	case due != "":
		rec.State = task.Scheduled
	case waits != "":
		rec.State = task.Blocked
	default:
		rec.State = task.Ready
	}
	epoch, m, err := decodeNote(note)
	if err != nil {
		return rec, errDamaged(id, "has a note that cannot be read")
	}
	of := rec.Lease.Epoch // of the attempt that it may be of: one that waits has had it before
	if rec.State != task.Running {
		setNote(&rec, &past.last)
		if rec.State != task.Failed {
			of--
		}
	}
	if note != "" && epoch == of {
		setNote(&rec, &m)
	}
	return rec, nil
}

// setNote takes over what an attempt said of itself.
func setNote(rec *task.Record, m *remarks) {
	if m.Progress != nil {
		rec.Progress = *m.Progress
	}
	if m.Text != nil {
		rec.Note = *m.Text
	}
	if m.Short != nil {
		rec.ShortResult = *m.Short
	}
}
