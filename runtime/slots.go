package runtime

// put gives n slots back: to those in line for one first. It wants the lock.
func (q *pool) put(n int) {
	q.free += n
	q.serve()
}

// serve gives free slots to those in line. It wants the lock.
func (q *pool) serve() {
	for q.free > 0 {
		a := q.first()
		if a == nil {
			return
		}
		q.free--
		a.slot, a.wants = true, false
		close(a.resumed)
	}
}

// first returns who is to have the next free slot, nil if nobody is in line.
// Beside a suspect nobody may go on. It wants the lock.
func (q *pool) first() *attempt {
	if q.secluded() {
		if q.alone.wants {
			return q.alone
		}
		return nil
	}
	for len(q.line) > 0 {
		a := q.line[0]
		q.line[0] = nil
		q.line = q.line[1:]
		a.inLine = false
		if a.wants {
			return a
		}
	}
	return nil
}

// secluded reports whether there is a suspect beside which nothing may begin or
// go on: one that does not wait for other jobs. It wants the lock.
func (q *pool) secluded() bool { return q.alone != nil && q.alone.waits == 0 }

// park enters that a waits for other jobs, and takes its slot. If several
// goroutines of an attempt wait, it has no slot until the last one goes on: with
// one slot, a child would have to wait for its parent otherwise.
func (q *pool) park(a *attempt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a.ended.Load() {
		return
	}
	a.waits++
	if a.waits > 1 {
		return
	}
	q.blocked++
	switch {
	case a.slot:
		a.slot = false
		q.put(1)
	case a.wants: // another goroutine of it stands in line, in vain
		a.wants = false
		close(a.resumed)
	}
	q.serve() // a suspect that waits lets others go on
	q.kick()
}

// unpark enters that one wait of a is over, and reports whether it was the last
// and a goes on.
func (q *pool) unpark(a *attempt) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a.ended.Load() {
		return false
	}
	a.waits--
	if a.waits > 0 {
		return false
	}
	q.unblocked()
	return true
}

// waits reports whether a waits for other jobs.
func (q *pool) waits(a *attempt) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return a.waits > 0
}

// resume gives a its slot back. If there is none it puts a in line and returns
// a channel that is closed when a need not wait any more; else nil.
func (q *pool) resume(a *attempt) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case a.ended.Load(), a.slot, a.waits > 0:
		return nil
	case a.wants:
		return a.resumed
	case q.free > 0 && (q.alone == a || !q.secluded()):
		q.free--
		a.slot = true
		return nil
	}
	a.wants, a.resumed = true, make(chan struct{})
	if !a.inLine {
		a.inLine = true
		q.line = append(q.line, a)
	}
	return a.resumed
}

// leave takes from a, which has ended, what it has. It wants the lock.
func (q *pool) leave(a *attempt) {
	if a.waits > 0 {
		a.waits = 0
		q.unblocked()
	}
	if a.wants {
		a.wants = false
		close(a.resumed)
	}
	if q.alone == a {
		q.alone = nil
		q.feed()
	}
	if a.slot {
		a.slot = false
		q.free++
	}
	q.serve()
}

// unblocked enters that one attempt less waits for others. It wants the lock.
func (q *pool) unblocked() {
	q.blocked--
	if q.blocked == q.maxBlocked {
		q.feed() // now other jobs than children may be claimed again
		q.kick()
	}
}
