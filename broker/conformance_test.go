package broker

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/gomlq/mlq/internal/brokertest"
	"github.com/gomlq/mlq/internal/redistest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]func(t *testing.T) func(*testing.T) *Broker{
		"Redis":           onRedis(1),
		"ThreePartitions": onRedis(3),
		"Cluster":         onCluster,
		"Embedded":        onEmbedded,
		"Local":           onLocal,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opened := server(t)
			brokertest.Run(t, func(t *testing.T) brokertest.Broker { return checked(t, opened(t)) })
		})
	}
}

// checked looks at what b has stored when the test has ended: it must be as the
// scripts keep it, whatever the story was.
func checked(t *testing.T, b *Broker) *Broker {
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		found, err := b.Fsck(context.Background(), FsckConfig{})
		if err != nil {
			t.Errorf("Fsck: %v", err)
		}
		for _, f := range found.Broken {
			t.Errorf("after the story: %v", f)
		}
	})
	return b
}

func onRedis(partitions int) func(t *testing.T) func(*testing.T) *Broker {
	return func(t *testing.T) func(*testing.T) *Broker {
		s := redistest.Shared(t)
		return func(t *testing.T) *Broker {
			return open(t, s.URL(), Config{Partitions: partitions, RetryFor: patient.RetryFor})
		}
	}
}

func onCluster(t *testing.T) func(*testing.T) *Broker {
	c := redistest.Cluster(t)
	return func(t *testing.T) *Broker { return open(t, clusterURL(c), patient) }
}

// clusterURL returns the URL that names all nodes of c.
func clusterURL(c *redistest.ClusterServer) string {
	addrs := c.Addrs()
	return "redis+cluster://" + addrs[0] + "?" + url.Values{"addr": addrs[1:]}.Encode()
}

func onEmbedded(*testing.T) func(*testing.T) *Broker {
	return func(t *testing.T) *Broker { return open(t, "embedded://", patient) }
}

// patient is for a machine that is busy with other tests: it repeats calls that
// took too long.
var patient = Config{RetryFor: time.Minute}

// onLocal starts one local server; all tests but the first broker's meet it at its
// socket.
func onLocal(t *testing.T) func(*testing.T) *Broker {
	redistest.RequireServer(t)
	dir := t.TempDir()
	if len(filepath.Join(dir, "redis.sock")) > maxSocketPath {
		t.Fatalf("the directory %s has too long a name for a socket in it", dir)
	}
	open(t, "local://"+dir, Config{})
	return func(t *testing.T) *Broker { return open(t, "unix://"+filepath.Join(dir, "redis.sock"), patient) }
}
