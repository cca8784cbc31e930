package main

import (
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/gomlq/mlq/task"
)

// The tasks. A worker runs all of them.
var (
	write      = task.Define("write", writeShard, keep)
	split      = task.Define("split", splitMessages, keep)
	count      = task.Define("count", countWords, keep)
	merge      = task.Define("merge", mergeCounts, keep)
	bayes      = task.Define("bayes", trainBayes, keep)
	logistic   = task.Define("logistic", trainLogistic, keep)
	perceptron = task.Define("perceptron", trainPerceptron, keep)
	gather     = task.Define("gather", gatherModels, keep)
	judge      = task.Define("judge", judgeVoters, keep)

	tasks = []task.Handler{write, split, count, merge, bayes, logistic, perceptron, gather, judge}
)

// keep is how long records and results stay in Redis.
var keep = task.Retention(time.Hour)

// WriteIn asks for messages: the same seed gives the same ones.
type WriteIn struct{ Seed, Messages int }

func writeShard(_ task.Context, in WriteIn) ([]Message, error) {
	return compose(in.Seed, in.Messages), nil
}

// Document is a message as the models see it.
type Document struct {
	Words []string
	Spam  bool
}

func splitMessages(_ task.Context, messages []Message) ([]Document, error) {
	documents := make([]Document, len(messages))
	for i, m := range messages {
		words := strings.FieldsFunc(strings.ToLower(m.Text), func(r rune) bool { return !unicode.IsLetter(r) })
		documents[i] = Document{words, m.Spam}
	}
	return documents, nil
}

// Tally is how often each word was seen, and how many messages and words there were.
type Tally struct {
	Messages, Words int
	Of              map[string]int
}

// Counts has the tallies of ham and of spam.
type Counts struct{ Ham, Spam Tally }

func countWords(_ task.Context, documents []Document) (Counts, error) {
	c := Counts{Tally{Of: map[string]int{}}, Tally{Of: map[string]int{}}}
	for _, d := range documents {
		t := &c.Ham
		if d.Spam {
			t = &c.Spam
		}
		t.Messages++
		for _, w := range d.Words {
			t.Words++
			t.Of[w]++
		}
	}
	return c, nil
}

// MergeIn has the counts of every shard.
type MergeIn struct{ Shards []task.Ref[Counts] }

func mergeCounts(ctx task.Context, in MergeIn) (Counts, error) {
	shards, err := task.All(ctx, in.Shards) // in few round trips
	if err != nil {
		return Counts{}, err
	}
	all := Counts{Tally{Of: map[string]int{}}, Tally{Of: map[string]int{}}}
	for _, c := range shards {
		all.Ham.add(c.Ham)
		all.Spam.add(c.Spam)
	}
	return all, nil
}

func (t *Tally) add(o Tally) {
	t.Messages += o.Messages
	t.Words += o.Words
	for w, n := range o.Of {
		t.Of[w] += n
	}
}

// Candidate is a model that may be there in the end or not.
type Candidate struct {
	Name  string
	Model task.Ref[task.Result[Model]]
}

// GatherIn has what was to be trained. Refs may be anywhere in an input.
type GatherIn struct{ Models []Candidate }

// Voter is a model that is there, or why it is not.
type Voter struct {
	Name    string
	Model   Model
	Missing string
}

// gatherModels is started as soon as enough models are there. Get waits for one
// that is still being trained, so that every run has the same voters; a join that
// will not wait for the slowest asks task.Ended instead.
func gatherModels(ctx task.Context, in GatherIn) ([]Voter, error) {
	var voters []Voter
	for _, c := range in.Models {
		r, err := c.Model.Get(ctx) // err is about the asking, r.Err about the model
		if err != nil {
			return nil, err
		}
		v := Voter{Name: c.Name, Model: r.Value}
		if failed, ok := errors.AsType[*task.JobError](r.Err); ok {
			v.Missing = failed.Failure.Message
		} else if r.Err != nil {
			return nil, r.Err
		}
		voters = append(voters, v)
	}
	return voters, nil
}
