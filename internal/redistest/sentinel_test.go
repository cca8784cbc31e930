package redistest

import (
	"testing"
)

func TestSentinelsMoveThePrimaryBackAndForth(t *testing.T) {
	t.Parallel()
	s := Sentinel(t)
	if n := len(s.Addrs()); n != sentinels {
		t.Errorf("sentinels: got %d, want %d", n, sentinels)
	}
	for i, want := range []int{0, 1, 0} {
		if i > 0 {
			s.Failover()
		}
		for _, at := range s.sentinels {
			if got, known, err := s.seen(at); err != nil || got != s.nodes[want].Addr() {
				t.Errorf("after %d failovers a sentinel says %s (%s), %v, want %s", i, got, known, err, s.nodes[want].Addr())
			}
		}
		if _, err := s.nodes[want].Do(t.Context(), "SET", "key", i); err != nil {
			t.Errorf("after %d failovers: %v", i, err)
		}
		if _, err := s.nodes[1-want].Do(t.Context(), "SET", "key", i); err == nil {
			t.Errorf("after %d failovers the replica takes writes", i)
		}
	}
}
