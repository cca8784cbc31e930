//go:build !linux

package broker

import "os/exec"

// dieWithParent does nothing here: a local server outlives a process that is
// killed, and must be ended by hand.
func dieWithParent(*exec.Cmd) {}

func keepThread() (unlock func()) { return func() {} }
