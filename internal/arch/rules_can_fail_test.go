package arch

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// files is a tree: path to text.
type files map[string]string

// problemsIn returns what check finds in a tree.
func problemsIn(t *testing.T, tree files) []problem {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range tree {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	found, err := check(fsys)
	if err != nil {
		t.Fatalf("check(%v): %v", tree, err)
	}
	return found
}

// body returns a file with a good package comment and the given rest.
func body(name, rest string) string {
	return fmt.Sprintf("// Package %s is here.\npackage %[1]s\n\n%s\n", name, rest)
}

// importing returns a file of the package in dir that imports one path.
func importing(dir, imp string) string {
	return body(path.Base(dir), fmt.Sprintf("import _ %q", imp))
}

// broken has one tree for each way to break a rule, with one problem each.
var broken = []struct {
	name string
	tree files
	rule string
	want string // in the text
}{
	{
		"root package", files{"mlq.go": body("mlq", "")},
		"root", "there is no root package",
	},
	{
		"two packages in one directory", files{"task/a.go": body("task", ""), "task/b.go": body("other", "")},
		"build", "task cannot be read as one package",
	},
	{
		"syntax", files{"task/a.go": body("task", "func {")},
		"build", "expected",
	},
	{
		"no row", files{"tracing/tracing.go": body("tracing", "")},
		"imports", "tracing: this package has no row",
	},
	{
		"sibling", files{"runtime/worker.go": importing("runtime", module+"/broker")},
		"imports", "runtime/worker.go:4: runtime imports broker",
	},
	{
		"sibling on another platform", files{
			"runtime/doc.go":            body("runtime", ""),
			"runtime/worker_windows.go": importing("runtime", module+"/broker"),
		},
		"imports", "runtime/worker_windows.go:4: runtime imports broker",
	},
	{
		"task with a dependency", files{"task/task.go": importing("task", "golang.org/x/sync/errgroup")},
		"imports", "task imports golang.org/x/sync/errgroup",
	},
	{
		"dependency with an allowed name as prefix", files{"task/task.go": importing("task", "github.com/google/uuid2")},
		"imports", "task imports github.com/google/uuid2",
	},
	{
		"words know their tests", files{"task/task.go": importing("task", module+"/task/tasktest")},
		"imports", "task imports task/tasktest",
	},
	{
		"test support in a program", files{"server/server.go": importing("server", module+"/internal/redistest")},
		"imports", "server imports internal/redistest",
	},
	{
		"telemetry in a sibling", files{"runtime/otel.go": importing("runtime", "go.opentelemetry.io/otel/trace")},
		"fence", "runtime imports go.opentelemetry.io/otel/trace, which stays in metrics",
	},
	{
		"package name", files{"broker/internal/util/u.go": body("util", "")},
		"name", "a package named util",
	},
	{
		"package name hidden by its directory", files{"broker/internal/keys/k.go": body("helpers", "")},
		"name", "a package named helpers",
	},
	{
		"fmt.Println", files{"graph/a.go": body("graph", "import \"fmt\"\n\nfunc f() { fmt.Println(1) }")},
		"print", "graph/a.go:6: fmt.Println in a library",
	},
	{
		"log.Fatalf under another name", files{"graph/a.go": body("graph", "import l \"log\"\n\nfunc f() { l.Fatalf(\"\") }")},
		"print", "log.Fatalf in a library",
	},
	{
		"println", files{"graph/a.go": body("graph", "func f() { println(1) }")},
		"print", "println in a library",
	},
	{
		"context.Background", files{"reaper/a.go": body("reaper", "import \"context\"\n\nvar ctx = context.Background()")},
		"context", "reaper/a.go:6: context.Background in a library",
	},
	{
		"context.TODO passed as a function", files{"reaper/a.go": body("reaper", "import \"context\"\n\nvar f = context.TODO")},
		"context", "context.TODO in a library",
	},
	{
		"context.Background without a reason", files{
			"reaper/a.go": body("reaper", "import \"context\"\n\nvar ctx = context.Background() // background:"),
		},
		"context", "give the reason",
	},
	{
		"no package comment", files{"graph/a.go": "package graph\n"},
		"package doc", "graph: the package has no doc comment",
	},
	{
		"package comment of something else", files{"graph/a.go": "// Draws.\npackage graph\n"},
		"package doc", "// Package graph ...",
	},
	{
		"program without a comment", files{"cmd/mlq/main.go": "package main\n\nfunc main() {}\n"},
		"package doc", "// what the program does",
	},
	{
		"package comment in a test only", files{"graph/a.go": "package graph\n", "graph/a_test.go": body("graph", "")},
		"package doc", "graph: the package has no doc comment",
	},
	{
		"function", files{"graph/a.go": body("graph", "func Draw() {}")},
		"doc", "graph/a.go:4: Draw is exported without",
	},
	{
		"type in a group", files{"graph/a.go": body("graph", "// Shapes.\ntype (\n\tNode int\n)")},
		"doc", "Node is exported without",
	},
	{
		"variable", files{"graph/a.go": body("graph", "var ErrCycle error")},
		"doc", "ErrCycle is exported without",
	},
	{
		"long file", files{"graph/a.go": body("graph", strings.Repeat("\n", maxLines))},
		"length", "graph/a.go: 404 lines, at most 400",
	},
}

func TestEveryRuleCanFail(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, tt := range broken {
		found := problemsIn(t, tt.tree)
		if len(found) != 1 || found[0].rule != tt.rule || !strings.Contains(found[0].text, tt.want) {
			t.Errorf("%s: found %q, want one problem of rule %q with %q", tt.name, found, tt.rule, tt.want)
		}
		seen[tt.rule] = true
	}
	for rule := range rules {
		if !seen[rule] {
			t.Errorf("rule %q has no tree that breaks it; add one to broken", rule)
		}
	}
}

func TestEveryRowCanFail(t *testing.T) {
	t.Parallel()
	for _, r := range rows {
		tree := files{r.dir + "/a.go": importing(r.dir, module+"/nobody")}
		if found := problemsIn(t, tree); len(found) != 1 || found[0].rule != "imports" || !strings.Contains(found[0].text, r.why) {
			t.Errorf("%s imports a package that is not in its row: found %q, want the reason of the row", r.dir, found)
		}
		for _, of := range r.of {
			tree := files{r.dir + "/a.go": importing(r.dir, module+"/"+strings.TrimSuffix(of, "/..."))}
			if found := problemsIn(t, tree); len(found) > 0 {
				t.Errorf("%s imports %s, as its row allows: found %q, want nothing", r.dir, of, found)
			}
		}
	}
}

func TestEveryFenceCanFail(t *testing.T) {
	t.Parallel()
	for _, f := range fences {
		for _, imp := range f.imports {
			tree := files{"graph/a.go": importing("graph", imp+"/below")}
			if found := problemsIn(t, tree); len(found) != 1 || found[0].rule != "fence" || !strings.Contains(found[0].text, f.why) {
				t.Errorf("graph imports %s: found %q, want the reason of the fence", imp, found)
			}
			for _, dir := range f.in {
				if found := problemsIn(t, files{dir + "/a.go": importing(dir, imp)}); len(found) > 0 {
					t.Errorf("%s imports %s, inside the fence: found %q, want nothing", dir, imp, found)
				}
			}
		}
	}
}

func TestGoodTreesPass(t *testing.T) {
	t.Parallel()
	good := map[string]files{
		"empty": {},
		"no Go": {"README.md": "# MLQ\n"},
		"a sibling in a test": {
			"runtime/runtime.go":     importing("runtime", module+"/task"),
			"runtime/worker_test.go": "package runtime_test\n\nimport _ \"" + module + "/internal/redistest\"\n",
			"runtime/inner_test.go":  "package runtime\n\nimport _ \"" + module + "/broker\"\n",
		},
		"a package of its own below": {
			"broker/broker.go":             importing("broker", module+"/broker/internal/script"),
			"broker/internal/script/s.go":  importing("broker/internal/script", "github.com/redis/go-redis/v9"),
			"broker/internal/script/s2.go": "package script\n\nfunc Exported() {}\n",
		},
		"another module": {"benchmarks/peers/go.mod": "module peers\n", "benchmarks/peers/util.go": "package util\n"},
		"test data":      {"graph/testdata/x.go": "package util\n", ".cache/y.go": "package util\n"},
		"programs": {
			"cmd/mlq/main.go": "// Command mlq prints.\npackage main\n\nimport (\n\t\"context\"\n\t\"fmt\"\n)\n\n" +
				"func main() { fmt.Println(context.Background()); println() }\n",
			"benchmarks/queue_test.go": body("benchmarks", ""),
		},
		"a reason": {
			"reaper/a.go": body("reaper", "import \"context\"\n\nvar ctx = context.Background() // background: outlives all"),
		},
		"names that only look alike": {
			"graph/a.go": body("graph", "import \"fmt\"\n\ntype printer struct{}\n\nfunc (printer) Println() string { return fmt.Sprint() }\n\n"+
				"func f() { var log printer; log.Println() }"),
		},
		"groups": {
			"graph/a.go": body("graph", "// Formats.\nconst (\n\tDOT = iota\n\tMermaid\n)\n\nvar (\n\tA int // of all\n\t// B is b.\n\tB int\n)\n\n"+
				"// T is t.\ntype T struct{}\n\nfunc (T) String() string { return \"\" }"),
		},
		"long, but a test or generated": {
			"graph/a.go":      body("graph", ""),
			"graph/a_test.go": body("graph", strings.Repeat("\n", 2*maxLines)),
			"graph/gen.go":    "// Code generated by hand. DO NOT EDIT.\n\npackage graph\n" + strings.Repeat("\n", 2*maxLines),
		},
	}
	for _, name := range slices.Sorted(maps.Keys(good)) {
		if found := problemsIn(t, good[name]); len(found) > 0 {
			t.Errorf("%s: found %q, want nothing", name, found)
		}
	}
}

func TestEveryRowAndFenceHasAReason(t *testing.T) {
	t.Parallel()
	for _, r := range rows {
		if r.why == "" {
			t.Errorf("the row of %s has no reason; say why in its field why", r.dir)
		}
	}
	for _, f := range fences {
		if f.why == "" {
			t.Errorf("the fence around %v has no reason; say why in its field why", f.imports)
		}
	}
}

func TestABrokenLinkIsFound(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{
		"LICENSE": {},
		"docs/design.md": {Data: []byte("[a](operations.md) [b](gone.md#x) [c](/LICENSE) [d](../LICENSE \"the licence\") [e](#keys)\n" +
			"[f](https://example.org/x) [g](mailto:a@example.org)\n```go\nf(x)[1](y)\n```\n")},
		"docs/operations.md": {},
	}
	found, err := brokenLinks(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || !strings.Contains(found[0], "docs/design.md: the link to gone.md#x leads nowhere") {
		t.Errorf("broken links: %q, want one, to gone.md#x", found)
	}
}
