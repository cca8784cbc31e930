package main

import (
	"strings"
	"testing"

	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/examples/internal/showtest"
	"github.com/gomlq/mlq/internal/redistest"
)

// wantOfKilled is what its sweep prints, however often workers are lost.
const wantOfKilled = `
cross-validation              mean  worst fold
k-NN k=3                    93.5 %      90.6 %  <- best
SVC C=1 gamma=0.0001        89.1 %      86.0 %

held out                     right  scikit-learn
k-NN k=3                       866           866

k-NN k=3, retrained: 866 of 899 held-out images right (96.3 %), in `

func TestAKilledWorkerChangesNothing(t *testing.T) {
	t.Parallel()
	queue := []string{"-redis", redistest.Shared(t).URL(), "-namespace", redistest.Namespace(t)}
	work := append([]string{"-worker", "-slots", "1", "-lease", "2s"}, queue...)
	first := showtest.Start(t, work...)
	of := grid{settings: []Setting{{K: 3}, {C: 1, Gamma: 0.0001}}, folds: 3, reference: []Setting{{K: 3}}}
	var out, progress showtest.Buffer
	ended := make(chan error, 1)
	go func() {
		args := append([]string{"-slots", "0", "-out", t.TempDir()}, queue...)
		ended <- run(t.Context(), args, of, &show.Screen{Out: &out, Err: &progress})
	}()

	first.Await(t, "msg=scored")
	first.Kill(t) // with most of the graph still to do
	second := showtest.Start(t, work...)
	second.Await(t, "msg=scored")
	if err := <-ended; err != nil {
		t.Fatalf("%v; progress:\n%s", err, progress.String())
	}
	if !strings.Contains(out.String(), wantOfKilled) {
		t.Errorf("got\n%s\nwant in it\n%s", out.String(), wantOfKilled)
	}
	second.Terminate(t)
}
