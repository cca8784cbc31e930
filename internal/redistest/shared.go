package redistest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// shared is the one server of this test process that all its tests may use.
var shared struct {
	running atomic.Bool // Main runs and will stop the server
	once    sync.Once
	server  *Server
	err     error
}

// Main runs the tests of m, stops the server of [Shared] if one was started,
// and returns the exit code. It is all of a package's TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }
//
// A check for leaked goroutines belongs between Main and os.Exit.
func Main(m *testing.M) int {
	shared.running.Store(true)
	code := m.Run()
	shared.running.Store(false)
	if shared.server == nil {
		return code
	}
	shared.server.stop()
	if err := os.RemoveAll(shared.server.dir); err != nil {
		fmt.Fprintln(os.Stderr, "redistest: remove the shared server's directory:", err)
		code = max(code, 1)
	}
	return code
}

// Shared returns the server that all tests of this process share, without
// persistence, and starts it on first use. A test keeps to its own [Namespace]
// there. Killing, restarting or pausing it panics; neither may a test flush or
// reconfigure it. The package needs a TestMain that calls [Main].
func Shared(tb testing.TB) *Server {
	tb.Helper()
	if !shared.running.Load() {
		tb.Fatal("redistest: Shared needs `func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }` in this package")
	}
	program := RequireServer(tb)
	shared.once.Do(func() { shared.server, shared.err = startShared(program) })
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.server
}

// startShared starts the shared server in a directory that Main removes.
func startShared(program string) (*Server, error) {
	dir, err := os.MkdirTemp("", "mlq-shared-")
	if err != nil {
		return nil, fmt.Errorf("redistest: make a directory for the shared server: %w", err)
	}
	s := &Server{program: program, dir: dir, set: newSettings(nil)}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

var (
	processTag     = strconv.FormatUint(uint64(rand.Uint32()), 36)
	namespaceCount atomic.Uint64
)

// Namespace returns a name no other call returns, neither in this process nor,
// but for chance, in others. It begins with tb's name to be recognised among
// the keys, has at most 40 characters, all of [a-z0-9_-], and begins with a
// letter.
func Namespace(tb testing.TB) string {
	tb.Helper()
	const longest = 40
	suffix := "-" + processTag + "-" + strconv.FormatUint(namespaceCount.Add(1), 36)
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		default:
			return '-'
		}
	}, strings.ToLower(tb.Name()))
	return name[:min(len(name), longest-len(suffix))] + suffix
}
