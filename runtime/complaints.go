package runtime

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

// complainEvery is how often the same trouble with the broker is logged.
const complainEvery = time.Minute

// complaints logs trouble with the broker, each kind once in complainEvery:
// an outage must not fill the disk.
type complaints struct {
	log  *slog.Logger
	mu   sync.Mutex
	last map[complaint]time.Time
}

type complaint struct {
	op   string
	kind error // nil for an error of no known kind
}

// about logs that op has failed with err and is going to be repeated.
func (c *complaints) about(ctx context.Context, op string, err error) {
	k := complaint{op, kindOf(err)}
	c.mu.Lock()
	last, now := c.last[k], time.Now()
	due := last.IsZero() || now.Sub(last) >= complainEvery
	if due {
		if c.last == nil {
			c.last = make(map[complaint]time.Time)
		}
		c.last[k] = now
	}
	c.mu.Unlock()
	if !due {
		return
	}
	level := slog.LevelError
	if errors.Is(err, task.ErrUnavailable) {
		level = slog.LevelWarn // it passes
	}
	c.log.LogAttrs(ctx, level, "broker trouble; trying again", slog.String("op", op), slog.Any("error", err))
}

// kindOf returns the sentinel that err wraps, nil if it wraps none of these.
func kindOf(err error) error {
	for _, kind := range []error{task.ErrUnavailable, task.ErrFull, task.ErrDamaged, task.ErrInvalid, task.ErrTooLarge, task.ErrGone} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}
