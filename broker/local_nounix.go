//go:build !unix

package broker

import (
	"fmt"
	"os"

	"github.com/gomlq/mlq/task"
)

func lockDir(string) (*os.File, error) {
	return nil, fmt.Errorf("%w: broker: local:// needs a unix system; use redis:// or embedded://", task.ErrInvalid)
}
