//go:build unix

package broker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gomlq/mlq/task"
)

// lockFor is how long to wait for a server that is just ending.
const lockFor = 5 * time.Second

// lockDir makes sure that one server at a time writes to dir.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("broker: local directory: %w", err)
	}
	for until := time.Now().Add(lockFor); ; time.Sleep(retryMin) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if time.Now().Before(until) {
			continue
		}
		return nil, errors.Join(fmt.Errorf("%w: broker: another process uses %s", task.ErrUnavailable, dir), f.Close())
	}
}
