package broker

import (
	"testing"

	"pgregory.net/rapid"
)

func TestModel(t *testing.T) {
	t.Parallel()
	n := newBench(t, testConfig)
	rapid.Check(t, func(rt *rapid.T) {
		k := newMachine(t.Context(), n, rapidDice{rt}, false, rt.Fatalf)
		rt.Repeat(map[string]func(*rapid.T){"step": func(rt *rapid.T) {
			k.dice = rapidDice{rt}
			k.step()
			k.step()
		}})
		k.drain()
	})
}
