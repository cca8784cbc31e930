package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/examples/internal/showtest"
	"github.com/gomlq/mlq/internal/redistest"
)

func TestMain(m *testing.M) {
	showtest.Program(main)
	os.Exit(redistest.Main(m))
}

// wantTable is what every run prints, however often jobs were retried or lost.
const wantTable = `
   k  cross-validation          held out  scikit-learn
   1      855 (95.2 %)      864 (96.1 %)           864
   3      858 (95.5 %)      866 (96.3 %)           866
   5      853 (95.0 %)      859 (95.6 %)           859
   7      847 (94.3 %)      856 (95.2 %)           856
   9      847 (94.3 %)      854 (95.0 %)             -
  11      840 (93.5 %)      853 (94.9 %)             -

best k = 3 by cross-validation; 866 of 899 held-out images right (96.3 %), in `

const wantRetried = `retried: fold 3 with k=5, after "attempt 1 fails on purpose" and "attempt 2 fails on purpose"`

func TestTheProgramRunsWithNothingInstalled(t *testing.T) {
	t.Parallel()
	var out, progress showtest.Buffer
	if err := run(t.Context(), nil, &show.Screen{Out: &out, Err: &progress}); err != nil {
		t.Fatalf("%v; progress:\n%s", err, progress.String())
	}
	for _, want := range []string{wantRetried, wantTable} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant in it\n%s", out.String(), want)
		}
	}
	if want := "cross-validation: 30 of 30 jobs (100 %)\n"; !strings.HasSuffix(progress.String(), want) {
		t.Errorf("got progress\n%s\nwant at its end\n%s", progress.String(), want)
	}
}

func TestAKilledWorkerChangesNothing(t *testing.T) {
	t.Parallel()
	queue := []string{"-redis", redistest.Shared(t).URL(), "-namespace", redistest.Namespace(t)}
	work := append([]string{"-worker", "-slots", "2", "-lease", "1s"}, queue...)
	first := showtest.Start(t, work...)
	var out, progress showtest.Buffer
	posted := make(chan error, 1)
	go func() {
		posted <- run(t.Context(), append([]string{"-slots", "0", "-pause", "100ms"}, queue...), &show.Screen{Out: &out, Err: &progress})
	}()

	for range 5 {
		first.Await(t, "msg=scored")
	}
	first.Kill(t) // while it has two jobs
	second := showtest.Start(t, work...)
	second.Await(t, "msg=scored")
	if err := <-posted; err != nil {
		t.Fatalf("%v; progress:\n%s", err, progress.String())
	}
	for _, want := range []string{"requeued: fold ", wantRetried, wantTable} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant in it\n%s", out.String(), want)
		}
	}
	second.Terminate(t)
}

func TestAnInterruptEndsThePosterAndItsWorker(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	// When a quarter of the jobs have ended.
	err := run(ctx, []string{"-pause", "50ms"}, &show.Screen{Out: io.Discard, Err: showtest.Trigger{Text: "8 of 30", Do: interrupt}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

func TestVerifyTellsEveryDifferenceFromTheReference(t *testing.T) {
	t.Parallel()
	rows := []row{{k: 1, held: Score{864, 899}}, {k: 3, held: Score{865, 899}}, {k: 5, held: Score{1, 899}}, {k: 9, held: Score{2, 899}}}
	if err := verify(rows[:1]); err != nil {
		t.Errorf("verify of the reference itself: got %v, want nil", err)
	}
	err := verify(rows)
	for _, want := range []string{"k=3 tells 865", "scikit-learn tells 866", "k=5 tells 1 "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("verify(%v) = %v, want in it %q", rows, err, want)
		}
	}
}

func TestPickIgnoresTheHeldOutImages(t *testing.T) {
	t.Parallel()
	rows := []row{{k: 1, cv: Score{5, 9}, held: Score{9, 9}}, {k: 3, cv: Score{7, 9}}, {k: 5, cv: Score{7, 9}, held: Score{8, 9}}}
	if got := pick(rows); got.k != 3 {
		t.Errorf("pick(%v) = k %d, want 3, the first of the best in cross-validation", rows, got.k)
	}
}

func TestTheExitStatusTellsWrongUseFromFailure(t *testing.T) {
	t.Parallel()
	showtest.Statuses(t, "quickstart", run, []showtest.Use{
		{Args: "-h", Want: 0, Says: "-pause"},
		{Args: "-pause soon", Want: 2, Says: "invalid value"},
		{Args: "-worker", Want: 2, Says: "with -redis"},
		{Args: "-redis nonsense", Want: 1, Says: "quickstart: "},
	})
}
