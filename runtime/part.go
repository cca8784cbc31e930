package runtime

import (
	"time"

	"github.com/gomlq/mlq/task"
)

// part is one partition as its fetcher sees it. The pool's lock guards it, but
// for sent, batch, jobs and due, which are the fetcher's alone.
type part struct {
	partition int
	wake      chan struct{} // holds one token, for a fetcher that is asleep

	asleep   bool   // the fetcher waits for wake
	inflight bool   // an exchange is under way
	number   uint64 // of the session's last exchange with this partition
	turn     uint64 // when it last asked for jobs: the smaller, the longer ago

	hungry bool // there may be jobs
	rung   bool // a bell came since the last exchange was composed
	pass   bool // a bell came that cannot be followed: let the broker ring another
	alone  bool // the exchange under way asks for a suspect
	barren int  // answers in a row that promised jobs and brought none

	seen uint64 // the exchanges that the last look for a safety claim knows of

	done  []task.Outcome // of attempts of the current session, to be sent
	sent  []task.Outcome // of the exchange under way
	batch []*attempt     // of the last answer
	jobs  []task.Job     // room for the next answer's
	due   time.Time      // when a delayed job is due that the fetcher asks for
}

// maxBarren is how many answers in a row may promise jobs and bring none before
// the promise is not believed until the next bell: a broker looks at a bounded
// number of entries at once, and some may be stale.
const maxBarren = 64

func newPart(partition int) *part {
	return &part{partition: partition, wake: make(chan struct{}, 1)}
}

// rouse wakes the fetcher if it is asleep.
func (p *part) rouse() {
	if p.asleep {
		p.asleep = false
		p.wake <- struct{}{} // there is room: one token for each sleep
	}
}

// maxSent bounds the results of one exchange, in bytes, unless a single one is
// larger: an exchange must get through before its call times out.
const maxSent = 4 << 20

// fit returns how many outcomes fit the next exchange.
func (p *part) fit() int {
	size := 0
	for i := range p.done[:min(len(p.done), task.MaxDone)] {
		if size += len(p.done[i].Result.Bytes); size > maxSent {
			return max(i, 1)
		}
	}
	return min(len(p.done), task.MaxDone)
}

// load moves the first n outcomes from done to sent.
func (p *part) load(n int) []task.Outcome {
	if n == len(p.done) {
		p.done, p.sent = p.sent[:0], p.done
		return p.sent
	}
	p.sent = append(p.sent[:0], p.done[:n]...)
	clear(p.done[:n])
	p.done = p.done[n:]
	return p.sent
}

// unload forgets what was sent.
func (p *part) unload() {
	clear(p.sent)
	p.sent = p.sent[:0]
}

// drop forgets what was to be sent and returns how many outcomes these were.
func (p *part) drop() int {
	n := len(p.done)
	clear(p.done)
	p.done = p.done[:0]
	return n
}

// learn draws the conclusions of the answer got to x on whether to ask again.
func (p *part) learn(x *task.Exchange, got *task.Exchanged) {
	if len(got.Jobs) > 0 || !got.More {
		p.barren = 0
	} else {
		p.barren++
	}
	switch {
	case got.Drain || p.barren >= maxBarren: // the promise is for others, or none
		p.hungry = p.rung
	case x.Want > 0:
		p.hungry = p.rung || got.More || len(got.Jobs) >= x.Want
	default:
		p.hungry = p.hungry || got.More
	}
}
