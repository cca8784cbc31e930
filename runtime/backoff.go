package runtime

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/gomlq/mlq/task"
)

// backoff returns how long to wait before the attempt after attempt: anything
// from 0 to what doubles from least with each attempt and never exceeds most
// (full jitter). lot draws a number below n.
//
// See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
func backoff(least, most time.Duration, attempt int, lot func(n int64) int64) time.Duration {
	limit := most
	if doublings := max(attempt, 1) - 1; doublings < 63 && least <= most>>doublings {
		limit = least << doublings
	}
	if limit <= 0 {
		return 0
	}
	return time.Duration(lot(int64(limit)))
}

// pause is how long to wait before the broker is asked again. The zero value
// has not waited yet.
type pause struct{ n int }

// The shortest and the longest pause.
const (
	minPause = 50 * time.Millisecond
	maxPause = 5 * time.Second
)

// next returns how long to wait after err. It doubles from time to time, and is
// at once the longest for what will not pass by itself.
func (p *pause) next(err error) time.Duration {
	d := maxPause
	if p.n < 7 && !lasting(err) {
		d = min(minPause<<p.n, maxPause)
		p.n++
	}
	return d/2 + rand.N(d/2)
}

// lasting reports whether err needs a hand, or much time, before it goes away.
func lasting(err error) bool {
	return errors.Is(err, task.ErrDamaged) || errors.Is(err, task.ErrFull) ||
		errors.Is(err, task.ErrInvalid) || errors.Is(err, task.ErrTooLarge)
}

// sleep waits for d; false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// about returns a time from 5/6 of d to d.
func about(d time.Duration) time.Duration { return d - rand.N(d/6+1) }
