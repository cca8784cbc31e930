package redistest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// startTries is how often start picks another address after a collision.
const startTries = 8

// errEnded says that a server gave up by itself, as it does when another
// process has its port.
var errEnded = errors.New("redistest: redis-server ended before it was ready")

// start picks an address and launches the server there, again and again while
// it ends by itself. It returns the last error.
func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last error
	for range startTries {
		at, err := pickEndpoint(s.set)
		if err != nil {
			return err
		}
		s.at = at
		if last = s.launch(); !errors.Is(last, errEnded) {
			return last
		}
		if err := at.remove(); err != nil {
			return errors.Join(last, err)
		}
	}
	return last
}

// launch starts a process at s.at and waits until it is ready. The caller
// holds s.mu.
func (s *Server) launch() error {
	conf := filepath.Join(s.dir, "redis.conf")
	if err := os.WriteFile(conf, []byte(s.set.file(s.dir, s.at)), 0o600); err != nil {
		return fmt.Errorf("redistest: write the configuration: %w", err)
	}
	log, err := os.Create(filepath.Join(s.dir, "redis.log"))
	if err != nil {
		return fmt.Errorf("redistest: create the log: %w", err)
	}
	defer func() { _ = log.Close() }() // the server has its own descriptor
	cmd := exec.Command(s.program, conf)
	if s.set.sentinel {
		cmd.Args = append(cmd.Args, "--sentinel")
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	proc, err := spawn(cmd)
	if err != nil {
		return err
	}
	if err := s.awaitReady(proc); err != nil {
		proc.kill()
		said, _ := os.ReadFile(log.Name()) // only helps to explain err
		return fmt.Errorf("%w; it said:\n%s", err, cmp.Or(string(said), "nothing"))
	}
	s.proc = proc
	return s.connect()
}

// connect replaces the client of Do by one for the present process.
func (s *Server) connect() error {
	o, err := redis.ParseURL(s.URL())
	if err != nil {
		return fmt.Errorf("redistest: parse the server's own address: %w", err)
	}
	o.Protocol, o.DisableIdentity = 2, true
	o.MaxRetries, o.DialerRetries = -1, 1
	o.ReadTimeout, o.ContextTimeoutEnabled = patience, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	s.disconnect()
	s.client = redis.NewClient(o)
	return nil
}

// disconnect closes the client of Do, if there is one.
func (s *Server) disconnect() {
	if s.client != nil {
		_ = s.client.Close() // its server may be dead
	}
}

// stop kills the server and removes what the test's directory does not hold.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnect()
	if s.proc != nil {
		s.proc.kill()
	}
	if err := s.at.remove(); err != nil && s.tb != nil {
		s.tb.Error(err)
	}
}

// awaitReady waits until p answers at the server's address and has loaded its
// data. It fails early if p ends.
func (s *Server) awaitReady(p *process) error {
	want := fmt.Appendf(nil, "process_id:%d\r\n", p.cmd.Process.Pid)
	var last error
	if !poll(patience, func() bool {
		last = s.probe(want)
		return last == nil || p.ended()
	}) {
		return fmt.Errorf("redistest: redis-server at %s is not ready after %v: %w", s.Addr(), patience, last)
	}
	if last != nil {
		return fmt.Errorf("%w at %s: %w", errEnded, s.Addr(), last)
	}
	return nil
}

// probe asks once whether the server is ready. It speaks the protocol itself,
// because go-redis logs each refused connection. want is what the server's
// INFO contains: it tells our process from another's that took the port.
func (s *Server) probe(want []byte) error {
	conn, err := net.DialTimeout(network(s.Addr()), s.Addr(), time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	r := newFrameReader(conn)
	ask := func(want []byte, command ...string) error {
		if _, err := conn.Write(encode(command...)); err != nil {
			return err
		}
		reply, err := r.reply()
		if err != nil {
			return err
		}
		if !bytes.Contains(reply.raw, want) {
			return fmt.Errorf("%s: got %.200q, want %q in it", command[0], reply.raw, want)
		}
		return nil
	}
	if s.set.password != "" {
		if err := ask([]byte("+OK"), "AUTH", s.set.password); err != nil {
			return err
		}
	}
	if err := ask(want, "INFO", "server"); err != nil {
		return err
	}
	return ask([]byte("+PONG"), "PING") // -LOADING until the data is there
}
