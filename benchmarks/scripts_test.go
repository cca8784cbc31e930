package benchmarks

import (
	"maps"
	"strings"
)

// The metrics of scripts: how long the server took for an EVALSHA, without the way
// there and back. No other client is served meanwhile.
const (
	scriptP50  = "script-p50-us"
	scriptP99  = "script-p99-us"
	scriptP999 = "script-p99.9-us"
	scriptMax  = "script-max-us"
)

// percentiles is what the server is asked for, and what it calls that.
var percentiles = map[string]string{"p50": scriptP50, "p99": scriptP99, "p99.9": scriptP999, "p100": scriptMax}

// resetScripts forgets how long scripts took so far. A server that was named by a flag
// is left alone, and one before version 7 cannot tell.
func (h *bench) resetScripts() {
	if *redisURL != "" {
		return
	}
	if err := h.rdb.ConfigSet(h.Context(), "latency-tracking-info-percentiles", "50 99 99.9 100").Err(); err != nil {
		return
	}
	if err := h.rdb.ConfigResetStat(h.Context()).Err(); err != nil {
		h.Fatal(err)
	}
}

// scripts adds how long scripts took since resetScripts.
func (h *bench) scripts(r *round) {
	h.Helper()
	if *redisURL != "" {
		return
	}
	maps.Copy(r.metrics, parsePercentiles(h.info("latencystats")["latency_percentiles_usec_evalsha"]))
}

// parsePercentiles reads "p50=30.1,p99=80.9,p99.9=200.7,p100=1003.5".
func parsePercentiles(s string) map[string]float64 {
	out := map[string]float64{}
	for part := range strings.SplitSeq(s, ",") {
		name, us, _ := strings.Cut(part, "=")
		if metric, ok := percentiles[name]; ok {
			out[metric] = number(us)
		}
	}
	return out
}
