package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gomlq/mlq/examples/internal/showtest"
	"github.com/gomlq/mlq/task"
	"github.com/gomlq/mlq/task/tasktest"
)

func TestMain(m *testing.M) {
	showtest.Program(main)
	os.Exit(m.Run())
}

func TestTheSecondWorkerGoesOnFromTheCheckpoint(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var logs strings.Builder
	c := exec.CommandContext(t.Context(), self) // its workers are processes of this program, too
	c.Env, c.Stderr = showtest.Env(), &logs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v; it said\n%s%s", err, out, logs.String())
	}
	got := string(out)
	half := primes(0, below/2)
	wants := []string{
		"worker 1 was killed at 50%, after part 8 of 16\n",
		fmt.Sprintf("worker 2 has ended the job: %d primes below %d\n", primes(0, below), below),
		"begun  by=1 checkpoint=false done=0 primes=0\n",
		fmt.Sprintf("begun  by=2 checkpoint=true done=8 primes=%d\n", half),
		"16 parts; 1 worker was lost with it\n",
	}
	for n := range parts {
		wants = append(wants, fmt.Sprintf("part   by=%d number=%d\n", 1+n/(parts/2), n+1))
	}
	for _, want := range wants {
		if strings.Count(got, want) != 1 {
			t.Errorf("got\n%s\nwant in it, once\n%s", got, want)
		}
	}
}

func TestTheJobCanBeTestedWithoutAQueue(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t, tasktest.Attempt(2))
	if err := rec.SetCheckpoint(state{Done: parts - 1, Primes: 1000}); err != nil {
		t.Fatal(err)
	}
	n, err := counter{}.count(ctx, task.None{})
	if want := 1000 + primes(below/parts*(parts-1), below); n != want || err != nil {
		t.Errorf("the last part gives %d, %v; want %d", n, err, want)
	}
	var last state
	if ok, err := rec.Checkpoint(&last); !ok || err != nil || last != (state{parts, n}) {
		t.Errorf("the last checkpoint is %+v, %t, %v", last, ok, err)
	}
}

func TestTheExitStatusTellsWrongUseFromFailure(t *testing.T) {
	t.Parallel()
	showtest.Statuses(t, "checkpoint", run, []showtest.Use{
		{Args: "-h", Want: 0, Says: "-hang"},
		{Args: "-worker 1", Want: 2, Says: "needs -redis"},
		{Args: "-hang 3", Want: 2, Says: "goes with -worker"},
		{Args: "-worker -1", Want: 2, Says: "positive"},
		{Args: "-redis nonsense", Want: 1, Says: "checkpoint: "},
	})
}
