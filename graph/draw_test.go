package graph_test

import (
	"encoding/json"
	"flag"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/task"
)

var update = flag.Bool("update", false, "write the goldens in testdata instead of comparing with them")

// hostile are names that would mean something, were they not escaped.
var hostile = []string{
	`"] --> x; click n0 "javascript:alert(1)"`,
	"<img src=x onerror=alert(1)>",
	"two\nlines\r\nor\tthree",
	`\n \N \" \`,
	"&lt;b&gt; #lt; #quot;",
	"%%{init: {}}%%",
	"`**bold**`",
	"end",
	"zero\x00byte, \x80, \u202eturned\u2028",
	"Übergrößenträger 模型",
}

// plans are what is drawn, by the names of their goldens.
func plans(t *testing.T) map[string]task.Plan {
	t.Helper()
	every := graph.New("every", graph.KeepGoing(), graph.Deadline(90*time.Minute))
	n := graph.Add(every, length, "word")
	m := graph.Add(every.Group("wide"), length, "words", graph.Name("second"))
	is := graph.Then(every, long, n)
	big := graph.Then(every, double.With(task.Queue("gpu")), n, graph.When(is))
	graph.Then(every, double, m, graph.Unless(is))
	graph.Add(every, maybe, Maybe{task.OptOf(big)})
	graph.Add(every, ended, Ended{[]task.Ref[task.Result[int]]{task.ResultOf(n), task.ResultOf(m)}}, graph.AtLeast(1))
	graph.Add(every, sum, Sum{[]task.Ref[int]{n, m}}, graph.After(is))
	squares := graph.Map(every, square, graph.Add(every, upTo, 9), graph.MaxParallel(4))
	pairs := task.Cross(task.Zip(squares, task.Value([]int{1, 2})), squares)
	graph.MapSome(every, pairwise, pairs, graph.AllowFailures(2), graph.Name("pairs"))
	graph.MapWith(every, scale, squares, func(e task.Ref[int]) Scale { return Scale{e, n} }, graph.After(is))

	names := graph.New("names")
	last := graph.Add(names, length, "word", graph.Name("first"))
	for _, name := range hostile {
		last = graph.Then(names, double, last, graph.Name(name))
	}
	return map[string]task.Plan{"every": plan(t, every), "names": plan(t, names)}
}

func plan(t *testing.T, g *graph.Graph) task.Plan {
	t.Helper()
	p, err := g.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDrawingsAreAsInTheGoldens(t *testing.T) {
	t.Parallel()
	for name, p := range plans(t) {
		j, err := graph.JSON(p)
		if err != nil {
			t.Fatal(err)
		}
		for ext, got := range map[string]string{
			"dot": graph.DOT(p), "mmd": graph.Mermaid(p), "json": string(j) + "\n", "txt": p.String() + "\n",
		} {
			golden(t, name+"."+ext, got)
		}
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed; if that is right, run go test ./graph -update. Got\n%s\nwant\n%s", file, got, want)
	}
}

var (
	dotLine     = regexp.MustCompile(`^(?:digraph "(?:[^"\\]|\\.)*" \{|\trankdir=LR;|\tnode \[[a-z=, ]+\];|\tn\d+ \[label="((?:[^"\\]|\\.)*)"\];|\tn\d+ -> n\d+;|\})$`)
	mermaidLine = regexp.MustCompile(`^(?:flowchart LR|  n\d+\["([^"<>&\x60%;]|#\d+;)*"\]|  n\d+ --> n\d+)$`)
	entity      = regexp.MustCompile(`#(\d+;)`)
)

func TestNamesAreInert(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String(), rapid.StringOfN(rapid.RuneFrom([]rune(`"\<>&#;%{}[]|-n`+"`\n")), 0, 20, -1))
		name := piece.Draw(t, "name") + piece.Draw(t, "more")
		p := task.Plan{Name: name, Nodes: []task.Node{{Name: name}, {Name: "b", Parents: task.After(0)}}}
		if name == "" {
			return
		}
		shown := shownAs(name)
		lines := strings.Split(strings.TrimSuffix(graph.DOT(p), "\n"), "\n")
		for _, line := range lines {
			if !dotLine.MatchString(line) {
				t.Errorf("%q is drawn by DOT as %q", name, line)
			}
		}
		label := html.UnescapeString(strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(dotLine.FindStringSubmatch(lines[3])[1]))
		if len(lines) != 7 || label != shown {
			t.Errorf("%q is drawn by DOT in %d lines and shown as %q, want 7, %q", name, len(lines), label, shown)
		}
		lines = strings.Split(strings.TrimSuffix(graph.Mermaid(p), "\n"), "\n")
		for _, line := range lines {
			if !mermaidLine.MatchString(line) {
				t.Errorf("%q is drawn by Mermaid as %q", name, line)
			}
		}
		label = html.UnescapeString(entity.ReplaceAllString(strings.TrimSuffix(strings.TrimPrefix(lines[1], `  n0["`), `"]`), "&#$1"))
		if len(lines) != 4 || label != shown {
			t.Errorf("%q is drawn by Mermaid in %d lines and shown as %q, want 4, %q", name, len(lines), label, shown)
		}
		if n := strings.Count(p.String(), "\n"); n != 2 {
			t.Errorf("%q: String has %d newlines, want 2", name, n)
		}
	})
}

// shownAs returns how a name looks in a drawing.
func shownAs(name string) string {
	var s strings.Builder
	for _, r := range name {
		if strconv.IsPrint(r) {
			s.WriteRune(r)
		} else {
			s.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return s.String()
}

func TestPlansMadeByHandAreDrawnToo(t *testing.T) {
	t.Parallel()
	p := task.Plan{Nodes: []task.Node{
		{},
		{Call: task.Call{Functions: []string{"f"}}, Parents: []task.Edge{{From: -1}, {From: 9, Accept: 77}, {From: 0, Accept: 77}}},
	}}
	if got := graph.DOT(p); strings.Count(got, "->") != 1 || !strings.Contains(got, `[label="f-1"]`) {
		t.Errorf("DOT:\n%s", got)
	}
	if got := graph.Mermaid(p); strings.Count(got, "-->") != 1 || !strings.Contains(got, `["f-1"]`) {
		t.Errorf("Mermaid:\n%s", got)
	}
	got, err := graph.JSON(p)
	if err != nil || !json.Valid(got) || !strings.Contains(string(got), `"accept": "77"`) {
		t.Errorf("JSON, %v:\n%s", err, got)
	}
	if got := p.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "node 9 (Accept(77))") {
		t.Errorf("String:\n%s", got)
	}
}
