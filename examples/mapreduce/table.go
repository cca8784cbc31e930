package main

import (
	"fmt"
	"io"
	"maps"
)

// listed is how many words are printed.
const listed = 10

// table prints the commonest words.
func table(w io.Writer, words []Word, all Tally) {
	total := all.total()
	fmt.Fprintf(w, "\n%-8s%8s%9s\n", "word", "times", "of all")
	for _, word := range words {
		fmt.Fprintf(w, "%-8s%8d%7.1f %%\n", word.Word, word.Times, 100*float64(word.Times)/float64(total))
	}
	fmt.Fprintf(w, "%-8s%8d\n", "all", total)
}

func (t Tally) total() (n int) {
	for _, times := range t {
		n += times
	}
	return n
}

// verify compares what the graph counted with a count in one loop.
func verify(all Tally, width int) error {
	direct := Tally{}
	direct.count(0, linesPerPart*width)
	if !maps.Equal(all, direct) {
		return fmt.Errorf("the graph counted %d words, %d of them different; a loop counts %d and %d", all.total(), len(all), direct.total(), len(direct))
	}
	return nil
}
