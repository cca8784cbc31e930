package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/examples/internal/showtest"
	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task/tasktest"
)

func TestMain(m *testing.M) {
	showtest.Program(main)
	os.Exit(redistest.Main(m))
}

// want is what every count of 500 parts prints, in whatever order and wherever its jobs
// were run.
const want = `
word       times   of all
the         4075   17.0 %
of          2529   10.5 %
and         1692    7.0 %
to          1298    5.4 %
a           1059    4.4 %
in           910    3.8 %
is           825    3.4 %
it           641    2.7 %
you          557    2.3 %
that         516    2.1 %
all        24000

The same as counted without a queue. 504 jobs, in `

func TestTheWordsAreCounted(t *testing.T) {
	t.Parallel()
	for _, slots := range []string{"1", "8"} {
		var out, progress showtest.Buffer
		if err := run(t.Context(), []string{"-width", "500", "-slots", slots}, &show.Screen{Out: &out, Err: &progress}); err != nil {
			t.Fatalf("%v; progress:\n%s", err, progress.String())
		}
		if !strings.HasPrefix(out.String(), want) {
			t.Errorf("-slots %s: got\n%s\nwant at its beginning\n%s", slots, out.String(), want)
		}
		if want := "mapreduce: 504 of 504 jobs (100 %)\n"; !strings.HasSuffix(progress.String(), want) {
			t.Errorf("-slots %s: got progress\n%s\nwant at its end\n%s", slots, progress.String(), want)
		}
	}
}

func TestTheWorkMayBeDoneElsewhere(t *testing.T) {
	t.Parallel()
	queue := []string{"-redis", redistest.Shared(t).URL(), "-namespace", redistest.Namespace(t)}
	w := showtest.Start(t, append([]string{"-worker"}, queue...)...)
	w.Await(t, "msg=joined")
	var out, progress showtest.Buffer
	if err := run(t.Context(), append([]string{"-slots", "0", "-width", "500"}, queue...), &show.Screen{Out: &out, Err: &progress}); err != nil {
		t.Fatalf("%v; progress:\n%s", err, progress.String())
	}
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("got\n%s\nwant at its beginning\n%s", out.String(), want)
	}
	w.Terminate(t)
}

func TestTheExitStatusTellsWrongUseFromFailure(t *testing.T) {
	t.Parallel()
	showtest.Statuses(t, "mapreduce", run, []showtest.Use{
		{Args: "-h", Want: 0, Says: "-width"},
		{Args: "-draw", Want: 0},
		{Args: "-width 0", Want: 2, Says: "-width is 0"},
		{Args: "-width 100001", Want: 2, Says: "want 1 to 100000"},
		{Args: "-worker -draw", Want: 2, Says: "exclude each other"},
		{Args: "-slots 0", Want: 2, Says: "with -redis"},
		{Args: "-redis nonsense", Want: 1, Says: "mapreduce: "},
		{Args: "-width 1", Want: 0},
	})
}

func TestTheGraphIsAsSmallForAnyWidth(t *testing.T) {
	t.Parallel()
	var out showtest.Buffer
	if err := run(t.Context(), []string{"-draw", "-width", "100000"}, &show.Screen{Out: &out, Err: io.Discard}); err != nil {
		t.Fatal(err)
	}
	const want = "flowchart LR\n  n0[\"split\"]\n"
	if nodes := strings.Count(out.String(), "[\""); !strings.HasPrefix(out.String(), want) || nodes > 4 {
		t.Errorf("got\n%s\nwant at most four nodes after\n%s", out.String(), want)
	}
}

func TestEveryPartIsCountedOnce(t *testing.T) {
	t.Parallel()
	ctx, _ := tasktest.New(t)
	for _, c := range []Corpus{{Lines: 10, Parts: 3}, {Lines: 2, Parts: 5}, {Lines: 7, Parts: 7}} {
		parts, err := splitCorpus(ctx, c)
		next := 0
		for _, p := range parts {
			if p.From != next || p.To < p.From {
				t.Errorf("%+v: got part %+v after line %d", c, p, next)
			}
			next = p.To
		}
		if err != nil || len(parts) != c.Parts || next != c.Lines {
			t.Errorf("%+v: got %v, %v", c, parts, err)
		}
	}
}

func TestVerifyTellsADifference(t *testing.T) {
	t.Parallel()
	right := Tally{}
	right.count(0, linesPerPart)
	if err := verify(right, 1); err != nil {
		t.Errorf("a right count: %v", err)
	}
	right["the"]++
	if err := verify(right, 1); err == nil {
		t.Error("a wrong count is taken for right")
	}
}
