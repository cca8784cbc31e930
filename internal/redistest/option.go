package redistest

import (
	"fmt"
	"strconv"
	"strings"
)

// An Option changes how [Start] configures its server.
type Option func(*settings)

// settings is what the options of one server come to.
type settings struct {
	unix     bool
	cluster  bool
	sentinel bool
	password string
	lines    []string // of redis.conf, later ones override earlier ones
}

// Config adds the line "key value" to the server's redis.conf. value is written
// as it stands, so that directives of several words work; an empty value is
// written as "". With the key requirepass the password also becomes part of
// [Server.URL] and is used by [Server.Do].
func Config(key, value string) Option {
	return func(s *settings) {
		if strings.EqualFold(key, "requirepass") {
			s.password = value
		}
		if value == "" {
			value = `""`
		}
		s.lines = append(s.lines, key+" "+value)
	}
}

// AOF makes the server keep an append-only file, which [Server.Restart] loads.
// fsync is "always", "everysec" or "no". A server that is killed then loses
// nothing it has acknowledged, since the kernel keeps what was written; only
// with "everysec" on a slow disk may Redis put off writing, by up to 2 s.
func AOF(fsync string) Option {
	return func(s *settings) {
		Config("appendonly", "yes")(s)
		Config("appendfsync", fsync)(s)
	}
}

// MaxMemory limits the server's memory to bytes. Writes beyond it are refused
// with an OOM error unless Config("maxmemory-policy", …) says otherwise. An
// empty server takes about 1 MiB.
func MaxMemory(bytes int64) Option {
	return Config("maxmemory", strconv.FormatInt(bytes, 10))
}

// Unix makes the server listen on a Unix socket instead of a TCP port.
func Unix() Option {
	return func(s *settings) { s.unix = true }
}

// clusterMode makes the server a cluster node. timeout is its
// cluster-node-timeout in milliseconds.
func clusterMode(timeout int) Option {
	return func(s *settings) {
		s.cluster = true
		Config("cluster-enabled", "yes")(s)
		Config("cluster-node-timeout", strconv.Itoa(timeout))(s)
	}
}

// sentinelMode makes the server a sentinel that watches the server at e, under the
// name [Primary], and counts it as down after downAfter milliseconds.
func sentinelMode(e endpoint, downAfter int) Option {
	return func(s *settings) {
		s.sentinel = true
		s.lines = []string{ // it keeps nothing, and has no use for the defaults
			fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d %d", Primary, e.port, sentinels/2+1),
			fmt.Sprintf("sentinel down-after-milliseconds %s %d", Primary, downAfter),
			fmt.Sprintf("sentinel failover-timeout %s %d", Primary, failoverTimeout),
		}
	}
}

// newSettings applies opts to the defaults: nothing is kept on disk.
func newSettings(opts []Option) settings {
	var s settings
	Config("save", "")(&s)
	Config("appendonly", "no")(&s)
	for _, opt := range opts {
		opt(&s)
	}
	return s
}

// file returns the redis.conf of a server at e that works in dir.
func (s settings) file(dir string, e endpoint) string {
	var b strings.Builder
	fmt.Fprintf(&b, "dir %q\nport %d\nbind 127.0.0.1\n", dir, e.port)
	if e.socket != "" {
		fmt.Fprintf(&b, "unixsocket %q\n", e.socket)
	}
	if e.bus != 0 {
		fmt.Fprintf(&b, "cluster-port %d\n", e.bus)
	}
	b.WriteString(strings.Join(s.lines, "\n") + "\n")
	return b.String()
}
