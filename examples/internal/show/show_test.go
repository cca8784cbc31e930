package show_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/examples/internal/showtest"
)

func TestTheBarsLinesComeEveryQuarter(t *testing.T) {
	t.Parallel()
	for total, want := range map[int]string{
		2:  "0 of 2 jobs (0 %)\n1 of 2 jobs (50 %)\n2 of 2 jobs (100 %)\n",
		30: "0 of 30 jobs (0 %)\n8 of 30 jobs (26 %)\n15 of 30 jobs (50 %)\n23 of 30 jobs (76 %)\n30 of 30 jobs (100 %)\n",
	} {
		var progress showtest.Buffer
		b := (&show.Screen{Out: io.Discard, Err: &progress}).Bar("jobs done", total)
		for range total {
			b.Step()
		}
		b.Done()
		if got := strings.ReplaceAll(progress.String(), "jobs done: ", ""); got != want {
			t.Errorf("bar of %d: got\n%s\nwant\n%s", total, got, want)
		}
	}
}

func TestTheBarsLinesBeginAnewWhenThereIsMoreToDo(t *testing.T) {
	t.Parallel()
	var progress showtest.Buffer
	b := (&show.Screen{Out: io.Discard, Err: &progress}).Bar("run", 4)
	for _, at := range [][2]int{{1, 4}, {3, 4}, {3, 104}, {4, 104}, {60, 104}, {104, 104}} {
		b.Set(at[0], at[1])
	}
	b.Done()
	const want = "run: 0 of 4 jobs (0 %)\nrun: 1 of 4 jobs (25 %)\nrun: 3 of 4 jobs (75 %)\n" +
		"run: 3 of 104 jobs (2 %)\nrun: 60 of 104 jobs (57 %)\nrun: 104 of 104 jobs (100 %)\n"
	if progress.String() != want {
		t.Errorf("got\n%s\nwant\n%s", progress.String(), want)
	}
}

func TestTheFlagsOfAQueueAreCheckedTogether(t *testing.T) {
	t.Parallel()
	program := func(_ context.Context, args []string, s *show.Screen) error {
		var q show.Queue
		return show.Parse(q.Flags("some"), args, s.Err, q.Wrong)
	}
	showtest.Statuses(t, "some", program, []showtest.Use{
		{Args: "", Want: 0},
		{Args: "-h", Want: 0, Says: "-worker"},
		{Args: "-slot 3", Want: 2, Says: "flag provided but not defined: -slot"},
		{Args: "go", Want: 2, Says: `unexpected argument "go"`},
		{Args: "-slots -1", Want: 2, Says: "-slots is -1"},
		{Args: "-slots 0", Want: 2, Says: "with -redis"},
		{Args: "-worker", Want: 2, Says: "with -redis"},
		{Args: "-worker -slots 0", Want: 2, Says: "would do nothing"},
		{Args: "-redis redis://localhost -worker", Want: 0},
	})
}

func TestBesideReturnsWhenBothHaveEnded(t *testing.T) {
	t.Parallel()
	lost, ended := errors.New("the worker is lost"), false
	worker := func(ctx context.Context) error {
		<-ctx.Done()
		ended = true
		return nil
	}
	if err := show.Beside(t.Context(), worker, func(context.Context) error { return nil }); err != nil || !ended {
		t.Errorf("got %v, the worker has ended: %v; want nil, true", err, ended)
	}
	err := show.Beside(t.Context(), func(context.Context) error { return lost }, func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	})
	if !errors.Is(err, lost) {
		t.Errorf("a worker that ends first: got %v, want %v", err, lost)
	}
}
