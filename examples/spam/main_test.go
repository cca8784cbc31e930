package main

import (
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

// What every run prints, in whatever order and wherever its jobs were run.
const (
	wantAll = `
               accuracy  precision     recall
naive Bayes      92.3 %     88.7 %     97.0 %
logistic         93.0 %     98.1 %     87.7 %
perceptron       93.2 %     93.3 %     93.0 %
vote of 3        93.3 %     94.2 %     92.3 %
`
	wantTwo = `
               accuracy  precision     recall
naive Bayes      92.3 %     88.7 %     97.0 %
logistic         93.0 %     98.1 %     87.7 %
perceptron    failed: needs more memory
vote of 2        92.8 %     98.1 %     87.3 %
`
)

func TestTheVoteIsOfAllModelsThatAreThere(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{"-slots 1": wantAll, "-slots 8": wantAll, "-fail 1": wantTwo} {
		var out, progress showtest.Buffer
		if err := run(t.Context(), strings.Fields(args), &show.Screen{Out: &out, Err: &progress}); err != nil {
			t.Fatalf("%s: %v; progress:\n%s", args, err, progress.String())
		}
		if out.String() != want {
			t.Errorf("%s: got\n%s\nwant\n%s", args, out.String(), want)
		}
	}
}

func TestTheWorkMayBeDoneElsewhere(t *testing.T) {
	t.Parallel()
	queue := []string{"-redis", redistest.Shared(t).URL(), "-namespace", redistest.Namespace(t)}
	w := showtest.Start(t, append([]string{"-worker"}, queue...)...)
	w.Await(t, "msg=joined")
	var out, progress showtest.Buffer
	if err := run(t.Context(), append([]string{"-slots", "0"}, queue...), &show.Screen{Out: &out, Err: &progress}); err != nil {
		t.Fatalf("%v; progress:\n%s", err, progress.String())
	}
	if out.String() != wantAll {
		t.Errorf("got\n%s\nwant\n%s", out.String(), wantAll)
	}
	w.Terminate(t)
}

func TestTheExitStatusTellsWrongUseFromFailure(t *testing.T) {
	t.Parallel()
	showtest.Statuses(t, "spam", run, []showtest.Use{
		{Args: "-h", Want: 0, Says: "-fail"},
		{Args: "-draw", Want: 0},
		{Args: "-fail 3", Want: 2, Says: "-fail is 3"},
		{Args: "-worker -draw", Want: 2, Says: "exclude each other"},
		{Args: "-slots 0", Want: 2, Says: "with -redis"},
		{Args: "-redis nonsense", Want: 1, Says: "spam: "},
		{Args: "-fail 2", Want: 1, Says: "fewer than 2 models could be trained"},
	})
}

func TestDrawPrintsTheGraph(t *testing.T) {
	t.Parallel()
	var out showtest.Buffer
	if err := run(t.Context(), []string{"-draw"}, &show.Screen{Out: &out, Err: io.Discard}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"flowchart LR\n", `"shard-3/count"`, `"held-out/split"`, `"gather`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant in it %q", out.String(), want)
		}
	}
}
