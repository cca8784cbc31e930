package broker

import (
	"os"
	"strconv"
	"testing"
	"time"
)

func lazyEdits(lazy bool) []edit {
	if os.Getenv("BYTES") != "" {
		return []edit{{"lib/claim", "local MAXBYTES = 4194304", "local MAXBYTES = 60"}}
	}
	if !lazy {
		return nil
	}
	return []edit{{"lib/run", "local EDGES, CHUNK = 1024, 256", "local EDGES, CHUNK = 1, 256"}}
}

func TestDebugSeeds(t *testing.T) {
	if os.Getenv("SEEDS") == "" {
		t.Skip()
	}
	lazy := os.Getenv("LAZY") != ""
	n := newBench(t, testConfig, lazyEdits(lazy)...)
	count, _ := strconv.Atoi(os.Getenv("SEEDS"))
	from, _ := strconv.Atoi(os.Getenv("FROM"))
	start := time.Now()
	bad := 0
	for s := from; s < from+count; s++ {
		if w := try(t.Context(), n, uint64(s), lazy); w != "" {
			t.Errorf("seed %d: %s", s, w)
			if bad++; bad >= 2 {
				break
			}
		}
	}
	t.Logf("%d in %v", count, time.Since(start))
}
