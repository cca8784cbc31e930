package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gomlq/mlq/internal/timetable"
	"github.com/gomlq/mlq/task"
)

// Schedules is what a scheduler needs of a broker.
type Schedules interface {
	// KeepSchedules makes or replaces schedules that a program declares; one that it
	// has declared just so before stays as it is, with what was changed since.
	KeepSchedules(ctx context.Context, ss []task.Schedule) error
	// Agenda returns all schedules, unless their version is the one that was seen.
	Agenda(ctx context.Context, seen uint64) (task.Agenda, error)
	// Fire posts the jobs of times that have come, each once, whoever else fires it.
	Fire(ctx context.Context, fs []task.Fire) (task.Fired, error)
}

// SchedulerConfig says how a scheduler works. The zero value works.
type SchedulerConfig struct {
	// Look is how often the schedules are looked at for changes, which is a command
	// of some 50 bytes. Default 2s, 10ms to 1min; a change is noticed within it.
	Look time.Duration
	// Observe, if not nil, is told what became of each time that this scheduler has
	// come with, from its goroutine. A time that another was first with is not told.
	Observe func(Firing)
	// Logger takes the scheduler's log. Default [slog.Default].
	Logger *slog.Logger
}

// Firing is what became of a time of a schedule.
type Firing struct {
	Schedule string
	At       time.Time // the time of the schedule, without jitter
	Late     time.Duration
	Outcome  task.FireOutcome // FirePosted or FireOverlap
	Job      task.ID          // of FirePosted
	Missed   bool             // nothing was posted: this time, and those before it, were missed
}

func (c SchedulerConfig) withDefaults() SchedulerConfig {
	c.Look = cmp.Or(c.Look, 2*time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func (c SchedulerConfig) validate() error {
	if c.Look < 10*time.Millisecond || c.Look > time.Minute {
		return fmt.Errorf("runtime: Look is %v, want 10ms to 1m (0 means 2s)", c.Look)
	}
	return nil
}

// Scheduler posts the jobs of schedules at their times: of those that it was made with,
// and of all others of the namespace. Make one with [NewScheduler].
//
// Any number may run at once, in any number of processes: there is no leader, each comes
// with every time, and the broker posts each time once. Times are judged by the
// broker's clock; this machine's may be wrong.
type Scheduler struct {
	b   Schedules
	cfg SchedulerConfig
	own []task.Schedule
}

// NewScheduler returns a scheduler that declares the schedules ss when it begins; none
// are needed. It reports every fault of c and ss at once; those of schedules wrap
// [task.ErrInvalid] and name the schedule and the field of its expression. It does not
// talk to b.
func NewScheduler(b Schedules, c SchedulerConfig, ss ...task.Schedule) (*Scheduler, error) {
	c = c.withDefaults()
	errs := []error{c.validate()}
	if b == nil {
		errs = append(errs, errors.New("runtime: the broker is nil; open one with broker.Open"))
	}
	seen := map[string]bool{}
	for _, s := range ss {
		if _, err := timetable.New(s); err != nil {
			errs = append(errs, fmt.Errorf("runtime: %w", err))
		}
		if s.Name != "" && seen[s.Name] {
			errs = append(errs, fmt.Errorf("%w: runtime: two schedules are named %q; give each a name of its own", task.ErrInvalid, s.Name))
		}
		seen[s.Name] = true
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Scheduler{b: b, cfg: c, own: ss}, nil
}

// Run posts jobs at their times until ctx ends, and returns nil then. It rides out a
// broker that cannot be reached; what was missed meanwhile is up to each schedule's
// [task.CatchUp]. It returns an error at once if the broker refuses the schedules, and
// when the broker is closed: that wraps [task.ErrClosed]. Run may be called several
// times, also at once.
func (s *Scheduler) Run(ctx context.Context) error {
	r := &rounds{Scheduler: s, complaints: complaints{log: s.cfg.Logger}}
	var p pause
	for {
		wait, err := r.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was told to end
		case errors.Is(err, task.ErrClosed):
			return fmt.Errorf("runtime: scheduler: %w", err)
		case err != nil && !r.kept && (errors.Is(err, task.ErrInvalid) || errors.Is(err, task.ErrTooLarge)):
			return fmt.Errorf("runtime: declare the schedules: %w", err)
		case err != nil:
			r.complaints.about(ctx, "schedule", err)
			r.looked = time.Time{} // what it knows may be old when the broker is back
			wait = p.next(err)
		default:
			p = pause{}
		}
		if wait > 0 && !sleep(ctx, wait) {
			return nil
		}
	}
}
