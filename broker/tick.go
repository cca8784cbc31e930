package broker

import (
	"context"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

const (
	// tickEvery is how often each partition is ticked, by whoever comes first. It is
	// less than the second that callers pause, so that theirs are not refused.
	tickEvery = 800 * time.Millisecond
	// tickLimit bounds how much of each kind of work one tick does.
	tickLimit = 500
	// tickRounds bounds how often a partition with much to do is ticked at once.
	tickRounds = 200
)

// Tick moves what time moves, in all partitions: delayed jobs that are due become
// ready, jobs of lost sessions are taken back, continuations go on, old dead
// letters go. Each partition is ticked about once a second, whoever calls; any
// number of workers and reapers may call, as often as they like.
func (b *Broker) Tick(ctx context.Context) (task.Ticked, error) {
	var total task.Ticked
	var mu sync.Mutex
	err := b.each(func(p int) error {
		more := b.tickMore[p].Load()
		for range tickRounds {
			t, again, err := b.tickOnce(ctx, p, more)
			b.tickMore[p].Store(again)
			if err != nil {
				return err
			}
			mu.Lock()
			total.Add(t)
			mu.Unlock()
			if more = again; !more {
				break
			}
		}
		return nil
	})
	return total, err
}

func (b *Broker) tickOnce(ctx context.Context, p int, goOn bool) (t task.Ticked, more bool, err error) {
	now := 0
	if goOn {
		now = 1
	}
	dead := max(b.cfg.DeadRetention, 0).Milliseconds()
	poison, err := encodeTail(&task.Outcome{Failure: task.Failure{
		Kind:    task.FailurePoison,
		Message: "the workers that ran this job alone were lost; see what it does to their process (memory, os.Exit, a fault in C code)",
		At:      b.now(),
	}})
	if err != nil {
		return t, false, err
	}
	a, err := b.ask(ctx, b.scripts.tick, p, now, tickEvery.Milliseconds(), b.cfg.Poison, dead, poison, tickLimit)
	if err == nil {
		err = statusErr("tick", a.status)
	}
	if err != nil {
		return t, false, err
	}
	t = task.Ticked{Woken: a.num(0), Sessions: a.num(1), Lost: a.num(2), Poisoned: a.num(3), Released: a.num(4), Swept: a.num(5)}
	return t, a.num(6) == 1, nil
}
