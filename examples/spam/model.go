package main

import (
	"errors"
	"math"

	"github.com/gomlq/mlq/task"
)

// Model is what all three learn: each word says how much it speaks for spam.
type Model struct {
	Bias    float64
	Weights map[string]float64
}

// score is above zero if m takes d for spam.
func (m *Model) score(d Document) float64 {
	s := m.Bias
	for _, w := range d.Words {
		s += m.Weights[w]
	}
	return s
}

// BayesIn has all that a naive Bayes classifier needs.
type BayesIn struct{ Counts task.Ref[Counts] }

// trainBayes weighs a word by how much more often it is in spam than in ham.
func trainBayes(ctx task.Context, in BayesIn) (Model, error) {
	c, err := in.Counts.Get(ctx)
	if err != nil {
		return Model{}, err
	}
	m := Model{math.Log(float64(c.Spam.Messages) / float64(c.Ham.Messages)), c.words()}
	for w := range m.Weights {
		m.Weights[w] = c.Spam.log(w, len(m.Weights)) - c.Ham.log(w, len(m.Weights))
	}
	return m, nil
}

// words returns a weight of zero for each word.
func (c Counts) words() map[string]float64 {
	weights := make(map[string]float64)
	for _, t := range []Tally{c.Ham, c.Spam} {
		for w := range t.Of {
			weights[w] = 0
		}
	}
	return weights
}

// log returns the logarithm of how probable a word is; one that was never seen is
// rare, not impossible.
func (t *Tally) log(word string, words int) float64 {
	return math.Log(float64(t.Of[word]+1) / float64(t.Words+words))
}

// FitIn has what a model needs that looks at one message after the other.
type FitIn struct {
	Counts    task.Ref[Counts] // of these words
	Documents []task.Ref[[]Document]
	Fail      bool // on purpose
}

const (
	epochs = 10  // how often a model looks at all messages
	rate   = 0.1 // how fast the logistic one learns
)

// trainLogistic is logistic regression by stochastic gradient descent.
func trainLogistic(ctx task.Context, in FitIn) (Model, error) {
	return fit(ctx, in, func(score, spam float64) float64 {
		return rate * (spam - 1/(1+math.Exp(-score)))
	})
}

// trainPerceptron learns from its mistakes only.
func trainPerceptron(ctx task.Context, in FitIn) (Model, error) {
	return fit(ctx, in, func(score, spam float64) float64 {
		if (score > 0) == (spam > 0) {
			return 0
		}
		return 2*spam - 1
	})
}

// fit shows a model all messages, some times over. step says how much is added to
// the weight of each word of a message; spam is 1 or 0.
func fit(ctx task.Context, in FitIn, step func(score, spam float64) float64) (Model, error) {
	if in.Fail {
		return Model{}, task.Permanent(errors.New("needs more memory")) // to try again is useless
	}
	c, err := in.Counts.Get(ctx)
	if err != nil {
		return Model{}, err
	}
	shards, err := task.All(ctx, in.Documents)
	if err != nil {
		return Model{}, err
	}
	m := Model{Weights: c.words()}
	for range epochs {
		for _, documents := range shards {
			for _, d := range documents {
				m.learn(d, step)
			}
		}
	}
	return m, nil
}

func (m *Model) learn(d Document, step func(score, spam float64) float64) {
	spam := 0.0
	if d.Spam {
		spam = 1
	}
	by := step(m.score(d), spam)
	m.Bias += by
	for _, w := range d.Words {
		m.Weights[w] += by
	}
}
