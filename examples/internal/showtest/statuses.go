package showtest

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/gomlq/mlq/examples/internal/show"
)

// Use is a command line, the exit status it should have, and what the program
// should say.
type Use struct {
	Args string // separated by blanks
	Want int
	Says string
}

// Statuses tries each use of a program that ends by itself.
func Statuses(t *testing.T, name string, run func(context.Context, []string, *show.Screen) error, uses []Use) {
	t.Helper()
	for _, u := range uses {
		var told Buffer
		s := &show.Screen{Out: io.Discard, Err: &told}
		got := s.Status(name, run(t.Context(), strings.Fields(u.Args), s))
		if got != u.Want || !strings.Contains(told.String(), u.Says) {
			t.Errorf("%s %s: got status %d and\n%s\nwant status %d and %q", name, u.Args, got, told.String(), u.Want, u.Says)
		}
	}
}
