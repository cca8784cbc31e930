package broker

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/gomlq/mlq/task"
)

// slowly lets a script follow the children of one node only, so that most edges are
// continuations. Then they may be followed late.
var slowly = edit{"lib/follow", "local EDGES, CHUNK, KID = 512,", "local EDGES, CHUNK, KID = 1,"}

// sparsely lets a claim bring little more than one job.
var sparsely = edit{"lib/judge", "local MAXBYTES = 4194304", "local MAXBYTES = 60"}

// narrow is how many nodes of a run may have started and not ended, with narrowly.
const narrow = 2

// narrowly lets most nodes of a run stand in line.
var narrowly = edit{"lib/line", "local WINDOW = 256", "local WINDOW = 2"}

// check runs the model against the broker, about 60 steps a case.
func check(t *testing.T, edits ...edit) {
	withoutRaceDetector(t)
	t.Parallel()
	n := newBench(t, testConfig, edits...)
	first := edit{}
	if len(edits) > 0 {
		first = edits[0]
	}
	rapid.Check(t, func(rt *rapid.T) {
		k := newMachine(t.Context(), n, rapidDice{rt}, first, rt.Fatalf)
		rt.Repeat(map[string]func(*rapid.T){"step": func(rt *rapid.T) {
			k.dice = rapidDice{rt}
			k.step()
			k.step()
		}})
		k.drain()
	})
}

// TestModel asks that the broker does what the model says, whatever happens.
func TestModel(t *testing.T) { check(t) }

// TestModelOfContinuations asks the same where a script follows few edges.
func TestModelOfContinuations(t *testing.T) { check(t, slowly) }

// TestModelOfNarrowRuns asks the same where few nodes of a run may be under way.
func TestModelOfNarrowRuns(t *testing.T) { check(t, narrowly) }

// TestModelOfLargeEnvelopes asks that jobs which do not fit an answer any more stay
// where they were, for those who take the oldest and for those who take the newest.
func TestModelOfLargeEnvelopes(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	k := newMachine(t.Context(), newBench(t, testConfig, sparsely), seedDice{rand.New(rand.NewPCG(1, 1))}, sparsely, t.Fatalf)
	s := &msession{id: task.SessionID{1}, ttl: 30_000, queues: testQueues, functions: testFunctions, numbers: map[int]uint64{}}
	k.enter(s)
	for range 8 {
		k.postAs([]*mjob{{
			id: k.newID(task.KindLone), queue: "a", route: "f", lane: 'N',
			digest: "a payload that is longer than what one answer may have room for",
		}}, []int64{0}, []bool{false})
	}
	for i := range 8 {
		got := k.exchangeAs(s, 0, s.numbers[0]+1, nil, nil, wish{want: 3, children: i%2 == 0})
		if len(got) != 1 {
			t.Fatalf("claim %d brought %d jobs, want 1", i, len(got))
		}
		k.compare()
	}
}
