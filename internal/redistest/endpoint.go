package redistest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// endpoint is where one server listens: at port, or at socket if port is 0.
type endpoint struct {
	port   int
	bus    int    // port of the cluster bus, 0 outside a cluster
	socket string // path of the Unix socket, empty on TCP
}

// pickEndpoint chooses where a server with settings s may listen. Nothing is
// reserved: another process can take a port before the server does.
func pickEndpoint(s settings) (endpoint, error) {
	if s.unix {
		return pickSocket()
	}
	port, err := freePort(0)
	if err != nil || !s.cluster {
		return endpoint{port: port}, err
	}
	bus, err := freePort(port)
	return endpoint{port: port, bus: bus}, err
}

// pickSocket makes a directory for a Unix socket. It is not the test's own
// directory, whose long name may pass the 108 bytes a socket's path can have.
func pickSocket() (endpoint, error) {
	dir, err := os.MkdirTemp("", "mlq-")
	if err != nil {
		return endpoint{}, fmt.Errorf("redistest: make a directory for the socket: %w", err)
	}
	return endpoint{socket: filepath.Join(dir, "redis.sock")}, nil
}

// freePort returns a loopback port other than except on which nothing listens.
// It stays below the ports that kernels hand out to clients, so that no
// outgoing connection takes the port of a server that is down for a restart.
func freePort(except int) (int, error) {
	const low, high, tries = 10_000, 32_000, 100
	var last error
	for range tries {
		port := low + rand.IntN(high-low)
		if port == except {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("redistest: release port %d: %w", port, err)
		}
		return port, nil
	}
	return 0, fmt.Errorf("redistest: no free port among %d tried between %d and %d: %w", tries, low, high, last)
}

// addr returns what a dialer needs: host:port or a path.
func (e endpoint) addr() string {
	if e.socket != "" {
		return e.socket
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(e.port))
}

// url returns the address as go-redis parses it.
func (e endpoint) url(password string) string {
	u := url.URL{Scheme: "redis", Host: e.addr(), Path: "/0"}
	if e.socket != "" {
		u = url.URL{Scheme: "unix", Path: e.socket, RawQuery: "db=0"}
	}
	if password != "" {
		u.User = url.UserPassword("", password)
	}
	return u.String()
}

// remove deletes what the endpoint left in the file system.
func (e endpoint) remove() error {
	if e.socket == "" {
		return nil
	}
	return os.RemoveAll(filepath.Dir(e.socket))
}

// network returns the network of an address as returned by addr.
func network(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return "unix"
	}
	return "tcp"
}
