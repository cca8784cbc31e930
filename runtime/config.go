package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/gomlq/mlq/task"
)

// MaxSlots bounds Config.Slots.
const MaxSlots = 100_000

// Config is how a worker works. The zero value works.
type Config struct {
	// Slots is how many attempts run at once; those that wait for other jobs do
	// not count. Default 10, 1 to 100,000.
	Slots int
	// Queues are the queues to claim from. Default: the queues that the tasks were
	// defined with, "default" for those without.
	Queues []string
	// Name tells workers apart, for people. Default host-pid.
	Name string
	// LeaseTTL is how long the broker keeps the jobs of a silent worker before
	// others may have them; the worker gives a sign of life three times as often.
	// Default 30s, at least 1s.
	LeaseTTL time.Duration
	// Grace is how long a worker that is to end waits for its attempts before
	// their contexts end with [task.ErrShutdown]. Default 25s.
	Grace time.Duration
	// AbandonAfter is how long an attempt whose context has ended may go on. Then
	// its slot is freed, it is reported and logged, and what it does later is
	// ignored. Default 10s.
	AbandonAfter time.Duration
	// MaxBlocked is how many attempts may wait for other jobs before the worker
	// claims only jobs that were posted by jobs, so that the waiting ones get what
	// they wait for. Default 1000.
	MaxBlocked int
	// NoTick: do not move what has come due (delayed jobs, expired leases). Some
	// worker or reaper must. Default false.
	NoTick bool
	// Schedules are declared by this worker, which runs a [Scheduler] as long as it
	// works; the broker must be one of [Schedules]. Default none: then it runs none,
	// and some other worker or scheduler must.
	Schedules []task.Schedule
	// Observer is told of every attempt, and of every post made by a job if it is
	// a [PostObserver] too. Default none.
	Observer Observer
	// Middleware is around every attempt that calls task functions; the first is
	// outermost, and the middleware of tasks ([task.Use]) is within. What it does is
	// between the two calls of the Observer. A job that cannot be run, and the look of a
	// map at its list, call no function and pass none. Default none.
	Middleware []task.Middleware
	// PostMiddleware is around the posts of jobs; the first is outermost. The ID of a
	// child is derived from the call as the task function has made it. Default none.
	PostMiddleware []task.PostMiddleware
	// Logger takes the worker's log, and that of jobs. Default [slog.Default].
	Logger *slog.Logger
	// LogLevel is the level from which on lines that jobs log are also kept with the
	// job: see [task.MaxLogLines]. Default [slog.LevelInfo]; [NoLogs] keeps none.
	LogLevel slog.Leveler
}

func (c Config) withDefaults(hs []task.Handler) Config {
	c.Slots = cmp.Or(c.Slots, 10)
	c.LeaseTTL = cmp.Or(c.LeaseTTL, 30*time.Second)
	c.Grace = cmp.Or(c.Grace, 25*time.Second)
	c.AbandonAfter = cmp.Or(c.AbandonAfter, 10*time.Second)
	c.MaxBlocked = cmp.Or(c.MaxBlocked, 1000)
	c.Name = cmp.Or(c.Name, fmt.Sprintf("%s-%d", host(), os.Getpid()))
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.LogLevel == nil {
		c.LogLevel = slog.LevelInfo
	}
	if len(c.Queues) == 0 {
		c.Queues = queuesOf(hs)
	}
	return c
}

// validate reports every fault of c, which has its defaults.
func (c Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("runtime: "+format, args...)) }
	if c.Slots < 1 || c.Slots > MaxSlots {
		bad("Slots is %d, want 1 to %d (0 means 10)", c.Slots, MaxSlots)
	}
	if c.LeaseTTL < time.Second {
		bad("LeaseTTL is %v, want at least 1s (0 means 30s)", c.LeaseTTL)
	}
	if c.Grace < 0 {
		bad("Grace is %v, want a positive time (0 means 25s)", c.Grace)
	}
	if c.AbandonAfter < 0 {
		bad("AbandonAfter is %v, want a positive time (0 means 10s)", c.AbandonAfter)
	}
	if c.MaxBlocked < 0 {
		bad("MaxBlocked is %d, want a positive number (0 means 1000)", c.MaxBlocked)
	}
	for i, name := range c.Queues {
		if err := task.CheckName("queue", name); err != nil {
			bad("Queues[%d]: %w", i, err)
		} else if slices.Contains(c.Queues[:i], name) {
			bad("Queues[%d]: queue %q is named twice", i, name)
		}
	}
	return errors.Join(errs...)
}

// queuesOf returns the queues that hs were defined with, each once.
func queuesOf(hs []task.Handler) []string {
	var out []string
	for _, h := range hs {
		if h == nil {
			continue
		}
		if name := cmp.Or(h.Defaults().Queue, task.DefaultQueue); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// misspelt returns the first of configured that no task was defined with but
// that is close to one which is not configured, and that one.
func misspelt(configured, defined []string) (name, meant string) {
	var missing []string
	for _, d := range defined {
		if !slices.Contains(configured, d) {
			missing = append(missing, d)
		}
	}
	for _, name := range configured {
		if meant := task.Nearest(name, missing); meant != "" && !slices.Contains(defined, name) {
			return name, meant
		}
	}
	return "", ""
}

func host() string { return cmp.Or(hostname(), "unknown") }

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
