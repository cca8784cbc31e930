package main

import (
	"math/rand/v2"
	"strings"
)

// Message is a text message, and whether it is spam.
type Message struct {
	Text string
	Spam bool
}

// What messages are made of. Ham and spam share many words, and some sentences
// altogether, so nobody can be right about all of them.
var (
	hamSentences = []string{
		"Are you free for {meal} on {day}?", "Can you call me when you are home?", "I will be late, sorry.",
		"The {paper} is due on {day}.", "Did you win the game last night?", "My phone was off, call me now.",
		"Thanks for the {thing}!", "Do you want to see a film tonight?", "You left your {thing} in my car.",
	}
	spamSentences = []string{
		"You have won a {thing}!", "Call now to claim your prize.", "Free {thing} for the first hundred callers.",
		"Your account will be closed on {day}.", "Send your number to see who likes you.", "Win cash, text us now!",
		"This offer ends on {day}.", "You were chosen for a free {meal}.", "Cheap {thing}, only tonight.",
	}
	sharedSentences = []string{
		"Please reply before {day}.", "Call me now.", "It is free.", "This is your last chance for {meal}.",
		"Your {paper} is ready.", "Thanks for your order.", "See you on {day}.",
	}
	words = map[string][]string{
		"meal":  {"lunch", "dinner", "a drink"},
		"day":   {"Monday", "Friday", "Sunday"},
		"paper": {"report", "ticket", "bill", "loan"},
		"thing": {"phone", "watch", "holiday", "book"},
	}
)

// compose makes messages of three sentences, half of them spam. The same seed
// gives the same messages.
func compose(seed, messages int) []Message {
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	out := make([]Message, messages)
	for i := range out {
		own := hamSentences
		if out[i].Spam = i%2 == 1; out[i].Spam {
			own = spamSentences
		}
		var text []string
		for range 3 {
			from := own
			if r.IntN(2) == 0 {
				from = sharedSentences
			}
			text = append(text, fill(r, from[r.IntN(len(from))]))
		}
		out[i].Text = strings.Join(text, " ")
	}
	return out
}

// fill puts a word wherever a sentence leaves the choice.
func fill(r *rand.Rand, sentence string) string {
	before, rest, ok := strings.Cut(sentence, "{")
	if !ok {
		return sentence
	}
	name, after, _ := strings.Cut(rest, "}")
	return before + words[name][r.IntN(len(words[name]))] + after
}
