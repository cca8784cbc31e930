package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Primary is the name under which sentinels know the primary: the master_name of
// clients.
const Primary = "mlq"

const (
	sentinels = 3
	// downAfter, in milliseconds, is how long a server is missed before a sentinel
	// calls it down: see nodeTimeout.
	downAfter = 3000
	// failoverTimeout, in milliseconds, is when a failover that gets stuck is given up.
	failoverTimeout = 10000
)

// A SentinelServer is a primary and a replica of it that three sentinels watch.
type SentinelServer struct {
	tb        testing.TB
	nodes     []*Server
	sentinels []*Server
}

// Sentinel starts a primary, a replica and three sentinels of tb's own on loopback,
// and returns when all know each other and the replica follows. opts are for primary
// and replica. It needs Redis 7 and ends like [Start].
func Sentinel(tb testing.TB, opts ...Option) *SentinelServer {
	tb.Helper()
	s := &SentinelServer{tb: tb}
	// Else a replica is given its data 5 s after it has asked, should others ask too.
	opts = append([]Option{Config("repl-diskless-sync-delay", "0")}, opts...)
	first := Start(tb, opts...)
	s.nodes = []*Server{first, Start(tb, append(opts, Config("replicaof", "127.0.0.1 "+strconv.Itoa(first.at.port)))...)}
	for range sentinels {
		at := Start(tb, sentinelMode(first.at, downAfter))
		// Every 10 s would do for users.
		if _, err := at.Do(tb.Context(), "SENTINEL", "DEBUG", "info-period", 1000); err != nil {
			tb.Fatalf("redistest: hurry a sentinel: %v", err)
		}
		s.sentinels = append(s.sentinels, at)
	}
	s.await(first.Addr())
	return s
}

// Addrs returns the addresses of the sentinels, each 127.0.0.1:PORT.
func (s *SentinelServer) Addrs() []string {
	addrs := make([]string, len(s.sentinels))
	for i, at := range s.sentinels {
		addrs[i] = at.Addr()
	}
	return addrs
}

// Nodes returns primary and replica, in the order in which they were started.
func (s *SentinelServer) Nodes() []*Server { return append([]*Server(nil), s.nodes...) }

// Failover makes the replica the primary. It returns when all sentinels say so and
// the former primary follows the new one, so that it may be called again.
func (s *SentinelServer) Failover() {
	s.tb.Helper()
	before, _, err := s.seen(s.sentinels[0])
	if err != nil {
		s.tb.Fatalf("redistest: ask a sentinel: %v", err)
	}
	next := s.nodes[0].Addr()
	if next == before {
		next = s.nodes[1].Addr()
	}
	if !poll(patience, func() bool {
		if now, _, err := s.seen(s.sentinels[0]); err == nil && now == next {
			return true
		}
		// It is refused while one is under way, or the replica was not heard of lately.
		_, err = s.sentinels[0].Do(s.tb.Context(), "SENTINEL", "FAILOVER", Primary)
		return false
	}) {
		said, _ := os.ReadFile(filepath.Join(s.sentinels[0].dir, "redis.log")) // only helps to explain
		s.tb.Fatalf("redistest: no failover within %v: %v; the sentinel said:\n%s", patience, err, said)
	}
	// The sentinels would see to it themselves, seconds later.
	host, port, err := net.SplitHostPort(next)
	if err == nil {
		_, err = s.node(before).Do(s.tb.Context(), "REPLICAOF", host, port)
	}
	if err != nil {
		s.tb.Fatalf("redistest: let the former primary follow: %v", err)
	}
	s.await(next)
}

// await waits until all sentinels know each other and take the server at addr for the
// primary, and it has a replica that follows.
func (s *SentinelServer) await(addr string) {
	s.tb.Helper()
	for _, at := range s.sentinels {
		var state string
		if !poll(patience, func() bool {
			primary, known, err := s.seen(at)
			state = fmt.Sprintf("primary %s, %s, %v", primary, known, err)
			return err == nil && primary == addr && known == fmt.Sprintf("%d replicas, %d other sentinels", len(s.nodes)-1, sentinels-1)
		}) {
			s.tb.Fatalf("redistest: sentinel %s does not take %s for the primary after %v; it says: %s", at.Addr(), addr, patience, state)
		}
	}
	var info any
	if !poll(patience, func() bool {
		info, _ = s.node(addr).Do(s.tb.Context(), "INFO", "replication")
		return strings.Contains(fmt.Sprint(info), "role:master") && strings.Contains(fmt.Sprint(info), ",state=online,")
	}) {
		s.tb.Fatalf("redistest: %s has no replica after %v; it says: %v", addr, patience, info)
	}
}

// seen returns the address of the primary as a sentinel sees it, and whom else it knows.
func (s *SentinelServer) seen(at *Server) (primary, known string, err error) {
	reply, err := at.Do(s.tb.Context(), "SENTINEL", "MASTER", Primary)
	if err != nil {
		return "", "", err
	}
	list, _ := reply.([]any)
	fields := map[string]string{}
	for i := 0; i+1 < len(list); i += 2 {
		fields[fmt.Sprint(list[i])] = fmt.Sprint(list[i+1])
	}
	known = fmt.Sprintf("%s replicas, %s other sentinels", fields["num-slaves"], fields["num-other-sentinels"])
	return net.JoinHostPort(fields["ip"], fields["port"]), known, nil
}

// node returns the server at addr.
func (s *SentinelServer) node(addr string) *Server {
	for _, n := range s.nodes {
		if n.Addr() == addr {
			return n
		}
	}
	s.tb.Fatalf("redistest: no server is at %s", addr)
	return nil
}
