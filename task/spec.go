package task

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"time"
)

// Defaults of a [Spec].
const (
	DefaultQueue       = "default"
	DefaultMaxAttempts = 5
	DefaultBackoffMin  = time.Second
	DefaultBackoffMax  = 10 * time.Minute
)

// Limits of a [Spec]; each keeps one job's bookkeeping far smaller than its
// payload may be.
const (
	MaxMaxAttempts = 10_000                    // a longer history helps nobody
	MaxDelay       = 10 * 365 * 24 * time.Hour // exact in a double, as Redis keeps it
	MaxKeyLen      = 512                       // bytes of a unique or idempotency key
	MaxHeaders     = 64                        // entries
	MaxHeaderBytes = 8 << 10                   // names and values together
)

// Level is a priority. It orders jobs within a queue and function filter:
// whatever is high runs before whatever is normal, and that before what is low.
type Level int8

// The priorities. The zero value is normal.
const (
	Low    Level = -1
	Normal Level = 0
	High   Level = 1
)

// Spec is how a job is to be run. A zero field means the default. Programs
// rarely write one: options do.
type Spec struct {
	Queue       string        // default "default"
	Priority    Level         // default Normal
	MaxAttempts int           // default 5, at most 10,000
	Timeout     time.Duration // of one attempt; default none
	BackoffMin  time.Duration // of the first retry; default 1s
	BackoffMax  time.Duration // no retry waits longer; default 10min
	Retention   time.Duration // of the finished record; default 7 days; see ClassFor

	Delay          time.Duration // until it may run; default none
	UniqueKey      string        // holds until the job is terminal
	IdempotencyKey string        // holds as long as the record
	Deadline       time.Time     // no attempt begins after it, whole milliseconds; default none
	Headers        map[string]string
}

// WithDefaults returns s with its zero fields filled in, first from under,
// then with the defaults of this package. Where that makes the shortest backoff
// longer than the longest, the one that was given, and nearer to s, is taken for
// both. Delay, deadline, keys and headers belong to one job and have no defaults.
func (s Spec) WithDefaults(under Spec) Spec {
	onlyMin := s.BackoffMin != 0 && s.BackoffMax == 0
	s.Queue = cmp.Or(s.Queue, under.Queue, DefaultQueue)
	s.Priority = cmp.Or(s.Priority, under.Priority)
	s.MaxAttempts = cmp.Or(s.MaxAttempts, under.MaxAttempts, DefaultMaxAttempts)
	s.Timeout = cmp.Or(s.Timeout, under.Timeout)
	s.BackoffMin = cmp.Or(s.BackoffMin, under.BackoffMin, DefaultBackoffMin)
	s.BackoffMax = cmp.Or(s.BackoffMax, under.BackoffMax, DefaultBackoffMax)
	s.Retention = cmp.Or(s.Retention, under.Retention, DefaultRetention)
	if s.BackoffMin > s.BackoffMax {
		if onlyMin {
			s.BackoffMax = s.BackoffMin
		} else {
			s.BackoffMin = s.BackoffMax
		}
	}
	return s
}

// Validate reports every fault of s at once; each wraps [ErrInvalid].
func (s Spec) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
	}
	if s.Queue != "" {
		if err := CheckName("queue", s.Queue); err != nil {
			errs = append(errs, err)
		}
	}
	if s.Priority < Low || s.Priority > High {
		bad("Priority is %d, want Low, Normal or High", s.Priority)
	}
	if s.MaxAttempts < 0 {
		bad("MaxAttempts is below 1; with 1 a job is tried once and never again")
	}
	if s.MaxAttempts > MaxMaxAttempts {
		bad("MaxAttempts is %d, want at most %d", s.MaxAttempts, MaxMaxAttempts)
	}
	if s.Timeout < 0 {
		bad("Timeout is %v, want a positive time (0 means none)", s.Timeout)
	}
	if s.BackoffMin < 0 || s.BackoffMax < 0 {
		bad("Backoff is %v to %v, want positive times", s.BackoffMin, s.BackoffMax)
	}
	if s.BackoffMin > cmp.Or(s.BackoffMax, DefaultBackoffMax) {
		bad("Backoff begins with %v, which is above its maximum of %v", s.BackoffMin, cmp.Or(s.BackoffMax, DefaultBackoffMax))
	}
	if s.Delay < 0 || s.Delay > MaxDelay {
		bad("Delay is %v, want 0 to %v", s.Delay, MaxDelay)
	}
	if !s.Deadline.IsZero() && s.Deadline.UnixMilli() <= 0 {
		bad("Deadline is %v, want a time after 1970", s.Deadline)
	}
	if len(s.UniqueKey) > MaxKeyLen || len(s.IdempotencyKey) > MaxKeyLen {
		bad("a key is longer than %d bytes; use a hash of it", MaxKeyLen)
	}
	size := 0
	for k, v := range s.Headers {
		size += len(k) + len(v)
	}
	if len(s.Headers) > MaxHeaders || size > MaxHeaderBytes {
		bad("%d headers with %d bytes, want at most %d with %d; put data into the payload", len(s.Headers), size, MaxHeaders, MaxHeaderBytes)
	}
	return errors.Join(errs...)
}

// A DefineOption goes with [Define], [Declare] and [DefineBatch].
type DefineOption interface {
	BatchOption
	define(*definition)
}

// A PostOption goes with Post, PostMany, Do and Call.
type PostOption interface{ post(*Spec) }

// An Option goes with both, and with With.
type Option interface {
	DefineOption
	PostOption
}

// definition is what DefineOptions work on.
type definition struct {
	work
	spec     Spec
	listener bool

	maxBatch   int // of DefineBatch
	batchDelay time.Duration
}

type both func(*Spec)

func (f both) define(d *definition) { f(&d.spec) }
func (f both) post(s *Spec)         { f(s) }

type postOnly func(*Spec)

func (f postOnly) post(s *Spec) { f(s) }

type defineOnly func(*definition)

func (f defineOnly) define(d *definition) { f(d) }

// Queue sends jobs to the named queue instead of "default".
func Queue(name string) Option { return both(func(s *Spec) { s.Queue = name }) }

// Priority lets jobs overtake others of their queue and function, or be
// overtaken. It is strict: as long as there is [High] work, [Low] work waits.
func Priority(l Level) Option { return both(func(s *Spec) { s.Priority = l }) }

// MaxAttempts bounds how often a job is tried, the first time included.
// Default 5. Lost workers, snoozes and shutdowns do not count.
func MaxAttempts(n int) Option {
	return both(func(s *Spec) {
		if n == 0 {
			n = -1 // 0 attempts is a mistake, not a wish for the default
		}
		s.MaxAttempts = n
	})
}

// Timeout bounds one attempt: after d its context ends with [ErrTimeout].
// Default none.
func Timeout(d time.Duration) Option { return both(func(s *Spec) { s.Timeout = d }) }

// Backoff bounds the pause before retries: the first is up to min, each next
// one up to twice as long, none above max; where in between is drawn by lot
// (full jitter). Default 1 s to 10 min.
func Backoff(min, max time.Duration) Option {
	return both(func(s *Spec) { s.BackoffMin, s.BackoffMax = min, max })
}

// Retention keeps the finished job's record and result for at least d, rounded
// up as [ClassFor] says. Default 7 days; [Forever] keeps them.
func Retention(d time.Duration) Option { return both(func(s *Spec) { s.Retention = d }) }

// Delay keeps the job back for d from now. It is exact to about a second.
func Delay(d time.Duration) PostOption { return postOnly(func(s *Spec) { s.Delay = d }) }

// UniqueKey holds key until the job is terminal: who posts with the same key
// meanwhile gets that job's handle instead of a new job, whatever his payload. A
// task's keys are its own: another task may use the same.
func UniqueKey(key string) PostOption { return postOnly(func(s *Spec) { s.UniqueKey = key }) }

// IdempotencyKey makes a repeated post harmless: as long as the job's record is
// kept, a post of the same task with the same key gets that job's handle, and with
// another payload is refused with [ErrConflict]. A record is kept for its
// [Retention], at least a minute; a dead letter longer.
func IdempotencyKey(key string) PostOption {
	return postOnly(func(s *Spec) { s.IdempotencyKey = key })
}

// Deadline lets no attempt of the job begin after a time: what is claimed later ends as
// skipped, with [ErrLate] as its failure, and is not run. An attempt that has begun goes
// on; see [Timeout]. The time is rounded down to milliseconds, and judged by the broker's
// clock as it was when the claiming program opened it. A job stays in its queue until it is
// claimed, late or not. The zero time is no deadline.
func Deadline(at time.Time) PostOption {
	return postOnly(func(s *Spec) { s.Deadline = at })
}

// Header sends a name and a value along with the job, as Job().Spec.Headers.
// Tracing uses "traceparent" and "tracestate".
func Header(name, value string) PostOption {
	return postOnly(func(s *Spec) {
		h := maps.Clone(s.Headers)
		if h == nil {
			h = make(map[string]string, 1)
		}
		h[name] = value
		s.Headers = h
	})
}

// Listener marks a task as one that takes messages without a function filter:
// such a message is run by all listeners of the worker that claims it, in order
// of registration, and the last one's output is the result.
func Listener() DefineOption { return defineOnly(func(d *definition) { d.listener = true }) }
