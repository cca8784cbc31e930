package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gomlq/mlq/internal/redistest"
)

// asProgram, in the environment, makes the test binary the program itself.
const asProgram = "QUICKSTART_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
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
	var out, progress buffer
	if err := run(t.Context(), nil, &screen{out: &out, err: &progress}); err != nil {
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
	queue := []string{"--redis", redistest.Shared(t).URL(), "--namespace", redistest.Namespace(t)}
	work := append([]string{"--worker", "--slots", "2", "--lease", "1s"}, queue...)
	first := start(t, work...)
	var out, progress buffer
	posted := make(chan error, 1)
	go func() {
		posted <- run(t.Context(), append([]string{"--no-worker", "--pause", "100ms"}, queue...), &screen{out: &out, err: &progress})
	}()

	for range 5 {
		first.await(t, "msg=scored")
	}
	if err := first.Process.Kill(); err != nil { // SIGKILL, while it has two jobs
		t.Fatal(err)
	}
	second := start(t, work...)
	second.await(t, "msg=scored")
	if err := <-posted; err != nil {
		t.Fatalf("%v; progress:\n%s", err, progress.String())
	}
	for _, want := range []string{"requeued: fold ", wantRetried, wantTable} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant in it\n%s", out.String(), want)
		}
	}

	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range second.lines { // to the end
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the second worker, told to end by SIGTERM: got %v, want exit status 0", err)
	}
}

func TestAnInterruptEndsThePosterAndItsWorker(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	// At the first line of progress.
	err := run(ctx, []string{"--pause", "50ms"}, &screen{out: io.Discard, err: trigger{"cross-validation", interrupt}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

func TestTheBarsLinesComeEveryQuarter(t *testing.T) {
	t.Parallel()
	for total, want := range map[int]string{
		2:  "1 of 2 jobs (50 %)\n2 of 2 jobs (100 %)\n",
		30: "8 of 30 jobs (25 %)\n15 of 30 jobs (50 %)\n23 of 30 jobs (75 %)\n30 of 30 jobs (100 %)\n",
	} {
		var progress buffer
		step, done := (&screen{out: io.Discard, err: &progress}).bar(total)
		for range total {
			step()
		}
		done()
		if got := strings.ReplaceAll(progress.String(), "cross-validation: ", ""); got != want {
			t.Errorf("bar(%d): got\n%s\nwant\n%s", total, got, want)
		}
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
	for _, test := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{"-h"}, 0, "-no-worker"},
		{[]string{"--slot", "3"}, 2, "flag provided but not defined: -slot"},
		{[]string{"go"}, 2, `unexpected argument "go"`},
		{[]string{"--worker"}, 2, "with --redis"},
		{[]string{"--no-worker"}, 2, "with --redis"},
		{[]string{"--redis", "redis://localhost", "--worker", "--no-worker"}, 2, "exclude each other"},
		{[]string{"--redis", "nonsense"}, 1, "quickstart: "},
	} {
		var told buffer
		s := &screen{out: io.Discard, err: &told}
		got := s.status(run(t.Context(), test.args, s))
		if got != test.want || !strings.Contains(told.String(), test.says) {
			t.Errorf("%v: got status %d and\n%s\nwant status %d and %q", test.args, got, told.String(), test.want, test.says)
		}
	}
}

// program is a process of this program.
type program struct {
	*exec.Cmd
	lines chan string // of its stderr
	said  []string    // those already read
}

// start starts the program. It is killed when t ends.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{Cmd: exec.CommandContext(t.Context(), self, args...), lines: make(chan string)}
	p.Env = append(os.Environ(), asProgram+"=1")
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			select {
			case p.lines <- s.Text():
			case <-t.Context().Done():
				return
			}
		}
	}()
	return p
}

// await reads what p says until a line has want in it.
func (p *program) await(t *testing.T, want string) {
	t.Helper()
	for line := range p.lines {
		p.said = append(p.said, line)
		if strings.Contains(line, want) {
			return
		}
	}
	t.Fatalf("the program ended before it said %q; it said\n%s", want, strings.Join(p.said, "\n"))
}

// buffer is a strings.Builder for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// trigger calls do whenever text is written.
type trigger struct {
	text string
	do   func()
}

func (w trigger) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.text) {
		w.do()
	}
	return len(p), nil
}
