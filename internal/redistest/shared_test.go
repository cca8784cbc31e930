package redistest_test

import (
	"fmt"
	"regexp"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
)

// recorder is a test that fails without failing the one around it.
type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatal(args ...any) {
	r.message = fmt.Sprint(args...)
	goruntime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

// failure returns the message with which f ends its test, empty if it does not.
func failure(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.message
}

func TestSharedIsOneServer(t *testing.T) {
	t.Parallel()
	a, b := redistest.Shared(t), redistest.Shared(t)
	if a != b {
		t.Errorf("Shared returned the servers %s and %s, want one", a.Addr(), b.Addr())
	}
	key := redistest.Namespace(t)
	do(t, a, "SET", key, "v")
	if got := do(t, b, "GET", key); got != "v" {
		t.Errorf("GET %s = %v, want v", key, got)
	}
}

func TestSharedServerCannotBeTakenFromOthers(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	for name, method := range map[string]func(){"Kill": s.Kill, "Restart": s.Restart, "Pause": s.Pause, "Resume": s.Resume} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of the shared server did not panic", name)
				}
			}()
			method()
		}()
	}
}

func TestNamespaceIsShortUniqueAndTellsTheTest(t *testing.T) {
	t.Parallel()
	valid := regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)
	seen := make(map[string]bool)
	for _, name := range []string{"a", "Größe:{x}/y", strings.Repeat("long", 20)} {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				ns := redistest.Namespace(t)
				if !valid.MatchString(ns) || !strings.HasPrefix(ns, "testnamespace") || seen[ns] {
					t.Fatalf("Namespace() = %q in %s: invalid or returned before", ns, t.Name())
				}
				seen[ns] = true
			}
		})
	}
}

func TestEventuallyReturnsAsSoonAsTheConditionHolds(t *testing.T) {
	t.Parallel()
	calls := 0
	redistest.Eventually(t, patience, func() bool { calls++; return calls == 3 }, "three calls")
	if calls != 3 {
		t.Errorf("%d calls of the condition, want 3", calls)
	}
}

func TestEventuallyFailsWithItsMessage(t *testing.T) {
	t.Parallel()
	got := failure(t, func(tb testing.TB) {
		tb.Helper()
		redistest.Eventually(tb, time.Millisecond, func() bool { return false }, "%d of %d jobs", 1, 2)
	})
	if want := "not within 1ms: 1 of 2 jobs"; got != want {
		t.Errorf("Eventually failed with %q, want %q", got, want)
	}
}

// It is not parallel, since it changes the environment.
func TestRequireServerTellsHowToGetOne(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	got := failure(t, func(tb testing.TB) {
		tb.Helper()
		redistest.RequireServer(tb)
	})
	if !strings.Contains(got, "make setup") {
		t.Errorf("RequireServer failed with %q, want it to name `make setup`", got)
	}
}
