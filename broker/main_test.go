package broker

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/gomlq/mlq/internal/redistest"
)

// parallel is how many tests may run at once unless -parallel says otherwise:
// most of the time they wait.
const parallel = "32"

func TestMain(m *testing.M) {
	if dir := os.Getenv(localChildEnv); dir != "" {
		os.Exit(localChild(dir))
	}
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		if err := flag.Set("test.parallel", parallel); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	code := redistest.Main(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "after all tests:", err)
		code = 1
	}
	os.Exit(code)
}

// withoutRaceDetector skips a test under the race detector. make test runs it a second
// time, without.
func withoutRaceDetector(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("skipped under the race detector: go test ./broker -run", t.Name())
	}
}

// open returns a broker on url that is closed when the test ends. It gets a
// namespace of its own unless cfg has one.
func open(t testing.TB, url string, cfg Config) *Broker {
	t.Helper()
	b, err := Open(t.Context(), url, quietly(t, cfg))
	if err != nil {
		t.Fatalf("Open %s: %v", url, err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

// quietly returns cfg with a namespace and without a log.
func quietly(t testing.TB, cfg Config) Config {
	if cfg.Namespace == "" {
		cfg.Namespace = redistest.Namespace(t)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}
