package broker

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/gomlq/mlq/task"
)

// Counts are jobs by state: how many are in the states that pass and in Failed,
// and how many have ever ended as Succeeded, Cancelled and Skipped.
type Counts map[task.State]int

// Live returns how many jobs have not ended.
func (c Counts) Live() int {
	return c[task.Blocked] + c[task.Scheduled] + c[task.Ready] + c[task.Running]
}

// countLetters maps the letters of the counters; see lua/lib/count.lua. Ready has
// none: it is what is posted and counted nowhere else.
var countLetters = map[string]task.State{
	"b": task.Blocked, "s": task.Scheduled, "a": task.Running,
	"S": task.Succeeded, "F": task.Failed, "C": task.Cancelled, "K": task.Skipped,
}

// countStates are the letters of all counters: those above, P for all that were
// ever posted, D for dead letters that were deleted.
const countStates = "bsaSFCKPD"

// Counts returns how many jobs the named queues have in each state, all queues
// together if none is named. It costs one small read for each partition; the
// partitions are not read at the same instant.
func (b *Broker) Counts(ctx context.Context, queues ...string) (Counts, error) {
	c, _, err := b.count(ctx, queues)
	return c, err
}

// count returns the counts of queues, and how many jobs were ever posted to them.
func (b *Broker) count(ctx context.Context, queues []string) (Counts, int, error) {
	c, posted := Counts{}, 0
	for p := range b.prefixes {
		raw, err := b.rawCounts(ctx, p)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range raw {
			if len(queues) > 0 && !slices.Contains(queues, r.queue) {
				continue
			}
			if c.add(r.letter, r.n); r.letter == "P" {
				posted += r.n
			}
		}
	}
	return c, posted, nil
}

// idleEvery is the pace at which WaitIdle looks.
const idleEvery = 100 * time.Millisecond

// WaitIdle waits until no job of the named queues, of all if none is named, is
// left that has not ended. That is the end of work that posts its own work, such
// as a crawl: a job that posts others ends after it has posted them. It looks ten
// times a second.
func (b *Broker) WaitIdle(ctx context.Context, queues ...string) error {
	before := -1
	for {
		c, posted, err := b.count(ctx, queues)
		if err != nil {
			return err
		}
		// Partitions are read one after the other, and a job may have been posted
		// behind our back: two looks with nothing posted in between tell the truth.
		if c.Live() == 0 && (len(b.prefixes) == 1 || posted == before) {
			return nil
		}
		before = posted
		sleep(ctx, idleEvery)
		if ctx.Err() != nil {
			return fmt.Errorf("broker: wait until idle: %w", ended(ctx))
		}
	}
}

// WorkerInfo is a worker that has joined.
type WorkerInfo struct {
	task.Worker
	Session task.SessionID
}

// Workers returns the workers whose sessions were not given up, sorted by name
// and session.
func (b *Broker) Workers(ctx context.Context) ([]WorkerInfo, error) {
	var got map[string]string
	err := b.retry(ctx, "workers", func() (err error) {
		got, err = b.rdb.HGetAll(ctx, b.prefixes[0]+"workers").Result()
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]WorkerInfo, 0, len(got))
	for session, info := range got {
		var w WorkerInfo
		if copy(w.Session[:], session) != len(w.Session) {
			return nil, fmt.Errorf("broker: workers: %w: a session of %d bytes", task.ErrDamaged, len(session))
		}
		if err := task.CheckMsgpack([]byte(info)); err != nil {
			return nil, fmt.Errorf("broker: workers: %w: %w", task.ErrDamaged, err)
		}
		if err := msgpack.Unmarshal([]byte(info), &w.Worker); err != nil {
			return nil, fmt.Errorf("broker: workers: %w: %w", task.ErrDamaged, err)
		}
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b WorkerInfo) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return bytes.Compare(a.Session[:], b.Session[:])
	})
	return out, nil
}
