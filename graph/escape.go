package graph

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// visible returns s with all that does not print, newlines among it, written as in a
// Go string. What is not UTF-8 becomes U+FFFD.
func visible(s string) string {
	var out strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			out.WriteRune(r)
		} else {
			out.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return out.String()
}

// escapeDOT makes s the inside of a quoted string of DOT, in which backslashes and
// HTML entities mean something.
func escapeDOT(s string) string { return dotEscaper.Replace(visible(s)) }

var dotEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "&", "&amp;", "<", "&lt;", ">", "&gt;")

// escapeMermaid makes s the inside of a quoted label of Mermaid. Beside quotes and
// tags, backquotes begin Markdown there, %% comments and directives, and # entities.
func escapeMermaid(s string) string {
	var out strings.Builder
	for _, r := range visible(s) {
		if r < unicode.MaxASCII && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" _.-/,+=()", r) {
			fmt.Fprintf(&out, "#%d;", r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}
