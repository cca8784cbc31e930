package task

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// typeChecker returns a function that type-checks the body of a function in a
// package that imports this one.
func typeChecker(t *testing.T) func(body string) error {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		files[path] = file
	}
	fset := token.NewFileSet()
	imp := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
	return func(body string) error {
		src := `package p

import (
	"context"
	"time"

	"github.com/gomlq/mlq/task"
)

func f(ctx task.Context, n int) (int, error) { return n, nil }

var (
	_ context.Context
	_ time.Duration
	T = task.Define("t", f)
)

func use(ctx context.Context) {
` + body + `
}
`
		f, err := parser.ParseFile(fset, "p.go", src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("%q does not parse: %v", body, err)
		}
		_, err = (&types.Config{Importer: imp}).Check("p", fset, []*ast.File{f}, nil)
		return err
	}
}

func TestTheCompilerRefusesMisplacedOptions(t *testing.T) {
	t.Parallel()
	check := typeChecker(t)

	const calls = `
		_ = task.Define("t", f, %[1]s)
		_ = task.Declare[int, int]("t", %[1]s)
	`
	const posts = `
		_, _ = T.Post(ctx, 1, %[1]s)
		_, _ = T.PostMany(ctx, nil, %[1]s)
		_, _ = T.Do(ctx, 1, %[1]s)
		_ = T.Call(1, %[1]s)
	`
	const with = `_ = T.With(%[1]s)`
	tests := []struct {
		option string
		fits   []string
		not    map[string]string // place to what the option lacks there
	}{
		{`task.Queue("q")`, []string{calls, posts, with}, nil},
		{`task.Priority(task.High)`, []string{calls, posts, with}, nil},
		{`task.MaxAttempts(3)`, []string{calls, posts, with}, nil},
		{`task.Timeout(time.Second)`, []string{calls, posts, with}, nil},
		{`task.Backoff(1, 2)`, []string{calls, posts, with}, nil},
		{`task.Retention(task.Forever)`, []string{calls, posts, with}, nil},
		{`task.Delay(time.Second)`, []string{posts}, map[string]string{calls: "DefineOption", with: "Option"}},
		{`task.UniqueKey("k")`, []string{posts}, map[string]string{calls: "DefineOption", with: "Option"}},
		{`task.IdempotencyKey("k")`, []string{posts}, map[string]string{calls: "DefineOption", with: "Option"}},
		{`task.Header("n", "v")`, []string{posts}, map[string]string{calls: "DefineOption", with: "Option"}},
		{`task.Listener()`, []string{calls}, map[string]string{posts: "PostOption", with: "Option"}},
	}
	for _, tt := range tests {
		for _, place := range tt.fits {
			if err := check(fmt.Sprintf(place, tt.option)); err != nil {
				t.Errorf("%s is refused where it belongs: %v", tt.option, err)
			}
		}
		for place, want := range tt.not {
			for line := range strings.Lines(strings.TrimSpace(place)) {
				err := check(fmt.Sprintf(line, tt.option))
				if err == nil {
					t.Errorf("%s compiles", strings.TrimSpace(fmt.Sprintf(line, tt.option)))
					continue
				}
				if s := err.Error(); !strings.Contains(s, tt.option) || !strings.Contains(s, want) {
					t.Errorf("%s: the compiler says %q, which does not name %s and %s", line, s, tt.option, want)
				}
			}
		}
	}
}

func TestTheCompilerRefusesTheWrongTypes(t *testing.T) {
	t.Parallel()
	check := typeChecker(t)
	for _, body := range []string{
		`_, _ = T.Post(ctx, "one")`,
		`var h task.Handle[string]; h, _ = T.Post(ctx, 1); _ = h`,
		`s, _ := T.Do(ctx, 1); _ = s + "x"`,
		`var r task.Ref[string] = task.Value(1); _ = r`,
		`task.Declare[string, int]("t").Handle(f)`,
		`var _ task.Handler = task.Declare[int, int]("t")`,
	} {
		if check(body) == nil {
			t.Errorf("%s compiles", body)
		}
	}
}

func TestOptionsAreSeenInTheCall(t *testing.T) {
	t.Parallel()
	c := Declare[int, int]("t").Call(1,
		Queue("q"), Priority(High), MaxAttempts(7), Timeout(time.Second), Backoff(2*time.Second, time.Minute),
		Retention(time.Hour), Delay(time.Minute), UniqueKey("u"), IdempotencyKey("i"), Header("a", "b"))
	got := fmt.Sprintf("%+v", c.Spec)
	want := fmt.Sprintf("%+v", Spec{
		Queue: "q", Priority: High, MaxAttempts: 7, Timeout: time.Second,
		BackoffMin: 2 * time.Second, BackoffMax: time.Minute, Retention: time.Hour,
		Delay: time.Minute, UniqueKey: "u", IdempotencyKey: "i", Headers: map[string]string{"a": "b"},
	})
	if got != want || c.Err() != nil {
		t.Errorf("Call with all options: %s, %v; want %s", got, c.Err(), want)
	}
}

func TestLaterOptionsWin(t *testing.T) {
	t.Parallel()
	d := Declare[int, int]("t", Queue("a"), Timeout(time.Second), Queue("b"))
	if got := d.Defaults().Queue; got != "b" {
		t.Errorf("Defaults().Queue = %q after Queue(a), Queue(b)", got)
	}
	c := d.With(Queue("c")).Call(1, Queue("d"))
	if c.Spec.Queue != "d" || c.Spec.Timeout != time.Second {
		t.Errorf("a post option against With and definition: %+v, want queue d and the timeout of the definition", c.Spec)
	}
}

func TestHeadersOfOneCallAreNotThoseOfAnother(t *testing.T) {
	t.Parallel()
	shared := map[string]string{"a": "1"}
	s := Spec{Headers: shared}
	Header("b", "2").post(&s)
	if len(shared) != 1 {
		t.Errorf("Header changed the map it was given: %v", shared)
	}
	if len(s.Headers) != 2 || s.Headers["a"] != "1" || s.Headers["b"] != "2" {
		t.Errorf("Headers = %v, want a and b", s.Headers)
	}
	opt := Header("x", "1")
	d := Declare[int, int]("t")
	one, two := d.Call(1, opt), d.Call(2, opt, Header("y", "2"))
	if len(one.Spec.Headers) != 1 || len(two.Spec.Headers) != 2 {
		t.Errorf("headers of two calls with one option: %v and %v", one.Spec.Headers, two.Spec.Headers)
	}
}

func TestWithLeavesTheOriginalAlone(t *testing.T) {
	t.Parallel()
	d := Declare[int, int]("t", Queue("a"), Listener())
	e := d.With(Queue("b"), MaxAttempts(9))
	if d.Defaults().Queue != "a" || d.Defaults().MaxAttempts != 0 {
		t.Errorf("after With the original has %+v", d.Defaults())
	}
	if e.Defaults().Queue != "b" || e.Defaults().MaxAttempts != 9 || e.Name() != "t" || !e.Listens() {
		t.Errorf("With gave %q %+v, listens %v", e.Name(), e.Defaults(), e.Listens())
	}
}

func TestWithJudgesTheWholeAnew(t *testing.T) {
	t.Parallel()
	bad := Declare[int, int]("t", MaxAttempts(0))
	if err := bad.With(MaxAttempts(1)).Err(); err != nil {
		t.Errorf("a fault that With has mended is still reported: %v", err)
	}
	err := bad.With(Queue("q")).Err()
	if err == nil || strings.Count(err.Error(), "MaxAttempts") != 1 {
		t.Errorf("one fault is reported as %v, want it once", err)
	}
}

func TestMaxAttemptsOfZeroIsRefused(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, -1, MaxMaxAttempts + 1} {
		if err := Declare[int, int]("t", MaxAttempts(n)).Err(); !isInvalid(err) || !strings.Contains(err.Error(), "MaxAttempts") {
			t.Errorf("MaxAttempts(%d): %v, want ErrInvalid that names it", n, err)
		}
		c := Declare[int, int]("t").Call(1, MaxAttempts(n))
		if err := c.Err(); !isInvalid(err) {
			t.Errorf("a call with MaxAttempts(%d): %v, want ErrInvalid", n, err)
		}
	}
}
