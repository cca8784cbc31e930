package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gomlq/mlq/task"
)

// The tasks. A worker runs all of them.
var (
	split = task.Define("split", splitCorpus, keep)
	count = task.Define("count", countPart, keep)
	merge = task.Define("merge", mergeTallies, keep)
	top   = task.Define("top", topWords, keep)

	tasks = []task.Handler{split, count, merge, top}
)

// keep is how long records and results stay in Redis.
var keep = task.Retention(time.Hour)

// Corpus asks for a text, in parts.
type Corpus struct{ Lines, Parts int }

// Part is some lines of the text: where they are, as it would be said of a large file.
type Part struct{ From, To int }

// splitCorpus decides how many jobs the map has: one for each part that it returns.
func splitCorpus(_ task.Context, in Corpus) ([]Part, error) {
	parts := make([]Part, in.Parts)
	for i := range parts {
		parts[i] = Part{i * in.Lines / in.Parts, (i + 1) * in.Lines / in.Parts}
	}
	return parts, nil
}

// Tally is how often each word was seen.
type Tally map[string]int

// countPart is the job of one part. It takes the part itself, not the list.
func countPart(_ task.Context, p Part) (Tally, error) {
	t := Tally{}
	t.count(p.From, p.To)
	return t, nil
}

func (t Tally) count(from, to int) {
	for i := from; i < to; i++ {
		for w := range strings.FieldsSeq(line(i)) {
			t[w]++
		}
	}
}

// mergeTallies is given what all parts have counted, in their order.
func mergeTallies(ctx task.Context, tallies []Tally) (Tally, error) {
	all := Tally{}
	for _, t := range tallies {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		for w, n := range t {
			all[w] += n
		}
	}
	return all, nil
}

// Word is how often a word was seen.
type Word struct {
	Word  string
	Times int
}

// topWords returns the commonest words, of equals the first in the alphabet.
func topWords(_ task.Context, t Tally) ([]Word, error) {
	words := make([]Word, 0, len(t))
	for _, w := range slices.Sorted(maps.Keys(t)) {
		words = append(words, Word{w, t[w]})
	}
	slices.SortStableFunc(words, func(a, b Word) int { return cmp.Compare(b.Times, a.Times) })
	return words[:min(len(words), listed)], nil
}
