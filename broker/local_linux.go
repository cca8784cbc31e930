package broker

import (
	"os/exec"
	goruntime "runtime"
	"syscall"
)

// dieWithParent has the kernel end the child when the thread that starts it ends;
// keepThread makes that the end of the process.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}

func keepThread() (unlock func()) {
	goruntime.LockOSThread()
	return goruntime.UnlockOSThread
}
