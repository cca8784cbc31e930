package broker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

// QueueRecord is how a queue stands.
type QueueRecord struct {
	Name   string
	Counts Counts // of its jobs
	// Oldest is when the job was posted that has been ready for longest, as far as the
	// heads of its lists tell; zero if there is none. Jobs that jobs have posted are not
	// looked at: their IDs do not say when.
	Oldest  time.Time
	Workers int  // how many sessions serve it
	Paused  bool // see [Broker.PauseQueue]; in one partition at least
}

// maxHeads is how many queues one call of heads.lua looks at.
const maxHeads = 32

// Queues returns how all queues stand that ever had a job, a worker or a pause, sorted by
// name. It costs some small reads for each partition, and one more for each 32 queues; they
// are not made at the same instant.
func (b *Broker) Queues(ctx context.Context) ([]QueueRecord, error) {
	ws, err := b.Workers(ctx)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	all := map[string]*QueueRecord{}
	err = b.each(func(p int) error {
		found, err := b.queuesOf(ctx, p)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for name, q := range found {
			if all[name] == nil {
				all[name] = &QueueRecord{Name: name, Counts: Counts{}}
			}
			all[name].add(q)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]QueueRecord, 0, len(all))
	for _, q := range all {
		for _, w := range ws {
			if slices.Contains(w.Queues, q.Name) {
				q.Workers++
			}
		}
		out = append(out, *q)
	}
	slices.SortFunc(out, func(x, y QueueRecord) int { return cmp.Compare(x.Name, y.Name) })
	return out, nil
}

// add adds what a partition has of the queue.
func (q *QueueRecord) add(o *QueueRecord) {
	for state, n := range o.Counts {
		q.Counts[state] += n
	}
	if !o.Oldest.IsZero() && (q.Oldest.IsZero() || o.Oldest.Before(q.Oldest)) {
		q.Oldest = o.Oldest
	}
	q.Paused = q.Paused || o.Paused
}

// queuesOf returns what partition p has of each queue.
func (b *Broker) queuesOf(ctx context.Context, p int) (map[string]*QueueRecord, error) {
	var names []string
	var held map[string]string
	err := b.retry(ctx, "queues", func() (err error) {
		if names, err = b.rdb.SMembers(ctx, b.prefixes[p]+"queues").Result(); err == nil {
			held, err = b.rdb.HGetAll(ctx, b.prefixes[p]+"held").Result()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	counts, err := b.rawCounts(ctx, p)
	if err != nil {
		return nil, err
	}
	all := map[string]*QueueRecord{}
	queue := func(name string) *QueueRecord {
		if all[name] == nil {
			all[name] = &QueueRecord{Counts: Counts{}}
		}
		return all[name]
	}
	for _, c := range counts {
		queue(c.queue).Counts.add(c.letter, c.n)
	}
	for name, times := range held {
		n, _ := strconv.Atoi(times) // fsck tells of one that is damaged
		queue(name).Paused = paused(n)
	}
	for some := range slices.Chunk(names, maxHeads) {
		oldest, err := b.heads(ctx, p, some)
		if err != nil {
			return nil, err
		}
		for i, name := range some {
			queue(name).Oldest = oldest[i]
		}
	}
	return all, nil
}

// heads returns when the oldest ready jobs of queues were posted.
func (b *Broker) heads(ctx context.Context, p int, queues []string) ([]time.Time, error) {
	args := make([]any, len(queues))
	for i, q := range queues {
		args[i] = q
	}
	a, err := b.ask(ctx, b.scripts.heads, p, args...)
	if err == nil {
		err = statusErr("heads", a.status)
	}
	list := a.list(0)
	if err == nil && len(list) != len(queues) {
		err = fmt.Errorf("broker: heads: %w: %d answers for %d queues", task.ErrDamaged, len(list), len(queues))
	}
	if err != nil {
		return nil, err
	}
	out := make([]time.Time, len(queues))
	for i := range list {
		if ms, _ := list[i].(int64); ms > 0 {
			out[i] = letterTime(uint64(ms))
		}
	}
	return out, nil
}

// rawCount is a counter as it is stored; see lua/lib/count.lua.
type rawCount struct {
	queue, letter string
	n             int
}

// rawCounts returns the counters of partition p.
func (b *Broker) rawCounts(ctx context.Context, p int) ([]rawCount, error) {
	var got map[string]string
	err := b.retry(ctx, "counts", func() (err error) {
		got, err = b.rdb.HGetAll(ctx, b.prefixes[p]+"cnt").Result()
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]rawCount, 0, len(got))
	for field, value := range got {
		queue, letter, _ := strings.Cut(field, ":")
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil, fmt.Errorf("broker: counts: %w: %s of %q is %q", task.ErrDamaged, letter, queue, value)
		}
		out = append(out, rawCount{queue, letter, n})
	}
	return out, nil
}

// add adds a counter.
func (c Counts) add(letter string, n int) {
	switch state, ok := countLetters[letter]; {
	case ok:
		c[state] += n
		c[task.Ready] -= n
	case letter == "P":
		c[task.Ready] += n
	default: // D, dead letters that were deleted
		c[task.Ready] -= n
	}
}
