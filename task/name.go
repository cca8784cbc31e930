package task

import (
	"fmt"
	"unicode/utf8"
)

// MaxNameLen bounds the names of tasks, queues, graphs and namespaces: names
// are parts of Redis keys and labels of metrics.
const MaxNameLen = 100

// MaxFilter bounds how many functions a message may name.
const MaxFilter = 16

// CheckName reports whether name may name a thing of that kind ("task",
// "queue"): 1 to 100 of A-Z a-z 0-9 _ . - /, beginning with a letter, a digit
// or _. The error wraps [ErrInvalid].
func CheckName(kind, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: a %s needs a name", ErrInvalid, kind)
	case len(name) > MaxNameLen:
		return fmt.Errorf("%w: the %s name %.20q… has %d bytes, want at most %d", ErrInvalid, kind, name, len(name), MaxNameLen)
	}
	for i := range len(name) {
		c := name[i]
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' ||
			i > 0 && (c == '.' || c == '-' || c == '/')
		if !ok {
			r, _ := utf8.DecodeRuneInString(name[i:])
			return fmt.Errorf("%w: the %s name %q has %q at byte %d; use letters, digits, _ . - / and begin with a letter, a digit or _", ErrInvalid, kind, name, r, i)
		}
	}
	return nil
}

// Nearest returns the candidate that name was most likely meant to be, or "".
func Nearest(name string, candidates []string) string {
	best, limit := "", len(name)/3+2
	for _, c := range candidates {
		if d := distance(name, c, limit); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, substitutions and swaps of
// neighbours that lead from a to b, or at least limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	prev2, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}
