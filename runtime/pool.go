package runtime

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

// session is one stay of the worker with the broker.
type session struct {
	id  task.SessionID
	ctx context.Context // ends when the session is lost, or the worker has ended
	end context.CancelFunc
	can *registry // what the broker was told that it can do
}

// pool keeps the books of a worker: who has a slot, what is to be reported, and
// what may be asked for. It starts nothing, calls nobody and never waits: its
// methods decide, the worker acts. Those that are not said to want the lock
// take it.
type pool struct {
	maxBlocked int
	look       chan struct{} // pokes the watchdog: there is an earlier deadline
	changed    chan struct{} // pokes who waits for the pool to drain

	mu       sync.Mutex
	session  *session // nil while there is none
	parts    []*part
	turns    uint64
	safe     int // the partition whose turn of the safety claim is next
	draining bool

	free     int        // slots that nobody has and no exchange under way may fill
	reserved int        // slots that exchanges under way may fill
	line     []*attempt // those that want their slot back, first come first served
	attempts []*attempt // those that run or are blocked
	blocked  int        // those that are blocked
	held     int        // jobs claimed of which the broker may not know the end yet

	suspect suspect
	alone   *attempt // a suspect that runs
	sole    *part    // its exchange under way may bring a suspect
	nextDue time.Time
}

func newPool(slots, maxBlocked int) *pool {
	return &pool{
		maxBlocked: maxBlocked,
		free:       slots,
		look:       make(chan struct{}, 1),
		changed:    make(chan struct{}, 1),
	}
}

// open begins session s.
func (q *pool) open(s *session) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.session = s
	q.suspect = suspect{}
	for _, p := range q.parts {
		p.number, p.barren = 0, 0
		p.hungry = true
	}
	q.kick()
}

// ask lets session s ask for jobs: it can do what it could not before.
func (q *pool) ask(s *session) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.session != s {
		return
	}
	for _, p := range q.parts {
		p.hungry, p.rung, p.barren = true, true, 0
	}
	q.kick()
}

// lose ends session s, forgets what was to be reported of it, and returns its
// attempts; false if s has ended before.
func (q *pool) lose(s *session) ([]*attempt, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.session != s {
		return nil, false
	}
	q.session = nil
	for _, p := range q.parts {
		q.held -= p.drop()
	}
	var lost []*attempt
	for _, a := range q.attempts {
		if a.s == s {
			lost = append(lost, a)
		}
	}
	poke(q.changed)
	return lost, true
}

// take composes the next exchange of p and reserves the slots that it may fill.
// If there is nothing to say or to ask it returns false, and p is asleep.
func (q *pool) take(p *part) (task.Exchange, *session, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, want := q.due(p)
	if q.session == nil || n == 0 && want == 0 && !p.pass {
		p.asleep = true
		return task.Exchange{}, nil, false
	}
	x := task.Exchange{
		Session: q.session.id, Partition: p.partition, Number: p.number + 1,
		Done: p.load(n), Want: want, Held: q.others(n), Children: q.childrenOnly(),
	}
	p.number++
	p.inflight, p.rung, p.pass = true, false, false
	if want > 0 {
		q.turns++
		p.turn = q.turns
		q.free -= want
		q.reserved += want
		if x.Held == 0 {
			q.sole = p
		}
		if p.alone = q.suspect.part == p; p.alone {
			q.suspect.part = nil
		}
	}
	return x, q.session, true
}

// answer enters the answer to x. The attempts as, made for its jobs, are to be
// started if it returns true; else they must not be: the session was lost, or
// the worker drains, and then the jobs are released.
func (q *pool) answer(p *part, s *session, x *task.Exchange, got *task.Exchanged, as []*attempt) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	asked := p.alone
	q.landed(p, x)
	start := q.session == s && !q.draining
	if q.session == s {
		p.learn(x, got)
		q.suspicion(p, got.Drain, asked)
		q.held += len(as)
	}
	spare := x.Want
	switch {
	case start:
		spare -= len(as)
		for _, a := range as {
			q.enrol(a)
		}
	case q.session == s:
		for _, a := range as {
			p.done = append(p.done, task.Outcome{Lease: a.job.Lease, Verdict: task.Release})
		}
	}
	q.put(spare)
	q.kick()
	return start
}

// fail enters that there will be no answer to x.
func (q *pool) fail(p *part, x *task.Exchange) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.landed(p, x)
	q.put(x.Want)
	q.kick()
}

// landed ends the exchange x, but for its slots. It wants the lock.
func (q *pool) landed(p *part, x *task.Exchange) {
	q.held -= len(x.Done)
	q.reserved -= x.Want
	p.inflight, p.alone = false, false
	if q.sole == p {
		q.sole = nil
	}
	p.unload()
	if q.draining {
		poke(q.changed)
	}
}

// enrol enters a, which has a slot from now on. It wants the lock.
func (q *pool) enrol(a *attempt) {
	a.slot, a.place = true, len(q.attempts)
	q.attempts = append(q.attempts, a)
	if a.job.Alone {
		q.alone = a
	}
	if !a.deadline.IsZero() {
		q.watch(a.deadline)
	}
}

// settle strikes a off and frees its slot. o is to be reported, unless it has
// no verdict or a's session is over.
func (q *pool) settle(a *attempt, o task.Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := len(q.attempts) - 1
	q.attempts[a.place] = q.attempts[last]
	q.attempts[a.place].place = a.place
	q.attempts[last] = nil
	q.attempts = q.attempts[:last]
	if o.Verdict != 0 && a.s == q.session {
		a.p.done = append(a.p.done, o)
	} else {
		q.held--
	}
	q.leave(a)
	q.kick()
	if q.draining {
		poke(q.changed)
	}
}

// find returns the attempts of session s that have one of the leases.
func (q *pool) find(s *session, leases []task.Lease) []*attempt {
	q.mu.Lock()
	defer q.mu.Unlock()
	var found []*attempt
	for _, a := range q.attempts {
		if a.s == s && slices.Contains(leases, a.job.Lease) {
			found = append(found, a)
		}
	}
	return found
}

// poke puts a token into c unless there is one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
