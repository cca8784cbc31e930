package redistest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/internal/redistest"
)

func TestProxyKeepsPipelinesAndBytesIntact(t *testing.T) {
	t.Parallel()
	p := redistest.StartProxy(t, redistest.Shared(t).Addr())
	client, ns := dial(t, p.URL(), 3), redistest.Namespace(t)
	large := bytes.Repeat([]byte("\x00\r\n$5\xff"), 1<<20)
	const n = 5000
	cmds, err := client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
		pipe.Set(t.Context(), ns+":large", large, 0)
		pipe.Get(t.Context(), ns+":large")
		pipe.HSet(t.Context(), ns+":hash", "field", "value")
		pipe.HGetAll(t.Context(), ns+":hash")
		for i := range n {
			pipe.Echo(t.Context(), fmt.Sprint(i, strings.Repeat("x", 1000)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := cmds[1].(*redis.StringCmd).Val(); got != string(large) {
		t.Errorf("GET returned %d bytes, want the %d that were set", len(got), len(large))
	}
	if got := cmds[3].(*redis.MapStringStringCmd).Val(); len(got) != 1 || got["field"] != "value" {
		t.Errorf("HGETALL = %v, want one field", got)
	}
	for i, cmd := range cmds[4:] {
		if got := cmd.(*redis.StringCmd).Val(); !strings.HasPrefix(got, fmt.Sprint(i, "x")) {
			t.Fatalf("reply %d is %.10q", i, got)
		}
	}
}

func TestFaultInsideAPipelineCutsItThere(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	p := redistest.StartProxy(t, s.Addr())
	ns := redistest.Namespace(t)
	p.SetFault(func(_ int64, cmd redistest.Command) redistest.Mode {
		if cmd.Name == "SET" && string(cmd.Args[0]) == ns+":2" {
			return redistest.ApplyDropReply
		}
		return redistest.Pass
	})
	conn := newRawConn(t, p.Addr())
	var pipeline []string
	for i := range 5 {
		pipeline = append(pipeline, fmt.Sprintf("SET %s:%d v", ns, i))
	}
	conn.send(strings.Join(pipeline, "\r\n")) // at once: the cut forbids more
	got, err := io.ReadAll(conn.r)
	if string(got) != "+OK\r\n+OK\r\n" || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the pipeline is answered %q, %v, want the two replies before the cut", got, err)
	}
	if got := do(t, s, "EXISTS", ns+":0", ns+":1", ns+":2", ns+":3", ns+":4"); got != int64(3) {
		t.Errorf("%v of the pipeline's keys were set, want 3", got)
	}
}

func TestClosedAndResetConnectionsDiffer(t *testing.T) {
	t.Parallel()
	for mode, want := range map[redistest.Mode]error{
		redistest.DropRequest:    io.EOF,
		redistest.ApplyDropReply: io.EOF,
		redistest.ResetBefore:    syscall.ECONNRESET,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			p := redistest.StartProxy(t, redistest.Shared(t).Addr())
			p.SetFault(only("PING", mode))
			conn := newRawConn(t, p.Addr())
			conn.send("PING")
			if b, err := conn.r.ReadByte(); !errors.Is(err, want) {
				t.Errorf("read %q, %v, want %v", b, err, want)
			}
		})
	}
}

func TestClientThatEndsEndsItsBlockedCommand(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	p := redistest.StartProxy(t, s.Addr())
	key := redistest.Namespace(t)
	// at returns whether a client of this name is at the server, doing cmd.
	at := func(cmd string) bool {
		for line := range strings.Lines(do(t, s, "CLIENT", "LIST").(string)) {
			if strings.Contains(line, " name="+key+" ") && strings.Contains(line, " cmd="+cmd) {
				return true
			}
		}
		return false
	}
	conn := newRawConn(t, p.Addr())
	conn.expect("CLIENT SETNAME "+key, '+')
	conn.send("BLPOP " + key + " 0")
	redistest.Eventually(t, patience, func() bool { return at("blpop") }, "BLPOP at the server")
	if err := conn.c.Close(); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, patience, func() bool { return !at("") }, "the blocked client gone from the server")
	do(t, s, "RPUSH", key, "job")
	if got := do(t, s, "LLEN", key); got != int64(1) {
		t.Errorf("LLEN = %v, want 1: nobody is left to take it", got)
	}
}

func TestKillConnsCutsAndANewConnectionWorks(t *testing.T) {
	t.Parallel()
	p := redistest.StartProxy(t, redistest.Shared(t).Addr())
	client := dial(t, p.URL(), 3)
	p.SetFault(only("ECHO", redistest.Stall(time.Hour)))
	done := make(chan error, 1)
	go func() { done <- client.Echo(t.Context(), "x").Err() }()
	redistest.Eventually(t, patience, func() bool { return p.Names()["ECHO"] == 1 }, "ECHO sent")
	p.KillConns()
	if err := <-done; err == nil {
		t.Error("ECHO on a killed connection: no error")
	}
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("PING on a new connection: %v", err)
	}
}

func TestProxyClosesClientsWhileTheServerIsDown(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Unix())
	p := redistest.StartProxy(t, s.Addr())
	client := dial(t, p.URL(), 3)
	for _, up := range []bool{true, false, true} {
		if up {
			s.Restart()
		} else {
			s.Kill()
		}
		redistest.Eventually(t, patience, func() bool {
			return (client.Ping(brief(t, patience)).Err() == nil) == up
		}, "PING succeeds = %v", up)
	}
}
