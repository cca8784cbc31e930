package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

// waitHub is where all that wait in this process wait. A wait depends on no
// message: it looks first, is told by a message, and looks again at a slow pace
// and whenever messages may have been missed. Thousands of waits share one
// subscription, and their looks go in batches.
type waitHub struct {
	b    *Broker
	name string // of the inbox

	once    sync.Once // starts listening
	mu      sync.Mutex
	entries map[task.ID]*waitEntry
	closed  bool
	kick    chan struct{} // there is something to look after
}

// waitEntry is a job or run whose end somebody waits for.
type waitEntry struct {
	id    task.ID
	refs  int       // how many wait
	armed time.Time // its post asked for the result to be sent; zero if not
	ended bool
	done  chan struct{} // gets a token when it has ended: who takes it puts it back

	// Valid when it has ended. Those who wait take the tail apart, not the one
	// goroutine that receives for all.
	state byte
	tail  string
	end   *task.Settled // in place of state and tail, where it is known
	err   error
}

// entryPool has entries that nobody waits for any more.
var entryPool = sync.Pool{New: func() any { return &waitEntry{done: make(chan struct{}, 1)} }}

// result returns how the job or run ended.
func (e *waitEntry) result() (task.Settled, error) {
	switch {
	case e.err != nil:
		return task.Settled{}, e.err
	case e.end != nil:
		return *e.end, nil
	default:
		return settledTail(e.id, e.state, e.tail)
	}
}

const (
	// lookEvery is the slow pace: what a lost message costs.
	lookEvery = 2 * time.Second
	// armedFor is how long a result is kept for a poster who has not asked yet.
	armedFor = time.Minute
	// maxLook bounds one call of watch.lua.
	maxLook = 500
)

func newWaitHub(b *Broker) *waitHub {
	return &waitHub{b: b, name: randomName(), entries: map[task.ID]*waitEntry{}, kick: make(chan struct{}, 1)}
}

// start listens, and looks after the entries, until the broker is closed.
func (h *waitHub) start() {
	h.once.Do(func() {
		h.b.inbox.listen(h.name, h.message, func(p int) { h.b.spawn(func() { h.lookAfter(p) }) })
		h.b.spawn(h.tend)
	})
}

// arm prepares for the result of a job that is about to be posted, and returns
// the inbox that shall be told, "" if that would not be heard.
func (h *waitHub) arm(id task.ID) string {
	h.start()
	if !h.b.inbox.live(id.Partition(), h.name) {
		return ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entry(id).armed = time.Now()
	h.wake()
	return h.name
}

// disarm undoes arm: whoever waits for id must look.
func (h *waitHub) disarm(id task.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.entries[id]
	if e == nil {
		return
	}
	if e.armed = (time.Time{}); e.refs == 0 {
		h.drop(e)
	}
}

// entry returns the entry of id, a new one if need be. h.mu is held.
func (h *waitHub) entry(id task.ID) *waitEntry {
	e := h.entries[id]
	if e == nil {
		e, _ = entryPool.Get().(*waitEntry)
		e.id = id
		h.entries[id] = e
	}
	return e
}

// drop removes e, which nobody waits for. h.mu is held.
func (h *waitHub) drop(e *waitEntry) {
	if h.entries[e.id] == e { // else its place was taken
		delete(h.entries, e.id)
	}
	select {
	case <-e.done:
	default:
	}
	*e = waitEntry{done: e.done}
	entryPool.Put(e)
}

// close ends all waits: the broker was closed.
func (h *waitHub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, e := range h.entries {
		if !e.ended {
			e.settle(waitEntry{err: fmt.Errorf("broker: wait for %v: %w", e.id, errClosed)})
		}
	}
}

func (h *waitHub) wake() {
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// Await implements [task.Port]: it returns how the jobs or runs ended, in order.
func (b *Broker) Await(ctx context.Context, ids []task.ID) ([]task.Settled, error) {
	for _, id := range ids {
		if _, err := b.partition(id); err != nil {
			return nil, err
		}
	}
	var one [1]*waitEntry
	entries, fresh, err := b.waits.join(one[:0], ids)
	if err != nil {
		return nil, err
	}
	defer b.waits.leave(entries)
	if len(fresh) > 0 {
		if err := b.look(ctx, fresh); err != nil {
			return nil, err
		}
	}
	out := make([]task.Settled, len(ids))
	for i, e := range entries {
		select {
		case <-e.done:
			e.done <- struct{}{}
			if out[i], err = e.result(); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("broker: wait for %v: %w", e.id, ended(ctx))
		}
	}
	return out, nil
}

// join registers a waiter for ids, and appends their entries to room. fresh are those
// that must be looked at now: not those whose post already asked to be told.
func (h *waitHub) join(room []*waitEntry, ids []task.ID) (entries []*waitEntry, fresh []task.ID, err error) {
	h.start()
	entries = slices.Grow(room, len(ids))
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, fmt.Errorf("broker: wait: %w", errClosed)
	}
	for _, id := range ids {
		e := h.entry(id)
		if k := id.Kind(); e.ended && (k == task.KindRun || k == task.KindNode) {
			delete(h.entries, id) // it may have been resumed since
			e = h.entry(id)
		}
		e.refs++
		entries = append(entries, e)
		if e.armed.IsZero() && !e.ended {
			fresh = append(fresh, id)
		}
	}
	h.wake()
	return entries, fresh, nil
}

// leave ends the wait of one waiter.
func (h *waitHub) leave(entries []*waitEntry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range entries {
		if e.refs--; e.refs == 0 {
			h.drop(e)
		}
	}
}

// settle gives the entry of end.id its end. An entry that was only armed is kept for a
// while, since its poster is about to ask.
func (h *waitHub) settle(end waitEntry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.entries[end.id]; e != nil && !e.ended {
		e.settle(end)
	}
}

// settle gives e, which has none, its end.
func (e *waitEntry) settle(end waitEntry) {
	e.ended, e.state, e.tail, e.end, e.err = true, end.state, end.tail, end.end, end.err
	e.done <- struct{}{}
}

// message takes a letter apart: 'R', then for each end ID, state, length, tail.
func (h *waitHub) message(_ int, payload string) {
	r := reader{b: payload}
	if r.u8() != 'R' {
		return
	}
	var missing []task.ID
	for r.i < len(payload) && !r.bad {
		id := task.ID([]byte(pad16(r.bytes(16))))
		state, n := r.u8(), r.uint(4)
		if n == 0xFFFFFFFF { // too large to be sent along
			missing = append(missing, id)
			continue
		}
		if tail := r.bytes(int(n)); !r.bad {
			h.settle(waitEntry{id: id, state: state, tail: tail})
		}
	}
	if len(missing) > 0 {
		h.b.spawn(func() { _ = h.b.look(h.b.life, missing) })
	}
}

func pad16(s string) string {
	if len(s) == 16 {
		return s
	}
	return string(make([]byte, 16))
}

// tend looks at what is waited for at the slow pace, and drops what was armed
// and never asked for.
func (h *waitHub) tend() {
	for h.b.life.Err() == nil {
		select {
		case <-h.kick:
		case <-h.b.life.Done():
			return
		}
		for h.b.life.Err() == nil {
			sleep(h.b.life, lookEvery/2+rand.N(lookEvery))
			if !h.lookAfter(-1) {
				break
			}
		}
	}
}

// lookAfter looks at all that is waited for in partition p, -1 for all, and
// reports whether anything is waited for.
func (h *waitHub) lookAfter(p int) bool {
	var open []task.ID
	h.mu.Lock()
	for id, e := range h.entries {
		if e.refs == 0 && time.Since(e.armed) > armedFor {
			h.drop(e)
			continue
		}
		if !e.ended && e.refs > 0 && (p < 0 || id.Partition() == p) {
			open = append(open, id)
		}
	}
	left := len(h.entries) > 0
	h.mu.Unlock()
	_ = h.b.look(h.b.life, open) // the next look may fare better
	return left
}
