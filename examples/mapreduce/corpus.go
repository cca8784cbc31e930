package main

import (
	"math/rand/v2"
	"strings"
)

const (
	linesPerPart = 4
	wordsPerLine = 12
)

// vocabulary has the words of the text, the commonest first.
var vocabulary = strings.Fields(`the of and to a in is it you that he was for on are with as his they be at one have
	this from or had by hot but some what there we can out other were all your when up use word how said an each she which
	do their time if will way about many then them would write like so these her long make thing see him two has look more
	day could go come did my sound no most number who over know water than call first people may down side been now find`)

// line returns line i of the text, always the same. As in any language, few words make
// up most of it.
func line(i int) string {
	r := rand.New(rand.NewPCG(1, uint64(i)))
	pick := rand.NewZipf(r, 1.2, 2, uint64(len(vocabulary)-1))
	words := make([]string, wordsPerLine)
	for k := range words {
		words[k] = vocabulary[pick.Uint64()]
	}
	return strings.Join(words, " ")
}
