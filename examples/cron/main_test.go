package main

import (
	"context"
	"errors"
	"os"
	"regexp"
	"testing"

	"github.com/gomlq/mlq/examples/internal/showtest"
)

func TestMain(m *testing.M) {
	showtest.Program(func() { main(); os.Exit(0) })
	os.Exit(m.Run())
}

func TestTheStoryIsTold(t *testing.T) {
	t.Parallel()
	var told showtest.Buffer
	if err := run(t.Context(), "embedded://", &told); err != nil {
		t.Fatal(err)
	}
	const at = ` for \d\d:\d\d:\d\d\n`
	want := regexp.MustCompile(`(?s)^every second:\n(  report` + at + `){2,}` +
		`paused; triggered by hand once:\n(  report` + at + `)+` +
		`changed to every other second, and resumed:\n(  report` + at + `)+` +
		`schedule report: \*/2 \* \* \* \* \*, last` + at[:len(at)-2] + `, next for \d\d:\d\d:\d[02468]\n$`)
	if !want.MatchString(told.String()) {
		t.Errorf("it said\n%s\nwant what matches %s", told.String(), want)
	}
}

func TestAsAProgramItEndsBySignal(t *testing.T) {
	t.Parallel()
	p := showtest.Start(t)
	p.Await(t, "embedded redis") // the first that it logs
	p.Terminate(t)
}

func TestItEndsWhenItIsTold(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := run(ctx, "embedded://", showtest.Trigger{Text: "every second:", Do: cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v, want that it was cancelled", err)
	}
}
