package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// pausedMark stands in live:<queue> while the queue is paused; see lua/hold.lua.
const pausedMark = "!"

// PauseQueue lets nothing of a queue be claimed any more, by any worker, until
// [Broker.ResumeQueue]: that holds once it has returned. What runs goes on, and may be
// retried after the pause; what is posted waits. The queue need not exist. After an error it
// may be paused in some partitions; to repeat it is safe.
func (b *Broker) PauseQueue(ctx context.Context, queue string) error {
	return b.holdQueue(ctx, queue, true)
}

// ResumeQueue lets a paused queue go on, and wakes idle workers for it. To repeat it is
// safe.
func (b *Broker) ResumeQueue(ctx context.Context, queue string) error {
	return b.holdQueue(ctx, queue, false)
}

func (b *Broker) holdQueue(ctx context.Context, queue string, pause bool) error {
	if err := task.CheckName("queue", queue); err != nil {
		return err
	}
	return b.each(func(p int) error {
		times, err := b.holds(ctx, p, queue)
		if err != nil || paused(times) == pause {
			return err
		}
		return b.hold(ctx, p, queue, times+1)
	})
}

// hold pauses a queue in partition p, or lets it go on, for the so manieth time.
func (b *Broker) hold(ctx context.Context, p int, queue string, times int) error {
	a, err := b.ask(ctx, b.scripts.hold, p, queue, times)
	if err == nil {
		err = statusErr("hold", a.status)
	}
	return err
}

// holds returns how often a queue was paused and let go on.
func (b *Broker) holds(ctx context.Context, p int, queue string) (times int, err error) {
	err = b.retry(ctx, "hold", func() (err error) {
		times, err = b.rdb.HGet(ctx, b.prefixes[p]+"held", queue).Int()
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		return err
	})
	if times < 0 {
		err = fmt.Errorf("broker: hold: %w: queue %s was paused %d times", task.ErrDamaged, queue, times)
	}
	return times, err
}

// paused reports whether a queue is paused that was paused and let go on so often.
func paused(times int) bool { return times%2 == 1 }
