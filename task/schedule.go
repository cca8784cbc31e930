package task

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// Schedule is a job that is posted again and again: at the times of a cron expression
// or at an interval, once for each time, however many schedulers run. Call is typed, as
// a task makes it:
//
//	task.Schedule{Name: "report", Cron: "0 3 * * *", Location: "Europe/Berlin", Call: Report.Call(in)}
//	task.Schedule{Name: "poll", Every: time.Minute, Call: Poll.Call(url, task.Queue("io"))}
type Schedule struct {
	// Name tells schedules of a namespace apart; see [CheckName].
	Name string

	// Cron says when, in five fields: minute, hour, day-of-month, month, day-of-week;
	// or in six, with the second before them; or as @hourly, @daily,
	// @weekly, @monthly or @yearly. CRON_TZ=Zone may stand before them. A time that a
	// zone leaves out when its clocks go forward is not fired; one that it has twice
	// is fired as docs/schedules.md says.
	Cron string
	// Every is the interval, instead of Cron: at least [MinEvery], whole milliseconds.
	// Times are multiples of it since 1970 UTC, so that all schedulers agree.
	Every time.Duration
	// Location is the IANA name of the zone that Cron is meant in, as "Europe/Berlin".
	// Default UTC: the local zone may be another on another machine.
	Location string

	// Jitter is up to how much later than its time a job is posted; how much is
	// derived from name and time, so that all schedulers agree. Default 0, at most
	// [MaxJitter], and less than Every.
	Jitter time.Duration
	// CatchUp says what becomes of times that were missed. Default [CatchUpSkip].
	CatchUp CatchUp
	// Overlap says what happens while the last job has not ended. Default [OverlapAllow].
	Overlap Overlap

	// StartWithin, if not 0, is how long after its time a job may begin; one that is
	// claimed later is skipped, as with [Deadline]. Default none, at most [MaxDelay],
	// whole milliseconds.
	StartWithin time.Duration

	// Call is what is posted, with its options. It must have no key, no deadline and no
	// ID: a time is fired once as it is.
	Call Call
}

// Limits of schedules.
const (
	MinEvery     = time.Second          // what is more frequent is a loop in a task
	MaxEvery     = 366 * 24 * time.Hour // beyond that a date is clearer: use Cron
	MaxJitter    = time.Hour            // a spread over more is better said by the times
	MaxSchedules = 1_000                // in a namespace: a look at all takes Redis about 1 ms
	// MaxScheduleBytes bounds the name, expression, input and options of one,
	// encoded: all that changed are read at once. Store a larger input elsewhere, and
	// send its name.
	MaxScheduleBytes = 4 << 10
	MaxCronLen       = 256 // bytes of an expression

	// MaxCatchUp is how many of the times that were missed [CatchUpAll] posts, the
	// latest ones: more at once would be an outage of their own.
	MaxCatchUp = 1_000
	// MissedAfter is how late the latest time may be fired under [CatchUpSkip]: a
	// scheduler that was started anew, or a short outage, costs nothing.
	MissedAfter = time.Minute
)

// CatchUp says what becomes of the times of a schedule that nobody fired, because no
// scheduler ran or Redis was away. Times before the schedule was made, and while it was
// paused, are never missed.
type CatchUp uint8

// The policies for times that were missed.
const (
	CatchUpSkip CatchUp = iota // they are left out; the latest one is fired if it is at most MissedAfter late
	CatchUpOne                 // the latest one is fired, however late
	CatchUpAll                 // all are fired, in order; of more than MaxCatchUp the latest
)

var catchUpNames = [...]string{"skip", "one", "all"}

func (c CatchUp) String() string {
	if int(c) < len(catchUpNames) {
		return catchUpNames[c]
	}
	return fmt.Sprintf("catchup(%d)", uint8(c))
}

// Overlap says whether a time is fired while the last job of the schedule has not ended.
type Overlap uint8

// The policies for overlaps.
const (
	OverlapAllow Overlap = iota // it is
	OverlapSkip                 // it is left out, and not made up for
)

var overlapNames = [...]string{"allow", "skip"}

func (o Overlap) String() string {
	if int(o) < len(overlapNames) {
		return overlapNames[o]
	}
	return fmt.Sprintf("overlap(%d)", uint8(o))
}

// Validate reports every fault of s at once, but for those of its cron expression and
// zone, which schedulers and brokers see; each wraps [ErrInvalid].
func (s Schedule) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
	}
	if err := CheckName("schedule", s.Name); err != nil {
		errs = append(errs, err)
	}
	switch {
	case s.Cron != "" && s.Every != 0:
		bad("Cron %.40q and Every %v are both set; want one of them", s.Cron, s.Every)
	case s.Cron == "" && s.Every == 0:
		bad("neither Cron nor Every is set; it would never fire")
	case len(s.Cron) > MaxCronLen:
		bad("Cron has %d bytes, want at most %d", len(s.Cron), MaxCronLen)
	case s.Every != 0 && (s.Every < MinEvery || s.Every > MaxEvery):
		bad("Every is %v, want %v to %v", s.Every, MinEvery, MaxEvery)
	case s.Every%time.Millisecond != 0:
		bad("Every is %v, want whole milliseconds", s.Every)
	}
	if s.Location != "" && s.Cron == "" {
		bad("Location %.40q says nothing of an interval; set it with Cron only", s.Location)
	}
	if s.Jitter < 0 || s.Jitter > MaxJitter || s.Every > 0 && s.Jitter >= s.Every {
		bad("Jitter is %v, want 0 to %v, and less than Every", s.Jitter, MaxJitter)
	}
	if s.StartWithin < 0 || s.StartWithin > MaxDelay || s.StartWithin%time.Millisecond != 0 {
		bad("StartWithin is %v, want 0 to %v, whole milliseconds", s.StartWithin, MaxDelay)
	}
	if int(s.CatchUp) >= len(catchUpNames) {
		bad("CatchUp is %v, want CatchUpSkip, CatchUpOne or CatchUpAll", s.CatchUp)
	}
	if int(s.Overlap) >= len(overlapNames) {
		bad("Overlap is %v, want OverlapAllow or OverlapSkip", s.Overlap)
	}
	return errors.Join(append(errs, s.checkCall())...)
}

// checkCall reports what of the call does not go with a schedule.
func (s Schedule) checkCall() error {
	c := &s.Call
	if c.err != nil {
		return c.err
	}
	errs := []error{c.Spec.Validate()}
	if c.Spec.UniqueKey != "" || c.Spec.IdempotencyKey != "" {
		errs = append(errs, fmt.Errorf("%w: the call has a key; a time is fired once without one, and OverlapSkip keeps jobs from overlapping", ErrInvalid))
	}
	if !c.Spec.Deadline.IsZero() {
		errs = append(errs, fmt.Errorf("%w: the call has a Deadline, which is one for all times; set StartWithin instead", ErrInvalid))
	}
	if !c.ID.IsZero() || !c.Parent.IsZero() || c.Notify {
		errs = append(errs, fmt.Errorf("%w: the call was posted before, or is waited for; make a new one with the task's Call", ErrInvalid))
	}
	spec := c.Spec
	spec.Headers = fireHeaders(spec.Headers, s.Name, time.Time{})
	if errs[0] == nil && spec.Validate() != nil {
		errs = append(errs, fmt.Errorf("%w: the call has too many headers; two more say which time of a schedule a job is for", ErrInvalid))
	}
	return errors.Join(errs...)
}

// Headers by which a job says which time of which schedule it is for; see [Job.Fire].
const (
	HeaderSchedule = "mlq-schedule"
	HeaderFire     = "mlq-fire"
)

func fireHeaders(h map[string]string, name string, at time.Time) map[string]string {
	if h = maps.Clone(h); h == nil {
		h = make(map[string]string, 2)
	}
	h[HeaderSchedule], h[HeaderFire] = name, at.UTC().Format(time.RFC3339Nano)
	return h
}

// CallAt returns the call for one time of s: it says which in its headers, and has its
// deadline.
func (s Schedule) CallAt(at time.Time) Call {
	c := s.Call
	c.Spec.Headers = fireHeaders(c.Spec.Headers, s.Name, at)
	if s.StartWithin > 0 {
		c.Spec.Deadline = at.Add(s.StartWithin)
	}
	return c
}

// Fire returns which time of which schedule the job is for, without jitter and however
// late it was posted; of one that was triggered, when it was. ok is false if no schedule
// has posted it. Children do not inherit it.
func (j *Job) Fire() (schedule string, at time.Time, ok bool) {
	schedule = j.Spec.Headers[HeaderSchedule]
	at, err := time.Parse(time.RFC3339Nano, j.Spec.Headers[HeaderFire])
	return schedule, at, schedule != "" && err == nil
}

// ScheduleRecord is what is known of a schedule. Times are by the broker's clock.
type ScheduleRecord struct {
	Schedule

	Revision uint64 // raised by each change, of any schedule
	Paused   bool
	// Mark is up to when its times are dealt with: fired, left out or never due. Later
	// ones are yet to come.
	Mark time.Time
	Last time.Time // the latest time that a job was posted for; zero if there was none
	// LastJob is the job of Last, or one that was triggered since; its record may be
	// gone. Zero if there was none.
	LastJob ID
	// Next is the next time it is fired, without jitter; zero while it is paused.
	Next time.Time
}

// Agenda is what schedulers learn from a look at the schedules.
type Agenda struct {
	Now     time.Time // by the broker's clock
	Version uint64    // raised by each change of a schedule
	// Schedules are all of them by name, without Next; nil if Version is that which the
	// scheduler has seen.
	Schedules []ScheduleRecord
	// Fault says which schedules are left out of Schedules because they are damaged,
	// nil if none are.
	Fault error
}

// Fire asks to post the job of a schedule for one of its times.
type Fire struct {
	Schedule Schedule
	Revision uint64 // that it was read with
	At       time.Time
	// Pass: post nothing; At and what was before it is dealt with.
	Pass bool
}

// FireOutcome is what became of a [Fire].
type FireOutcome uint8

// The outcomes.
const (
	FirePosted  FireOutcome = iota + 1 // a job was posted, or for Pass the time is dealt with now
	FireDone                           // it had been dealt with before, by another scheduler as a rule
	FireOverlap                        // it was left out: the last job has not ended; see OverlapSkip
	FireChanged                        // the schedule was changed, paused or deleted: look again
	FireEarly                          // its time has not come by the broker's clock
)

var fireNames = [...]string{"none", "posted", "done", "overlap", "changed", "early"}

func (o FireOutcome) String() string {
	if int(o) < len(fireNames) {
		return fireNames[o]
	}
	return fmt.Sprintf("fire(%d)", uint8(o))
}

// Fired is the answer to some Fires.
type Fired struct {
	Now      time.Time     // by the broker's clock
	Version  uint64        // as in [Agenda]
	Outcomes []FireOutcome // in the order of the Fires
	IDs      []ID          // of the jobs; the same for the same time of a schedule
}
