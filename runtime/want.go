package runtime

import (
	"time"

	"github.com/gomlq/mlq/task"
)

// All of this file wants the pool's lock, but for bell, pace and drain.

// due returns how many outcomes the next exchange of p would report and how
// many jobs it would ask for.
func (q *pool) due(p *part) (done, want int) {
	done = p.fit()
	return done, q.want(p, done)
}

// want returns how many jobs p may ask for in an exchange that reports done
// outcomes: a partition asks if there may be jobs, or on the occasion of a
// report.
func (q *pool) want(p *part, done int) int {
	switch {
	case q.free <= 0 || !q.claiming() || q.sole != nil:
		return 0
	case q.suspect.part != nil:
		if p == q.suspect.part && q.others(done) == 0 {
			return 1
		}
		return 0
	case !p.hungry && done == 0:
		return 0
	default:
		return min(q.share(p, done), task.MaxWant)
	}
}

// share returns how many of the free slots are for p. Partitions that may have
// jobs share them; if there are fewer slots than such partitions, those go first
// that have not asked for longest.
func (q *pool) share(p *part, done int) int {
	if len(q.parts) == 1 {
		return q.free
	}
	first, hungry := 0, 0
	for _, o := range q.parts {
		if o != p && o.hungry && !o.inflight {
			hungry++
			if o.turn < p.turn || !p.hungry {
				first++
			}
		}
	}
	switch {
	case first >= q.free:
		return 0
	case !p.hungry:
		return min(done, q.free-first)
	default:
		return max(1, q.free/(hungry+1))
	}
}

// claiming reports whether jobs may be asked for at all: not while the worker
// drains, and not beside a suspect that runs. A suspect that waits for other
// jobs may be waiting for jobs that nobody else can run.
func (q *pool) claiming() bool {
	return !q.draining && !q.secluded()
}

// childrenOnly reports whether only jobs that were posted by jobs may be
// claimed: what those wait for that wait.
func (q *pool) childrenOnly() bool { return q.blocked > q.maxBlocked || q.alone != nil }

// others returns how many jobs the worker runs or may be about to get, beside
// done ones that are reported. Blocked attempts do not count: they may wait for
// the very suspect that wants to be alone, and are not charged if they are lost.
func (q *pool) others(done int) int { return q.held - q.blocked - done + q.reserved }

// kick wakes the fetchers that have something to say or to ask.
func (q *pool) kick() {
	if q.session == nil {
		return
	}
	for _, p := range q.parts {
		if !p.asleep {
			continue
		}
		if done, want := q.due(p); done > 0 || want > 0 || p.pass {
			p.rouse()
		}
	}
}

// feed makes every partition one that may have jobs: what could be asked for
// has changed.
func (q *pool) feed() {
	for _, p := range q.parts {
		p.hungry = true
	}
}

// bell enters that there is a job in a partition. If the worker cannot have it
// now, the next exchange says so by asking for nothing.
func (q *pool) bell(s *session, partition int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.session != s || partition < 0 || partition >= len(q.parts) {
		return
	}
	p := q.parts[partition]
	p.hungry, p.rung = true, true
	p.pass = q.free <= 0 || q.suspect.part != nil || !q.claiming()
	q.kick()
}

// pace is called about twice a second, and lets one partition ask of which
// nothing was heard since the last time: the safety claim.
func (q *pool) pace(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.despair(now)
	if q.session == nil || q.free <= 0 || q.suspect.part != nil || !q.claiming() {
		return
	}
	for range q.parts {
		p := q.parts[q.safe]
		q.safe = (q.safe + 1) % len(q.parts)
		if p.inflight || p.hungry {
			continue
		}
		if p.seen != p.number {
			p.seen = p.number
			continue
		}
		p.seen++
		p.hungry = true
		q.kick()
		return
	}
}

// drain ends the claiming.
func (q *pool) drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.draining = true
	q.suspect.part = nil
	q.kick()
}
