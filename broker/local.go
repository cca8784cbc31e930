package broker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// ErrNoServer says that there is no redis-server on PATH for a local:// URL.
var ErrNoServer = errors.New("broker: no redis-server on PATH; install redis, or use redis:// or embedded://")

// maxSocketPath is what a unix socket's address has room for.
const maxSocketPath = 100

// openLocal starts a private redis-server that keeps its data in a directory, and
// serves this process only.
func openLocal(ctx context.Context, u *url.URL, cfg Config) (*Broker, error) {
	if u.Host != "" || u.Path == "" {
		return nil, fmt.Errorf("%w: broker: %s: want local:///path/to/dir", task.ErrInvalid, u.Redacted())
	}
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, ErrNoServer
	}
	dir, err := filepath.Abs(u.Path)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: broker: local directory: %w", task.ErrInvalid, err)
	}
	socket, clean, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	s, err := startServer(bin, dir, socket)
	if err != nil {
		return nil, errors.Join(err, clean())
	}
	cfg.Logger.Info("mlq: local redis-server; it ends with this process and keeps its data", "dir", dir, "pid", s.cmd.Process.Pid)
	rdb := redis.NewClient(&redis.Options{
		Network: "unix", Addr: socket, Protocol: 2, DisableIdentity: true, MaxRetries: -1, PoolSize: poolSize,
		ReadTimeout: callTimeout, WriteTimeout: callTimeout, ContextTimeoutEnabled: true,
		MaintNotificationsConfig: noNotifications(),
	})
	b, err := connect(ctx, rdb, cfg, clean, s.stop)
	if err != nil {
		return nil, fmt.Errorf("%w (the server's log is %s)", err, filepath.Join(dir, "redis.log"))
	}
	return b, nil
}

// socketPath returns a place for the socket: in dir, or in a directory of its own
// where that path would be too long.
func socketPath(dir string) (path string, clean func() error, err error) {
	path = filepath.Join(dir, "redis.sock")
	if len(path) <= maxSocketPath {
		return path, func() error { return nil }, nil
	}
	tmp, err := os.MkdirTemp("", "mlq")
	if err != nil {
		return "", nil, fmt.Errorf("broker: local socket: %w", err)
	}
	return filepath.Join(tmp, "redis.sock"), func() error { return os.RemoveAll(tmp) }, nil
}

// localServer is a redis-server that we have started.
type localServer struct {
	cmd  *exec.Cmd
	lock *os.File
	done chan struct{} // closed when it has ended; how is in its log
}

// startServer starts a server on dir, which only one may have at a time.
func startServer(bin, dir, socket string) (*localServer, error) {
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	//nolint:noctx // it lives until Close
	cmd := exec.Command(bin, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
		"--dir", dir, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
		"--maxmemory-policy", "noeviction", "--logfile", filepath.Join(dir, "redis.log"), "--daemonize", "no")
	cmd.ExtraFiles = []*os.File{lock} // the server holds the lock too, to its very end
	dieWithParent(cmd)
	s := &localServer{cmd: cmd, lock: lock, done: make(chan struct{})}
	started := make(chan error)
	go func() { // ends with the server; stop waits for it
		unlock := keepThread()
		defer unlock()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		_ = cmd.Wait()
		close(s.done)
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("broker: local redis-server: %w", err), lock.Close())
	}
	return s, nil
}

// stop ends the server in good order, so that nothing is lost.
func (s *localServer) stop() error {
	_ = s.cmd.Process.Signal(os.Interrupt)
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	return s.lock.Close()
}
