package main

import (
	"fmt"
	"io"
	"strconv"
	"time"
)

// tell prints what the sweep found, and what it is compared with.
func tell(w io.Writer, r Report, took time.Duration) {
	held := r.Held
	fmt.Fprintf(w, "\n%-24s  %8s  %10s\n", "cross-validation", "mean", "worst fold")
	for _, m := range r.Means {
		mark := ""
		if m.Setting == held.Setting {
			mark = "  <- best"
		}
		fmt.Fprintf(w, "%-24v  %8v  %10v%s\n", m.Setting, m.All, m.Worst, mark)
	}
	fmt.Fprintf(w, "\n%-24s  %8s  %12s\n", "held out", "right", "scikit-learn")
	for _, e := range r.Reference {
		fmt.Fprintf(w, "%-24v  %8d  %12s\n", e.Setting, e.Confusion.Correct(), figure(e.Setting))
	}
	c := held.Confusion
	fmt.Fprintf(w, "\n%v, retrained: %d of %d held-out images right (%.1f %%), in %.1f s\n",
		held.Setting, c.Correct(), c.Total(), 100*c.Accuracy(), took.Seconds())
}

// figure is how many images scikit-learn tells rightly.
func figure(s Setting) string {
	if n, ok := reference[s]; ok {
		return strconv.Itoa(n)
	}
	return "-"
}
