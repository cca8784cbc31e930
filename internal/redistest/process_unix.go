//go:build unix && !linux

package redistest

import (
	"os/exec"
	"syscall"
)

// dieWithParent does nothing: there is no such thing outside Linux. A child
// outlives a test process that is killed.
func dieWithParent(*exec.Cmd) {}

// pause sends p the signal that stops it.
func pause(p *process) error { return p.signal(syscall.SIGSTOP) }

// resume undoes pause.
func resume(p *process) error { return p.signal(syscall.SIGCONT) }

// paused reports true: the signal's delivery cannot be observed.
func paused(*process) bool { return true }
