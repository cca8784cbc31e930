package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

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
	first := start(t, work...)
	of := grid{settings: []Setting{{K: 3}, {C: 1, Gamma: 0.0001}}, folds: 3, reference: []Setting{{K: 3}}}
	var out, progress buffer
	ended := make(chan error, 1)
	go func() {
		args := append([]string{"-slots", "0", "-out", t.TempDir()}, queue...)
		ended <- run(t.Context(), args, of, &screen{out: &out, err: &progress})
	}()

	first.await(t, "msg=scored")
	if err := first.Process.Kill(); err != nil { // SIGKILL, with most of the graph still to do
		t.Fatal(err)
	}
	second := start(t, work...)
	second.await(t, "msg=scored")
	if err := <-ended; err != nil {
		t.Fatalf("%v; progress:\n%s", err, progress.String())
	}
	if !strings.Contains(out.String(), wantOfKilled) {
		t.Errorf("got\n%s\nwant in it\n%s", out.String(), wantOfKilled)
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
