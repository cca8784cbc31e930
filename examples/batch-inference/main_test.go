package main

import (
	"io"
	"regexp"
	"strconv"
	"testing"

	"github.com/gomlq/mlq/examples/digits/data"
	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/examples/internal/showtest"
)

var table = regexp.MustCompile(`^             images  calls of the model  images/s
one by one       64 +64 +\d+
in batches       64 +(\d+) +\d+

61 of 64 right, the same either way
$`)

func TestBatchesNeedFewerCallsOfTheModel(t *testing.T) {
	t.Parallel()
	var out, progress showtest.Buffer
	if err := run(t.Context(), []string{"-images", "64", "-batch", "16"}, &show.Screen{Out: &out, Err: &progress}); err != nil {
		t.Fatalf("%v; it said\n%s", err, progress.String())
	}
	found := table.FindStringSubmatch(out.String())
	if found == nil {
		t.Fatalf("got\n%s\nwant it to match\n%s", out.String(), table)
	}
	// Four batches are the fewest; on a loaded machine some are not full.
	if calls, err := strconv.Atoi(found[1]); err != nil || calls < 4 || calls > 32 {
		t.Errorf("got %d calls in batches of 16, %v, want 4 to 32 for 64 images", calls, err)
	}
}

func TestADifferenceIsToldFromTheRight(t *testing.T) {
	t.Parallel()
	images := []data.Image{{Digit: 1}, {Digit: 2}}
	if err := compare(io.Discard, images, []uint8{1, 2}, []uint8{1, 3}); err == nil {
		t.Error("got nil for images that are told otherwise, want an error")
	}
}

func TestTheExitStatusTellsWrongUseFromFailure(t *testing.T) {
	t.Parallel()
	showtest.Statuses(t, "batch-inference", run, []showtest.Use{
		{Args: "-h", Want: 0, Says: "-batch"},
		{Args: "-images 0", Want: 2, Says: "-images is 0"},
		{Args: "-images 900", Want: 2, Says: "want 1 to 899"},
		{Args: "-batch 0", Want: 2, Says: "-batch is 0"},
		{Args: "-images 1 -batch 1", Want: 0},
	})
}
