package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// ErrInUse is returned by [Broker.Clear] while the namespace has workers.
var ErrInUse = errors.New("broker: the namespace has workers")

// ClearConfig says what [Broker.Clear] may do.
type ClearConfig struct {
	// Force clears the namespace though it has workers. They lose their sessions, their
	// attempts end with [task.ErrLeaseLost], and they join again.
	Force bool
}

// Clear deletes all that the namespace has: jobs, runs, records, dead letters, counts,
// sessions. Nothing of it comes back. It returns how many keys it has deleted, and [ErrInUse]
// if there are workers, also lost ones of which no tick has told yet: ask them to end with
// [Broker.ShutdownAll], or force it.
//
// It deletes in short steps. Jobs that are posted meanwhile may stay or go, so post none.
// After an error a part is deleted; to repeat it is safe. The namespace can be opened with
// another number of partitions then; brokers that are open keep theirs, so close them first.
func (b *Broker) Clear(ctx context.Context, cfg ClearConfig) (n int, err error) {
	ws, err := b.Workers(ctx)
	if err != nil {
		return 0, err
	}
	if len(ws) > 0 && !cfg.Force {
		return 0, fmt.Errorf("%w: %d in %q, one is %q; shut them down, or force it", ErrInUse, len(ws), b.cfg.Namespace, ws[0].Name)
	}
	var keys atomic.Int64
	err = b.each(func(p int) error { return b.clear(ctx, p, &keys) })
	if err != nil {
		return int(keys.Load()), err
	}
	err = b.retry(ctx, "clear", func() error {
		n, err := b.rdb.Del(ctx, metaKey(b.cfg.Namespace)).Result()
		keys.Add(n)
		return err
	})
	return int(keys.Load()), err
}

// clear deletes the keys of partition p, and adds how many to n.
func (b *Broker) clear(ctx context.Context, p int, n *atomic.Int64) error {
	c, err := b.server(ctx, p)
	if err != nil {
		return err
	}
	for cursor := uint64(0); ; {
		var names []string
		err := b.retry(ctx, "clear", func() (err error) {
			names, cursor, err = c.Scan(ctx, cursor, globEscape(b.prefixes[p])+"*", scanKeys).Result()
			return err
		})
		if err == nil && len(names) > 0 {
			err = b.retry(ctx, "clear", func() error { return unlink(ctx, c, names, n) })
		}
		if err != nil || cursor == 0 {
			return err
		}
	}
}

// unlink deletes keys, the memory of which Redis frees by and by.
func unlink(ctx context.Context, c redis.Cmdable, names []string, n *atomic.Int64) error {
	gone, err := c.Unlink(ctx, names...).Result()
	n.Add(gone)
	return err
}
