//go:build !linux

package benchmarks

import "time"

// machineTime returns 0: it is not known here.
func machineTime() (busy, idle time.Duration) { return 0, 0 }
