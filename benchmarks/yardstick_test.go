package benchmarks

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The yardstick is what the server does for plain commands, sent by hand: a
// client library would cost processor time that the multiples would gain by. It
// comes out as redis-benchmark -c 16 -d 100 does.
const (
	rawConns   = 16
	rawValue   = 100 // bytes
	setFor     = 120 * time.Millisecond
	setManyFor = 50 * time.Millisecond
	pipeline   = 100 // SETs sent at once
)

// reading is the yardstick of rates at one time.
type reading struct {
	set     float64 // unpipelined SETs of 100 bytes a second, 16 connections
	setMany float64 // the same in pipelines of 100
}

func (r reading) mean(o reading) reading {
	return reading{(r.set + o.set) / 2, (r.setMany + o.setMany) / 2}
}

// yard has the connections, which the whole process shares, and all readings.
var yard struct {
	conns    []*rawConn
	readings []reading
	pings    []float64 // medians, in us
	server   string
}

// read reads the yardstick.
func (h *bench) read() reading {
	h.Helper()
	r, err := readYardstick(h.url)
	if err != nil {
		h.Fatalf("yardstick: %v", err)
	}
	if yard.server == "" {
		yard.server = "redis " + h.info("server")["redis_version"]
	}
	yard.readings = append(yard.readings, r)
	return r
}

func readYardstick(rawURL string) (r reading, err error) {
	for len(yard.conns) < rawConns {
		c, err := dialRaw(rawURL)
		if err != nil {
			return r, err
		}
		yard.conns = append(yard.conns, c)
	}
	for _, c := range yard.conns {
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			return r, err
		}
	}
	if r.set, err = sets(1, setFor); err != nil {
		return r, err
	}
	r.setMany, err = sets(pipeline, setManyFor)
	return r, err
}

// ping is a PING on the first of the connections.
func ping() error { return yard.conns[0].do(command("PING"), "+PONG\r\n") }

// rawKey is the key that connection i sets.
func rawKey(i int) string { return "mlq:yardstick:" + strconv.Itoa(i) }

// sets returns how many SETs a second all connections do together, n at once.
func sets(n int, d time.Duration) (float64, error) {
	var wg sync.WaitGroup
	counts, errs := make([]int, len(yard.conns)), make([]error, len(yard.conns))
	start := time.Now()
	for i, c := range yard.conns {
		wg.Go(func() {
			request := bytes.Repeat(command("SET", rawKey(i), strings.Repeat("x", rawValue)), n)
			reply := strings.Repeat("+OK\r\n", n)
			for errs[i] == nil && time.Since(start) < d {
				errs[i] = c.do(request, reply)
				counts[i] += n
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / elapsed.Seconds(), errors.Join(errs...)
}

// rawConn speaks the protocol without a library.
type rawConn struct {
	net.Conn
	r   *bufio.Reader
	buf []byte
}

// dialRaw connects as a redis:// or unix:// URL says.
func dialRaw(rawURL string) (*rawConn, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	network, addr, db := "tcp", u.Host, strings.Trim(u.Path, "/")
	switch u.Scheme {
	case "unix":
		network, addr, db = "unix", u.Path, u.Query().Get("db")
	case "redis":
		if u.Port() == "" {
			addr = net.JoinHostPort(u.Hostname(), "6379")
		}
	default:
		return nil, fmt.Errorf("the scheme is %q, want redis:// or unix://", u.Scheme)
	}
	conn, err := net.DialTimeout(network, addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	c := &rawConn{Conn: conn, r: bufio.NewReader(conn)}
	if password, ok := u.User.Password(); ok {
		auth := []string{"AUTH", u.User.Username(), password}
		if auth[1] == "" {
			auth = []string{"AUTH", password}
		}
		if err := c.do(command(auth...), "+OK\r\n"); err != nil {
			return nil, err
		}
	}
	if db == "" {
		return c, nil
	}
	return c, c.do(command("SELECT", db), "+OK\r\n")
}

// do sends a request and reads its reply, which must be as wanted.
func (c *rawConn) do(request []byte, want string) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	if len(c.buf) < len(want) {
		c.buf = make([]byte, len(want))
	}
	got := c.buf[:len(want)]
	if _, err := io.ReadFull(c.r, got); err != nil {
		return err
	}
	if string(got) != want {
		return fmt.Errorf("got %.80q, want %.80q", got, want)
	}
	return nil
}

// command encodes a command.
func command(args ...string) []byte {
	b := []byte("*" + strconv.Itoa(len(args)) + "\r\n")
	for _, a := range args {
		b = append(b, "$"+strconv.Itoa(len(a))+"\r\n"+a+"\r\n"...)
	}
	return b
}
