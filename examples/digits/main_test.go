package main

import (
	"context"
	"errors"
	"image/png"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/examples/internal/showtest"
	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/runtime"
)

func TestMain(m *testing.M) {
	showtest.Program(main)
	os.Exit(redistest.Main(m))
}

// small is a sweep of 30 nodes.
func small() grid {
	return grid{
		settings:  []Setting{{C: 1, Gamma: 0.001}, {C: 10, Gamma: 0.001}, {K: 3}},
		folds:     2,
		reference: sweep().reference,
	}
}

// wantSmall is what every small sweep prints.
const wantSmall = `
cross-validation              mean  worst fold
SVC C=1 gamma=0.001         91.9 %      89.8 %
SVC C=10 gamma=0.001        92.2 %      90.2 %  <- best
k-NN k=3                    90.5 %      90.0 %

held out                     right  scikit-learn
SVC C=1 gamma=0.001            871           871
SVC C=10 gamma=0.001           872           872
SVC C=1 gamma=0.01             627           627
k-NN k=1                       864           864
k-NN k=3                       866           866
k-NN k=5                       859           859
k-NN k=7                       856           856

SVC C=10 gamma=0.001, retrained: 872 of 899 held-out images right (97.0 %), in `

func TestTheProgramRunsWithNothingInstalled(t *testing.T) {
	t.Parallel()
	var out, progress showtest.Buffer
	dir := filepath.Join(t.TempDir(), "new")
	if err := run(t.Context(), []string{"-slots", "3", "-out", dir}, small(), &show.Screen{Out: &out, Err: &progress}); err != nil {
		t.Fatalf("%v; progress:\n%s", err, progress.String())
	}
	if !strings.Contains(out.String(), wantSmall) {
		t.Errorf("got\n%s\nwant in it\n%s", out.String(), wantSmall)
	}
	if want := "digits-sweep: 30 of 30 jobs (100 %)\n"; !strings.HasSuffix(progress.String(), want) {
		t.Errorf("got progress\n%s\nwant at its end\n%s", progress.String(), want)
	}
	for name, want := range map[string][2]int{"sweep.png": {1000, 800}, "confusion.png": {1000, 1000}} {
		path := filepath.Join(dir, name)
		if w, h := sizeOf(t, path); w != want[0] || h != want[1] {
			t.Errorf("%s: got %d by %d pixels, want %v", name, w, h, want)
		}
		if !strings.Contains(out.String(), "picture: "+path) {
			t.Errorf("got\n%s\nwant in it the path %s", out.String(), path)
		}
	}
}

// sizeOf decodes a picture.
func sizeOf(t *testing.T, path string) (width, height int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatalf("decode %s: %v", path, err)
	}
	return img.Bounds().Dx(), img.Bounds().Dy()
}

func TestAnInterruptedSweepLeavesNothingToDo(t *testing.T) {
	t.Parallel()
	b, err := broker.Open(t.Context(), "embedded://", broker.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	// Nobody works; it is interrupted at the first line of progress.
	err = try(runtime.NewClient(b).With(ctx), small(), t.TempDir(), &show.Screen{Out: io.Discard, Err: showtest.Trigger{Text: "0 of 30", Do: interrupt}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	if err := b.WaitIdle(t.Context()); err != nil {
		t.Errorf("jobs are left in the queue: %v", err)
	}
}

func TestTheExitStatusTellsWrongUseFromFailure(t *testing.T) {
	t.Parallel()
	program := func(ctx context.Context, args []string, s *show.Screen) error { return run(ctx, args, small(), s) }
	showtest.Statuses(t, "digits", program, []showtest.Use{
		{Args: "-h", Want: 0, Says: "-draw"},
		{Args: "-draw 3", Want: 2, Says: `unexpected argument "3"`},
		{Args: "-worker", Want: 2, Says: "with -redis"},
		{Args: "-worker -draw", Want: 2, Says: "exclude each other"},
		{Args: "-redis nonsense", Want: 1, Says: "digits: "},
	})
}

func TestDrawPrintsTheGraphThatTheREADMEShows(t *testing.T) {
	t.Parallel()
	var out showtest.Buffer
	of := grid{settings: []Setting{{C: 10, Gamma: 0.001}, {K: 3}}, folds: 2, reference: []Setting{{K: 3}}}
	if err := run(t.Context(), []string{"-draw"}, of, &show.Screen{Out: &out, Err: io.Discard}); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "```mermaid\n" + out.String() + "```\n"; !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not have this drawing:\n%s", want)
	}
}
