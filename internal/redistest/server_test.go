package redistest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
)

func TestStartedServerAnswersAtItsURL(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts   []redistest.Option
		prefix string
	}{
		"tcp":      {nil, "redis://127.0.0.1:"},
		"unix":     {[]redistest.Option{redistest.Unix()}, "unix:///"},
		"password": {[]redistest.Option{redistest.Config("requirepass", "se:cret")}, "redis://:se%3Acret@127.0.0.1:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, tc.opts...)
			if !strings.HasPrefix(s.URL(), tc.prefix) {
				t.Errorf("URL() = %q, want it to begin with %q", s.URL(), tc.prefix)
			}
			if err := dial(t, s.URL(), 3).Set(t.Context(), "k", "v", 0).Err(); err != nil {
				t.Fatalf("SET through %s: %v", s.URL(), err)
			}
			if got := do(t, s, "GET", "k"); got != "v" {
				t.Errorf("GET k = %v, want v", got)
			}
			if got := do(t, s, "GET", "absent"); got != nil {
				t.Errorf("GET absent = %v, want nil", got)
			}
		})
	}
}

func TestRestartKeepsWhatTheAppendOnlyFileHolds(t *testing.T) {
	t.Parallel()
	for _, fsync := range []string{"always", "everysec"} {
		t.Run(fsync, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t, redistest.AOF(fsync))
			url, pid := s.URL(), s.PID()
			do(t, s, "SET", "k", "v")
			s.Kill()
			if _, err := s.Do(t.Context(), "PING"); err == nil {
				t.Error("PING of a killed server: no error")
			}
			s.Restart()
			if got := do(t, s, "GET", "k"); got != "v" {
				t.Errorf("GET k after the restart = %v, want v", got)
			}
			if s.URL() != url || s.PID() == pid {
				t.Errorf("after the restart %s, process %d; before %s, process %d; want the same address, another process",
					s.URL(), s.PID(), url, pid)
			}
		})
	}
}

func TestRestartOfARunningServerWithoutPersistenceForgets(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	do(t, s, "SET", "k", "v")
	s.Restart()
	if got := do(t, s, "DBSIZE"); got != int64(0) {
		t.Errorf("DBSIZE after the restart = %v, want 0", got)
	}
}

func TestPausedServerAnswersOnlyAfterResume(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Pause()
	if _, err := s.Do(brief(t, 100*time.Millisecond), "PING"); err == nil {
		t.Error("PING of a paused server: no error")
	}
	s.Resume()
	if got := do(t, s, "PING"); got != "PONG" {
		t.Errorf("PING after Resume = %v, want PONG", got)
	}
	s.Pause() // the end of the test kills it all the same
}

func TestMaxMemoryRefusesWritesBeyondIt(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.MaxMemory(4<<20))
	value := strings.Repeat("x", 64<<10)
	var err error
	for i := 0; i < 1000 && err == nil; i++ {
		_, err = s.Do(t.Context(), "SET", i, value)
	}
	if err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("64 MB set with a limit of 4 MiB: %v, want OOM", err)
	}
}

func TestServersOfParallelTestsAreApart(t *testing.T) {
	t.Parallel()
	a, b := redistest.Start(t), redistest.Start(t)
	do(t, a, "SET", "k", "v")
	if got := do(t, b, "DBSIZE"); got != int64(0) || a.Addr() == b.Addr() {
		t.Errorf("%s holds %v keys of %s, want 0 and two addresses", b.Addr(), got, a.Addr())
	}
}

// childVariable makes TestServerDiesWithTheTestProcess play the process that
// dies.
const childVariable = "REDISTEST_CHILD"

func TestServerDiesWithTheTestProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(childVariable) != "" {
		s := redistest.Start(t)
		fmt.Printf("\nserver %s\n", s.Addr())
		_, _ = io.Copy(io.Discard, os.Stdin) // until killed, or its parent is
		return
	}
	if goruntime.GOOS != "linux" {
		t.Skip("only Linux ends a child with its parent")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestServerDiesWithTheTestProcess$")
	cmd.Env = append(os.Environ(), childVariable+"=1", "TMPDIR="+t.TempDir())
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	for lines := bufio.NewScanner(out); addr == "" && lines.Scan(); {
		if after, ok := strings.CutPrefix(lines.Text(), "server "); ok {
			addr = after
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if addr == "" {
		t.Fatal("the child started no server")
	}
	redistest.Eventually(t, patience, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, "server %s gone after the death of its test process", addr)
}

func TestStartReportsAConfigurationThatRedisRefuses(t *testing.T) {
	t.Parallel()
	failed := failure(t, func(tb testing.TB) {
		tb.Helper()
		redistest.Start(tb, redistest.Config("no-such-directive", "1"))
	})
	if !strings.Contains(failed, "no-such-directive") {
		t.Errorf("Start failed with %q, want what the server said about no-such-directive", failed)
	}
}

func TestDoReportsTheServersError(t *testing.T) {
	t.Parallel()
	_, err := redistest.Shared(t).Do(t.Context(), "NOSUCH")
	if err == nil || !strings.Contains(err.Error(), "unknown command") || errors.Unwrap(err) == nil {
		t.Errorf("Do(NOSUCH) = %v, want the server's error, wrapped", err)
	}
}
