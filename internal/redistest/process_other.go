//go:build !unix

package redistest

import (
	"errors"
	"os/exec"
)

// errNoSignals says that this system cannot stop a process for a while.
var errNoSignals = errors.New("redistest: pausing a server needs a Unix system")

func dieWithParent(*exec.Cmd) {}
func pause(*process) error    { return errNoSignals }
func resume(*process) error   { return errNoSignals }
func paused(*process) bool    { return false }
