// Package showtest helps to test the examples: it runs them as processes of
// their own, and reads what they say.
package showtest

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// asProgram, in the environment, makes the test binary the program itself.
const asProgram = "EXAMPLE_AS_PROGRAM"

// Program calls main, which does not return, in a process that is to be the
// program itself. It goes to the beginning of TestMain.
func Program(main func()) {
	if os.Getenv(asProgram) != "" {
		main()
	}
}

// Env is the environment of a process that is to be the program itself.
func Env() []string { return append(os.Environ(), asProgram+"=1") }

// Process is a process of the program.
type Process struct {
	*exec.Cmd
	lines chan string // of its stderr
	said  []string    // those already read
}

// Start starts the program. It is killed when t ends.
func Start(t *testing.T, args ...string) *Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{Cmd: exec.CommandContext(t.Context(), self, args...), lines: make(chan string)}
	p.Env = Env()
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

// Await reads what p says until a line has want in it.
func (p *Process) Await(t *testing.T, want string) {
	t.Helper()
	for line := range p.lines {
		p.said = append(p.said, line)
		if strings.Contains(line, want) {
			return
		}
	}
	t.Fatalf("the program ended before it said %q; it said\n%s", want, strings.Join(p.said, "\n"))
}

// Kill ends p by SIGKILL.
func (p *Process) Kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}

// Terminate ends p by SIGTERM, which must be a success.
func (p *Process) Terminate(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range p.lines { // to the end
	}
	if err := p.Wait(); err != nil {
		t.Errorf("%v, told to end by SIGTERM: got %v, want exit status 0", p.Args, err)
	}
}

// Buffer is a strings.Builder for concurrent use.
type Buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements [io.Writer].
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String implements [fmt.Stringer].
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Trigger is a writer that calls Do whenever Text is written.
type Trigger struct {
	Text string
	Do   func()
}

// Write implements [io.Writer].
func (w Trigger) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.Text) {
		w.Do()
	}
	return len(p), nil
}
