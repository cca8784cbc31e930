package redistest_test

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/internal/redistest"
)

func TestClusterServesKeysOfAllNodes(t *testing.T) {
	t.Parallel()
	c := redistest.Cluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()})
	t.Cleanup(func() { _ = client.Close() })

	const keys = 60
	for i := range keys {
		key, value := fmt.Sprintf("key:%d", i), fmt.Sprintf("value:%d", i)
		if err := client.Set(t.Context(), key, value, 0).Err(); err != nil {
			t.Fatalf("SET %s: %v", key, err)
		}
		if got, err := client.Get(t.Context(), key).Result(); got != value || err != nil {
			t.Fatalf("GET %s = %q, %v, want %q", key, got, err, value)
		}
	}

	var total int64
	for i, s := range c.Nodes() {
		n := do(t, s, "DBSIZE").(int64)
		if n == 0 || s.Addr() != c.Addrs()[i] {
			t.Errorf("node %d at %s has %d keys, Addrs() has %s there; want some keys and that address", i, s.Addr(), n, c.Addrs()[i])
		}
		total += n
	}
	if total != keys {
		t.Errorf("the nodes hold %d keys, want %d", total, keys)
	}
}
