package redistest_test

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/gomlq/mlq/internal/redistest"
)

// patience is the deadline of what must happen, on a machine however busy.
const patience = time.Minute

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

// dial returns a client of url that tries each command once.
func dial(t *testing.T, url string, protocol int) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatalf("ParseURL(%q): %v", url, err)
	}
	o.Protocol, o.MaxRetries, o.DialerRetries = protocol, -1, 1
	o.ReadTimeout, o.ContextTimeoutEnabled = patience, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	c := redis.NewClient(o)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the client: %v", err)
		}
	})
	return c
}

// do is s.Do for a command that must succeed.
func do(t *testing.T, s *redistest.Server, args ...any) any {
	t.Helper()
	reply, err := s.Do(t.Context(), args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return reply
}

// brief returns a context that ends after d.
func brief(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// rawConn speaks RESP by hand, where a client library would hide what comes.
type rawConn struct {
	t *testing.T
	c net.Conn
	r *redistest.FrameReader
}

func newRawConn(t *testing.T, addr string) *rawConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawConn{t, c, redistest.NewFrameReader(c)}
}

// send sends an inline command.
func (c *rawConn) send(command string) {
	c.t.Helper()
	if _, err := io.WriteString(c.c, command+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// expect sends command, unless it is empty, and reads one frame, which must be
// of the given type.
func (c *rawConn) expect(command string, kind byte) {
	c.t.Helper()
	if command != "" {
		c.send(command)
	}
	raw, err := c.r.Frame()
	if err != nil || raw[0] != kind {
		c.t.Fatalf("after %q: %q, %v, want a frame of type %q", command, raw, err, kind)
	}
}
