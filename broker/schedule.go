package broker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gomlq/mlq/internal/timetable"
	"github.com/gomlq/mlq/task"
)

// schedulePartition is where all schedules lie, and their jobs: so one command tells
// whether any has changed, however many partitions there are.
const schedulePartition = 0

// maxFires bounds the schedules or times of one call of a script.
const maxFires = 100

// PutSchedule makes a schedule, or replaces the one of its name, for running schedulers
// too. It stays paused if it is. It goes on from where it was, or from now if it is to
// fire at other times than before: what the new times would have been is not missed. A
// program that declares a schedule of this name leaves it as it was put until its own
// declaration is another. All faults of s are reported at once and wrap
// [task.ErrInvalid]; [task.ErrTooLarge] is one too many, or one too large.
func (b *Broker) PutSchedule(ctx context.Context, s task.Schedule) error {
	return b.putSchedules(ctx, 0, []task.Schedule{s})
}

// KeepSchedules declares schedules, as a program has them: each is made or replaced as
// by [Broker.PutSchedule], but one that was declared just so before is left as it is,
// with what was put since. Schedulers call it when they begin.
func (b *Broker) KeepSchedules(ctx context.Context, ss []task.Schedule) error {
	return b.putSchedules(ctx, 1, ss)
}

func (b *Broker) putSchedules(ctx context.Context, declared int, ss []task.Schedule) error {
	args := make([]any, 0, 2+4*len(ss))
	for _, s := range ss {
		if _, err := timetable.New(s); err != nil {
			return fmt.Errorf("broker: %w", err)
		}
		body, err := encodeSchedule(s)
		if err != nil {
			return fmt.Errorf("broker: schedule %q: %w", s.Name, err)
		}
		if len(s.Call.Payload.Bytes) > b.cfg.MaxPayload {
			return fmt.Errorf("%w: broker: schedule %q: the input has %d bytes, MaxPayload is %d", task.ErrTooLarge, s.Name, len(s.Call.Payload.Bytes), b.cfg.MaxPayload)
		}
		args = append(args, s.Name, timesDigest(s), digest8(body), body)
	}
	for part := range slices.Chunk(args, 4*maxFires) {
		a, err := b.ask(ctx, b.scripts.arrange, schedulePartition, append([]any{declared, task.MaxSchedules}, part...)...)
		switch {
		case err != nil:
			return err
		case a.status == "FULL":
			return fmt.Errorf("%w: broker: there may be %d schedules in a namespace; delete some, or let one post many jobs", task.ErrTooLarge, task.MaxSchedules)
		}
		if err := statusErr("arrange", a.status); err != nil {
			return err
		}
	}
	return nil
}

// PauseSchedule keeps a schedule from firing until [Broker.ResumeSchedule]; what it has
// posted goes on. [task.ErrUnknown] says that there is none of that name. Schedulers
// hear of it when they look next, and what they fire until then is refused: once
// PauseSchedule has returned nothing is posted.
func (b *Broker) PauseSchedule(ctx context.Context, name string) error {
	return b.suspendSchedule(ctx, name, 1)
}

// ResumeSchedule lets a paused schedule go on from now; what would have fired meanwhile
// is not missed. [task.ErrUnknown] says that there is none of that name.
func (b *Broker) ResumeSchedule(ctx context.Context, name string) error {
	return b.suspendSchedule(ctx, name, 0)
}

func (b *Broker) suspendSchedule(ctx context.Context, name string, paused int) error {
	a, err := b.ask(ctx, b.scripts.suspend, schedulePartition, name, paused)
	switch {
	case err != nil:
		return err
	case a.status == "NONE":
		return noSchedule(name)
	default:
		return statusErr("suspend", a.status)
	}
}

func noSchedule(name string) error {
	return fmt.Errorf("%w: broker: there is no schedule %q; PutSchedule makes one", task.ErrUnknown, name)
}

// DeleteSchedule removes a schedule; jobs that it has posted stay. That there is none is
// no error. A program that declares it makes it anew when it is started: remove it there
// first.
func (b *Broker) DeleteSchedule(ctx context.Context, name string) error {
	a, err := b.ask(ctx, b.scripts.drop, schedulePartition, name)
	if err != nil {
		return err
	}
	return statusErr("drop", a.status)
}

// TriggerSchedule posts a job of a schedule at once, whatever its times, its pause and
// its overlap policy say, and returns its ID. When it fires next is not changed; for
// [task.OverlapSkip] the job is the schedule's last one. [task.ErrUnknown] says that
// there is no schedule of that name.
func (b *Broker) TriggerSchedule(ctx context.Context, name string) (task.ID, error) {
	agenda, err := b.Agenda(ctx, 0)
	if err != nil {
		return task.ID{}, err
	}
	i := slices.IndexFunc(agenda.Schedules, func(r task.ScheduleRecord) bool { return r.Name == name })
	if i < 0 {
		return task.ID{}, noSchedule(name)
	}
	s := agenda.Schedules[i].Schedule
	id := b.ids.lone(agenda.Now, task.ClassFor(s.Call.Spec.Retention), schedulePartition)
	args, err := fireArgs(nil, s, "", agenda.Now, id)
	if err != nil {
		return task.ID{}, err
	}
	a, err := b.ask(ctx, b.scripts.fire, schedulePartition, args...)
	if err == nil {
		err = statusErr("fire", a.status)
	}
	if err == nil && a.str(2) == "C" {
		err = noSchedule(name) // it was deleted meanwhile
	}
	return id, err
}

// Schedules returns all schedules by name. Of damaged ones the error tells, which wraps
// [task.ErrDamaged]; the others are returned all the same.
func (b *Broker) Schedules(ctx context.Context) ([]task.ScheduleRecord, error) {
	a, err := b.Agenda(ctx, 0)
	if err != nil {
		return nil, err
	}
	for i := range a.Schedules {
		r := &a.Schedules[i]
		if t, err := timetable.New(r.Schedule); err == nil && !r.Paused {
			from := a.Now
			if r.Mark.After(from) {
				from = r.Mark // the clock was set back
			}
			r.Next = t.Next(from)
		}
	}
	return a.Schedules, a.Fault
}

// Agenda looks at the schedules for a scheduler that has seen a version of them, 0 for
// none; it costs one command, and a small one if nothing has changed.
func (b *Broker) Agenda(ctx context.Context, seen uint64) (task.Agenda, error) {
	arg := ""
	if seen > 0 {
		arg = strconv.FormatUint(seen, 10)
	}
	a, err := b.ask(ctx, b.scripts.agenda, schedulePartition, arg)
	if err == nil {
		err = statusErr("agenda", a.status)
	}
	if err != nil {
		return task.Agenda{}, err
	}
	out := task.Agenda{Now: time.UnixMilli(int64(a.num(0))).UTC()}
	if out.Version, err = strconv.ParseUint(a.str(1), 10, 64); err != nil {
		return task.Agenda{}, fmt.Errorf("broker: agenda: %w: version %q", task.ErrDamaged, a.str(1))
	}
	if len(a.rest) > 2 {
		out.Schedules, out.Fault = decodeSchedules(pairs(a.list(2)), pairs(a.list(3)))
	}
	return out, nil
}

// Fire posts the jobs of schedules whose times have come, each time once, whoever else
// comes with it, in this call or in any other and however late; see [task.FireOutcome]
// for what becomes of each. Fires of one schedule are given in order. A part of them may
// be posted when an error is returned; the same may be fired again.
func (b *Broker) Fire(ctx context.Context, fs []task.Fire) (task.Fired, error) {
	var out task.Fired
	for part := range slices.Chunk(fs, maxFires) {
		var args []any
		for _, f := range part {
			var id task.ID
			if !f.Pass {
				id = fireID(f.Schedule, f.At)
			}
			var err error
			if args, err = fireArgs(args, f.Schedule, revision(f.Revision), f.At, id); err != nil {
				return out, err
			}
			out.IDs = append(out.IDs, id)
		}
		a, err := b.ask(ctx, b.scripts.fire, schedulePartition, args...)
		if err == nil {
			err = statusErr("fire", a.status)
		}
		if err != nil {
			return out, err
		}
		letters := a.str(2)
		version, bad := strconv.ParseUint(a.str(1), 10, 64)
		if len(letters) != len(part) || bad != nil {
			return out, fmt.Errorf("broker: fire: %w: %q of version %q for %d times", task.ErrDamaged, letters, a.str(1), len(part))
		}
		out.Now, out.Version = time.UnixMilli(int64(a.num(0))).UTC(), version
		for i := range part {
			out.Outcomes = append(out.Outcomes, fireOutcomes[letters[i]])
		}
	}
	return out, nil
}

// fireOutcomes maps the letters of fire.lua.
var fireOutcomes = map[byte]task.FireOutcome{
	'N': task.FirePosted, 'D': task.FireDone, 'O': task.FireOverlap, 'C': task.FireChanged, 'E': task.FireEarly,
}

// fireArgs lays out the arguments of fire.lua for one time. A zero id posts nothing.
func fireArgs(args []any, s task.Schedule, revision string, at time.Time, id task.ID) ([]any, error) {
	alone := 0
	if s.Overlap == task.OverlapSkip {
		alone = 1
	}
	if id.IsZero() {
		return append(args, s.Name, revision, at.UnixMilli(), alone, "", "", "", 0), nil
	}
	c := s.CallAt(at)
	c.ID = id
	pend := pendName(&c)
	v, err := encodeJob(&c, nil, pend, "")
	if err != nil {
		return nil, fmt.Errorf("broker: schedule %q: %w", s.Name, err)
	}
	delay := c.Spec.Delay.Milliseconds()
	if c.Spec.Delay > 0 {
		delay = max(delay, 1)
	}
	return append(args, s.Name, revision, at.UnixMilli(), alone, id[:], v, pend, delay), nil
}
