package runtime

import "time"

// A job that was lost with its workers before is a suspect: it runs alone, so
// that it can take nobody along. A worker that the broker chose for it claims
// nothing until it holds nothing; then it asks for one job.
type suspect struct {
	part  *part     // whose answer said so; nil if there is no suspect
	until time.Time // when to give up
	rest  time.Time // do not listen before: there was none to be had lately
}

// How long a worker waits until it holds nothing, and how long it works as
// usual after it has given up: attempts may run for hours, and waiting for them
// must not take more than a fifth of its time.
const (
	suspectWait = 30 * time.Second
	suspectRest = 2 * time.Minute
)

// suspicion enters that an answer to p has chosen the worker for a suspect, or
// has not; asked says that p had asked for one. It wants the lock.
func (q *pool) suspicion(p *part, chosen, asked bool) {
	if !chosen || asked || q.draining || q.suspect.part != nil {
		return
	}
	if now := time.Now(); !now.Before(q.suspect.rest) {
		q.suspect.part, q.suspect.until = p, now.Add(suspectWait)
		p.hungry = true // it has not been told what else there is
	}
}

// despair gives up waiting for a suspect when its time is over. It wants the
// lock.
func (q *pool) despair(now time.Time) {
	if q.suspect.part != nil && now.After(q.suspect.until) {
		q.suspect.part, q.suspect.rest = nil, now.Add(suspectRest)
		q.feed()
		q.kick()
	}
}
