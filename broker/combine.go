package broker

import (
	"context"
	"sync"
)

// combiner lets concurrent callers share round trips without waiting for each
// other by the clock: while one flush is under way, requests gather, and the
// next flush takes them all. A caller that is alone flushes by itself.
type combiner[R request] struct {
	b     *Broker
	max   int         // how much one flush may take, in units of size
	size  func(R) int // how much a request is
	flush func(context.Context, []R)

	mu    sync.Mutex
	queue []R
	spare []R // the room of the queue that was flushed last
	busy  bool
}

// request is something that is done when its flush is. Then finished has something for
// who has asked for it.
type request interface{ finished() <-chan struct{} }

func newCombiner[R request](b *Broker, limit int, size func(R) int, flush func(context.Context, []R)) *combiner[R] {
	return &combiner[R]{b: b, max: limit, size: size, flush: flush}
}

// do returns when r has been flushed, or when ctx ends: then r may or may not
// be flushed later.
func (c *combiner[R]) do(ctx context.Context, r R) error {
	c.mu.Lock()
	if c.busy {
		c.queue = append(c.queue, r)
		c.mu.Unlock()
		select {
		case <-r.finished():
			return nil
		case <-ctx.Done():
			return ended(ctx)
		}
	}
	c.busy = true
	c.mu.Unlock()
	c.flush(ctx, []R{r})
	<-r.finished()
	c.pass()
	return nil
}

// pass lets go of the flush, or hands it to a goroutine if requests wait.
func (c *combiner[R]) pass() {
	c.mu.Lock()
	busy := len(c.queue) > 0
	c.busy = busy
	c.mu.Unlock()
	if busy && !c.b.spawn(c.drain) {
		c.drain() // which fails: the broker was closed
	}
}

// drain flushes until nothing waits.
func (c *combiner[R]) drain() {
	for {
		batch := c.next()
		if batch == nil {
			return
		}
		c.flush(c.b.life, batch)
		clear(batch)
	}
}

// next takes the requests of the next flush out of the queue.
func (c *combiner[R]) next() []R {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, total := 0, 0
	for n < len(c.queue) && (n == 0 || total+c.size(c.queue[n]) <= c.max) {
		total += c.size(c.queue[n])
		n++
	}
	if n == 0 {
		c.busy = false
		return nil
	}
	batch := c.queue[:n:n]
	if n < len(c.queue) {
		c.queue = c.queue[n:]
	} else {
		c.queue, c.spare = c.spare[:0], c.queue
	}
	return batch
}
