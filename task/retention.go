package task

import "time"

// Forever is the [Retention] that keeps a finished job's record and result
// until they are deleted by hand.
const Forever time.Duration = -1

// DefaultRetention is how long a finished job's record and result are kept
// unless [Retention] says otherwise.
const DefaultRetention = 7 * 24 * time.Hour

// Class is one of the sixteen lengths of time for which records are kept. An
// ID carries its class, so that records of one class lie together and expire
// together, at the cost of one command for thousands of them.
type Class uint8

// classes are the retention times to which others are rounded up; the first is
// Forever.
var classes = [16]time.Duration{
	Forever,
	time.Minute, 5 * time.Minute, 15 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 2 * 24 * time.Hour, 3 * 24 * time.Hour, DefaultRetention,
	14 * 24 * time.Hour, 30 * 24 * time.Hour, 90 * 24 * time.Hour, 366 * 24 * time.Hour,
}

// ClassFor returns the class that keeps at least d: the next of 1, 5, 15 min,
// 1, 3, 6, 12 h, 1, 2, 3, 7, 14, 30, 90, 366 days. Zero means
// [DefaultRetention]; negative, or more than 366 days, is for ever.
func ClassFor(d time.Duration) Class {
	if d == 0 {
		d = DefaultRetention
	}
	if d < 0 {
		return 0
	}
	for c := 1; c < len(classes); c++ {
		if d <= classes[c] {
			return Class(c)
		}
	}
	return 0
}

// Duration returns how long c keeps a record, [Forever] for class 0.
func (c Class) Duration() time.Duration { return classes[c&0x0F] }
