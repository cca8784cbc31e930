package main

import (
	"os"
	"strings"
	"testing"
)

func Example() {
	main()
	// Output:
	// to ann: hello
	// to bob: (none)
	// ONE (of 4), TWO (of 4), THREE (of 4), FOUR (of 4)
}

func TestTheDocumentationBeginsWithThisProgram(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(program), "\npackage main\n")
	doc, err := os.ReadFile("../../docs/workers.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), "```go\npackage main\n"+code+"```\n") {
		t.Errorf("docs/workers.md does not have this program:\n%s", code)
	}
}
