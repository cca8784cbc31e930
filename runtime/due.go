package runtime

import (
	"time"

	"github.com/gomlq/mlq/internal/timetable"
	"github.com/gomlq/mlq/task"
)

// due decides which times of a table are fired at now, if all up to mark are dealt
// with: these, in order. pass is the last of those that are left out for good, zero if
// what is fired comes after it anyway. next is when to look again.
func due(t timetable.Table, policy task.CatchUp, mark, now time.Time) (fires []time.Time, pass, next time.Time) {
	until, next := t.Until(mark, now)
	n := 1
	if policy == task.CatchUpAll {
		n = task.MaxCatchUp
	}
	fires = t.Last(mark, until, n)
	if policy == task.CatchUpSkip && len(fires) > 0 {
		if at := fires[0]; now.Sub(at)-t.Jitter(at) > task.MissedAfter {
			return nil, at, next
		}
	}
	return fires, time.Time{}, next
}
