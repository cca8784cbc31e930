package redistest

import (
	"os/exec"
	"testing"
	"time"
)

// serverProgram is the name of the server that is looked up on PATH.
const serverProgram = "redis-server"

// RequireServer returns the path of redis-server. It ends the test as failed,
// rather than skipping it, if there is none: a run without Redis proves nothing.
func RequireServer(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath(serverProgram)
	if err != nil {
		tb.Fatalf("redistest: no %s on PATH (%v); `make setup` brings it", serverProgram, err)
	}
	return path
}

// Eventually waits until cond is true and ends the test as failed, with msg
// formatted like [testing.TB.Fatalf], if it is not within timeout.
//
// cond is called at least once, and once more after the deadline, with pauses
// that grow from 1 ms to 50 ms. Choose timeout for the slowest machine: it
// costs nothing where the condition comes true early.
func Eventually(tb testing.TB, timeout time.Duration, cond func() bool, msg string, args ...any) {
	tb.Helper()
	if !poll(timeout, cond) {
		tb.Fatalf("not within %v: "+msg, append([]any{timeout}, args...)...)
	}
}

// poll calls cond until it is true or timeout has passed and reports which.
func poll(timeout time.Duration, cond func() bool) bool {
	const longest = 50 * time.Millisecond
	deadline := time.Now().Add(timeout)
	for pause := time.Millisecond; ; pause = min(2*pause, longest) {
		late := !time.Now().Before(deadline)
		if cond() {
			return true
		}
		if late {
			return false
		}
		time.Sleep(pause)
	}
}
