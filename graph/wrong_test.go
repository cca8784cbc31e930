package graph_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestWrongEdgesDoNotCompile builds the programs of testdata/wrong. Each has comments
// "// want: message" on the lines that must not compile; all others must.
func TestWrongEdgesDoNotCompile(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/wrong/*.go.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no programs in testdata/wrong: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".go.txt"), func(t *testing.T) {
			t.Parallel()
			want := wanted(t, file)
			if len(want) == 0 {
				t.Fatal("no line has a want comment")
			}
			if got := faultsOf(t, file); !slices.Equal(got, want) {
				t.Errorf("the compiler says\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		})
	}
}

// wanted returns the want comments of a file, as line and message.
func wanted(t *testing.T, file string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if _, message, ok := strings.Cut(line, "// want: "); ok {
			all = append(all, fmt.Sprintf("%d: %s", i+1, message))
		}
	}
	return all
}

// complaint is a line of the compiler.
var complaint = regexp.MustCompile(`(?m)^\S+\.go\.txt:(\d+):\d+: (.*)$`)

// faultsOf returns what the compiler says of a file, as line and message.
func faultsOf(t *testing.T, file string) (all []string) {
	t.Helper()
	out := build(t, file)
	for _, m := range complaint.FindAllStringSubmatch(out, -1) {
		all = append(all, m[1]+": "+m[2])
	}
	if len(all) == 0 && out != "" {
		t.Fatalf("go build: %s", out)
	}
	return all
}

// build compiles a file as a package of this module, which is nowhere on disk, and
// returns what the go command says.
func build(t *testing.T, file string) string {
	t.Helper()
	source, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs("testdata/overlaid")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, "wrong.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", list, "./testdata/overlaid")
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly")
	out, _ := cmd.CombinedOutput() // it must fail, and says why
	return string(out)
}

func TestRightEdgesCompile(t *testing.T) {
	t.Parallel()
	if out := build(t, "testdata/right.go.txt"); out != "" {
		t.Errorf("go build: %s", out)
	}
}
