package benchmarks

import (
	"os"
	"strings"
	"time"
)

// tick is the unit of /proc/stat: USER_HZ is 100 wherever Go runs.
const tick = 10 * time.Millisecond

// machineTime returns the time that all processors together have worked and
// idled since the machine was started.
func machineTime() (busy, idle time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, f := range strings.Fields(line) { // cpu user nice system idle iowait irq softirq steal guest…
		d := time.Duration(number(f)) * tick
		switch {
		case i == 4 || i == 5:
			idle += d
		case i <= 8:
			busy += d
		}
	}
	return busy, idle
}
