package redistest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
)

const (
	clusterNodes = 3
	slots        = 16384 // of every Redis cluster
	// nodeTimeout, in milliseconds, is how long a node is missed before the
	// others call it failed: short for a test that waits for it, long enough
	// for a node that only waits for the processor.
	nodeTimeout = 3000
)

// A ClusterServer is a Redis cluster of three masters without replicas.
type ClusterServer struct {
	nodes []*Server
}

// Cluster starts a cluster of tb's own on loopback, with the slots spread evenly
// over three masters, and returns when every node knows the others and calls
// the cluster healthy. That takes Redis some seconds. It needs Redis 7 and ends
// like [Start].
func Cluster(tb testing.TB) *ClusterServer {
	tb.Helper()
	c := new(ClusterServer)
	for range clusterNodes {
		c.nodes = append(c.nodes, Start(tb, clusterMode(nodeTimeout)))
	}
	for i, s := range c.nodes {
		if err := c.introduce(tb.Context(), i); err != nil {
			tb.Fatalf("redistest: make %s a cluster node: %v", s.Addr(), err)
		}
	}
	for i, s := range c.nodes {
		var ok bool
		var state string
		if !poll(patience, func() bool { ok, state = c.healthy(tb.Context(), i); return ok }) {
			tb.Fatalf("redistest: cluster node %s is not healthy after %v; it says:\n%s", s.Addr(), patience, state)
		}
	}
	return c
}

// Addrs returns the addresses of the nodes, each 127.0.0.1:PORT.
func (c *ClusterServer) Addrs() []string {
	addrs := make([]string, len(c.nodes))
	for i, s := range c.nodes {
		addrs[i] = s.Addr()
	}
	return addrs
}

// Nodes returns the servers behind [ClusterServer.Addrs], in the same order. A
// cluster that lost one refuses all commands, also those for other slots.
func (c *ClusterServer) Nodes() []*Server { return append([]*Server(nil), c.nodes...) }

// introduce gives node i its epoch and slots and lets it meet the nodes before it.
func (c *ClusterServer) introduce(ctx context.Context, i int) error {
	s := c.nodes[i]
	commands := [][]any{
		{"CLUSTER", "SET-CONFIG-EPOCH", i + 1},
		{"CLUSTER", "ADDSLOTSRANGE", slots * i / clusterNodes, slots*(i+1)/clusterNodes - 1},
	}
	for _, other := range c.nodes[:i] {
		host, port, err := net.SplitHostPort(other.Addr())
		if err != nil {
			return err
		}
		commands = append(commands, []any{"CLUSTER", "MEET", host, port, other.at.bus})
	}
	for _, args := range commands {
		if _, err := s.Do(ctx, args...); err != nil {
			return fmt.Errorf("%v: %w", args, err)
		}
	}
	return nil
}

// healthy reports whether node i sees the whole cluster, and what it sees.
func (c *ClusterServer) healthy(ctx context.Context, i int) (ok bool, state string) {
	info, err := c.nodes[i].Do(ctx, "CLUSTER", "INFO")
	if err != nil {
		return false, err.Error()
	}
	state = fmt.Sprint(info)
	n := strconv.Itoa(clusterNodes)
	for _, want := range []string{"cluster_state:ok", "cluster_known_nodes:" + n, "cluster_size:" + n} {
		if !strings.Contains(state, want+"\r\n") {
			return false, state
		}
	}
	return true, state
}
