package benchmarks

import (
	"flag"
	"os"
	"testing"

	"github.com/gomlq/mlq/internal/redistest"
)

var redisURL = flag.String("redis", os.Getenv("MLQ_BENCH_REDIS"),
	"`URL` (redis:// or unix://) of the Redis to measure on; empty starts a private one")

func TestMain(m *testing.M) {
	code := redistest.Main(m)
	if err := summary.print(os.Stdout); err != nil {
		code = max(code, 1)
	}
	os.Exit(code)
}
