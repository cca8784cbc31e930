package arch

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// tree opens the module this test stands in.
func tree(t *testing.T) fs.FS {
	t.Helper()
	fsys := os.DirFS("../..")
	text, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		t.Fatalf("reading the module root: %v", err)
	}
	if !strings.HasPrefix(string(text), "module "+module+"\n") {
		t.Fatalf("go.mod is not of %s; set module in table_test.go to the path it has", module)
	}
	return fsys
}

func TestTheTreeKeepsItsShape(t *testing.T) {
	t.Parallel()
	problems, err := check(tree(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

func TestLinksInTheDocumentationResolve(t *testing.T) {
	t.Parallel()
	broken, err := brokenLinks(tree(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		t.Error(b)
	}
}

var (
	link   = regexp.MustCompile(`\]\(([^()\s]+)(?:\s+"[^"]*")?\)`)
	scheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*:`)
)

// brokenLinks returns the links in Markdown files of fsys that name a file which
// is not there. Links to other places, and to headings, are not followed.
func brokenLinks(fsys fs.FS) ([]string, error) {
	var broken []string
	var failed error
	err := walk(fsys, func(name string) {
		if path.Ext(name) != ".md" {
			return
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			failed = err
			return
		}
		for _, target := range links(string(text)) {
			file, _, _ := strings.Cut(target, "#")
			full := path.Join(path.Dir(name), file)
			if strings.HasPrefix(file, "/") {
				full = path.Clean(file[1:])
			}
			if _, err := fs.Stat(fsys, full); file != "" && err != nil {
				broken = append(broken, name+": the link to "+target+" leads nowhere; mend the path, from the file it stands in")
			}
		}
	})
	if err == nil {
		err = failed
	}
	return broken, err
}

// links returns the targets of the links in a Markdown text that stay in the
// repository. Code blocks have none.
func links(text string) []string {
	var targets []string
	code := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			if !code && !scheme.MatchString(m[1]) {
				targets = append(targets, m[1])
			}
		}
	}
	return targets
}
