package redistest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill cmd when the thread that starts it ends.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// pause sends p the signal that stops it.
func pause(p *process) error { return p.signal(syscall.SIGSTOP) }

// resume undoes pause.
func resume(p *process) error { return p.signal(syscall.SIGCONT) }

// paused reports whether the kernel shows p as stopped. The state is the field
// after the program's name in parentheses, see proc(5).
func paused(p *process) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return false
	}
	_, state, ok := bytes.Cut(stat, []byte(") "))
	return ok && len(state) > 0 && state[0] == 'T'
}
