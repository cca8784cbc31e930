package redistest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// patience is how long a server may take to do what it was told, on a machine
// that is busy with other tests.
const patience = time.Minute

// A Server is a redis-server child of the test process. Its methods are safe
// for concurrent use.
type Server struct {
	tb      testing.TB // nil for the shared server
	program string
	dir     string
	set     settings
	at      endpoint

	mu     sync.Mutex
	proc   *process      // the last one started
	client *redis.Client // of Do, one per process
}

// Start starts a server of tb's own, on a free loopback port and without
// persistence unless opts say otherwise, and returns when it answers. It is
// killed and its files are removed when tb ends, or when the test process dies
// (on Linux). Start ends the test as failed if the server cannot be started.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	s := &Server{tb: tb, program: RequireServer(tb), dir: tb.TempDir(), set: newSettings(opts)}
	tb.Cleanup(s.stop) // before the directory goes
	if err := s.start(); err != nil {
		tb.Fatal(err)
	}
	return s
}

// URL returns the server's address as redis://127.0.0.1:PORT/0, or
// unix:///PATH?db=0 with [Unix].
func (s *Server) URL() string { return s.at.url(s.set.password) }

// Addr returns 127.0.0.1:PORT, or the path of the socket with [Unix].
func (s *Server) Addr() string { return s.at.addr() }

// PID returns the id of the server's process, also after [Server.Kill]; a
// restart changes it.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.cmd.Process.Pid
}

// Do sends one command to the server, once, and returns its reply in RESP2's
// types: string, int64, []any, or nil without an error for a missing value.
func (s *Server) Do(ctx context.Context, args ...any) (any, error) {
	s.mu.Lock()
	c := s.client
	s.mu.Unlock()
	reply, err := c.Do(ctx, args...).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("redistest: %v: %w", args[0], err)
	}
	return reply, nil
}

// Kill ends the server at once, as a crash would, and returns when it is gone.
// Clients lose their connections and are refused new ones.
func (s *Server) Kill() {
	s.mustOwn("Kill")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc.kill()
}

// Restart starts the server again with the same address, directory and
// configuration, killing it first if it runs, and returns when it has loaded
// its data and answers.
func (s *Server) Restart() {
	s.mustOwn("Restart")
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc.kill()
	if err := s.launch(); err != nil {
		s.tb.Fatal(err)
	}
}

// Pause stops the server's process where it is, and returns when it stands
// still. Connections stay open and new ones are accepted by the kernel, but
// nothing is answered until [Server.Resume].
func (s *Server) Pause() {
	s.mustOwn("Pause")
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := pause(s.proc); err != nil {
		s.tb.Fatal(err)
	}
	if !poll(patience, func() bool { return paused(s.proc) }) {
		s.tb.Fatalf("redistest: redis-server did not stop within %v of SIGSTOP", patience)
	}
}

// Resume lets a paused server go on.
func (s *Server) Resume() {
	s.mustOwn("Resume")
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := resume(s.proc); err != nil {
		s.tb.Fatal(err)
	}
}

// mustOwn panics on the shared server, which other tests use at the same time.
func (s *Server) mustOwn(method string) {
	if s.tb == nil {
		panic("redistest: " + method + " on the shared server, which serves other tests too; use Start")
	}
}
