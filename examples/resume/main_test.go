package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/examples/internal/showtest"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

func TestMain(m *testing.M) {
	showtest.Program(main)
	os.Exit(m.Run())
}

// wants are what the program prints, each time.
var wants = []string{
	"worker 1 was killed while it had count-3",
	"worker 2 went on; the run failed: this version has a bug\n",
	"worker 3 was mended, and the run resumed: 17984 primes below 200000\n",
	"\ncount-3      2  1, 2       was running when worker 1 was killed\n",
	"\nsum-1        2  2, 3       had not succeeded when the run failed\n",
	" of 13 nodes were run once, and not again\n",
}

func TestOnlyWhatHadNotSucceededIsRepeated(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var logs strings.Builder
	l := ledger(filepath.Join(t.TempDir(), "ledger"))
	c := exec.CommandContext(t.Context(), self, "-ledger", string(l)) // its workers are processes of this program, too
	c.Env, c.Stderr = showtest.Env(), &logs
	got, err := c.Output()
	if err != nil {
		t.Fatalf("%v; it said\n%s%s", err, got, logs.String())
	}
	for _, want := range wants {
		if !strings.Contains(string(got), want) {
			t.Errorf("got\n%s\nwant in it\n%s", got, want)
		}
	}
	// A sum may have been running beside count-3: on a busy machine it gives its
	// slot away while it reads what it adds up. What has succeeded is run once.
	begun, err := l.read()
	if err != nil {
		t.Fatal(err)
	}
	if len(begun) != 13 {
		t.Errorf("%d nodes have begun, want 13: %v", len(begun), begun)
	}
	for node, by := range begun {
		_, line, _ := strings.Cut(string(got), "\n"+node+" ")
		line, _, _ = strings.Cut(line, "\n")
		if excused := strings.Contains(line, "was running") || strings.Contains(line, "had not succeeded"); len(by) != 1 && !excused {
			t.Errorf("%s was run %d times, though it had succeeded:\n%s", node, len(by), got)
		}
	}
}

func TestARunWithoutTroubleHasTheSameTotal(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	b, err := broker.Open(t.Context(), "embedded://", broker.Config{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	l := ledger(filepath.Join(t.TempDir(), "ledger"))
	if err := l.clear(); err != nil {
		t.Fatal(err)
	}
	w, err := runtime.NewWorker(b, runtime.Config{Logger: log}, counter{ledger: l}.tasks()...)
	if err != nil {
		t.Fatal(err)
	}
	var total int
	err = show.Beside(runtime.NewClient(b).With(t.Context()), w.Run, func(q context.Context) error {
		g, last := build()
		r, err := g.Submit(q)
		if err != nil {
			return err
		}
		total, err = task.Get(q, r, last)
		return err
	})
	if err != nil || !strings.Contains(wants[2], fmt.Sprintf("resumed: %d primes", total)) {
		t.Errorf("got %d primes, %v; want as many as in %q", total, err, wants[2])
	}
	if begun, err := l.read(); err != nil || len(begun) != 13 {
		t.Errorf("got %d nodes that began, %v, want 13", len(begun), err)
	}
}

func TestTheExitStatusTellsWrongUseFromFailure(t *testing.T) {
	t.Parallel()
	showtest.Statuses(t, "resume", run, []showtest.Use{
		{Args: "-h", Want: 0, Says: "-ledger"},
		{Args: "-worker", Want: 2, Says: "needs -redis and -ledger"},
		{Args: "-bug", Want: 2, Says: "go with -worker"},
		{Args: "-redis nonsense", Want: 1, Says: "resume: "},
	})
}
