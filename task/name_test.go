package task

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		want string // in the error; "" if the name is good
	}{
		{"a", ""},
		{"Z9", ""},
		{"_private", ""},
		{"0", ""},
		{"mail.send/v2-beta_1", ""},
		{strings.Repeat("a", MaxNameLen), ""},
		{"", "a queue needs a name"},
		{strings.Repeat("a", MaxNameLen+1), "101 bytes, want at most 100"},
		{strings.Repeat("a", 1<<20), "1048576 bytes"},
		{".hidden", `has '.' at byte 0`},
		{"-flag", `has '-' at byte 0`},
		{"/root", `has '/' at byte 0`},
		{"two words", `has ' ' at byte 3`},
		{"a:b", `has ':' at byte 1`},
		{"{tag}", `has '{' at byte 0`},
		{"a*", `has '*' at byte 1`},
		{"größe", `has 'ö' at byte 2`},
		{"line\n", `has '\n' at byte 4`},
		{"nul\x00", `has '\x00' at byte 3`},
		{"bad\xff", `at byte 3`},
	}
	for _, tt := range tests {
		err := CheckName("queue", tt.name)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("CheckName(%q): %v", tt.name, err)
		case tt.want != "" && (!isInvalid(err) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("CheckName(%.30q): %v, want ErrInvalid with %q", tt.name, err, tt.want)
		case err != nil && len(err.Error()) > 600:
			t.Errorf("CheckName(%.30q) repeats %d bytes", tt.name, len(err.Error()))
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"train", "evaluate", "load", "report.daily"}
	for name, want := range map[string]string{
		"trian":        "train",
		"tran":         "train",
		"trainn":       "train",
		"train":        "train",
		"evalaute":     "evaluate",
		"report.dialy": "report.daily",
		"Load":         "load",
		"send-mail":    "",
		"":             "",
	} {
		if got := Nearest(name, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
	if got := Nearest("x", nil); got != "" {
		t.Errorf("Nearest without candidates = %q", got)
	}
}

func TestDistanceIsAMetricBelowItsLimit(t *testing.T) {
	t.Parallel()
	word := rapid.StringOfN(rapid.SampledFrom([]rune("abc")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b, 100)
		if d != distance(b, a, 100) {
			t.Fatalf("distance(%q, %q) = %d, but %d the other way", a, b, d, distance(b, a, 100))
		}
		if (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Fatalf("distance(%q, %q) = %d", a, b, d)
		}
		if limit := rapid.IntRange(1, 8).Draw(t, "limit"); min(distance(a, b, limit), limit) != min(d, limit) {
			t.Fatalf("distance(%q, %q, %d) = %d, want %d or at least the limit", a, b, limit, distance(a, b, limit), d)
		}
	})
}
