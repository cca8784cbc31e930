package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// Broker keeps jobs in one namespace of one Redis. Make one with [Open]. It
// implements [task.Port]; all methods are safe for concurrent use.
type Broker struct {
	cfg      Config
	rdb      redis.UniversalClient
	scripts  *scripts
	prefixes []string // of all keys, by partition
	log      *slog.Logger
	chunk    int          // bytes of stored data that go over the wire at once
	clock    string       // lua/lib/now.lua, "" for the real one
	skew     atomic.Int64 // Redis' clock minus ours, ns

	ids      idMaker
	next     atomic.Uint32 // partition of the next lone job
	posters  []*combiner[*postRequest]
	admitter []*combiner[*postRequest] // of calls that are looked up first
	lookers  []*combiner[*lookRequest]
	inbox    *inbox
	waits    *waitHub
	sessions sync.Map // task.SessionID -> *session
	tickMore []atomic.Bool

	stop     context.CancelCauseFunc
	life     context.Context // until Close
	spawning sync.Mutex      // of spawn against Close
	workers  sync.WaitGroup  // goroutines that end with life
	closers  []func() error  // what Open has started, in order
	once     sync.Once
}

var _ task.Port = (*Broker)(nil)

// newBroker wires the parts of a broker; no goroutine runs yet.
func newBroker(cfg Config, rdb redis.UniversalClient, d dialect, clock string) (*Broker, error) {
	s, err := loadScripts(d, clock)
	if err != nil {
		return nil, err
	}
	b := &Broker{cfg: cfg, rdb: rdb, scripts: s, log: cfg.Logger, chunk: dataChunk, clock: clock}
	b.life, b.stop = context.WithCancelCause(context.Background()) // background: a broker lives until Close
	for p := range cfg.Partitions {
		b.prefixes = append(b.prefixes, prefix(cfg.Namespace, p, cfg.Partitions))
		b.posters = append(b.posters, b.newPoster(p, func() *script { return b.scripts.post }, b.postArgs))
		b.admitter = append(b.admitter, b.newPoster(p, func() *script { return b.scripts.admit }, admitArgs))
		b.lookers = append(b.lookers, newCombiner(b, maxLook, lookSize, b.lookAt(p)))
	}
	b.tickMore = make([]atomic.Bool, cfg.Partitions)
	b.inbox = newInbox(b, d.sharded)
	b.waits = newWaitHub(b)
	return b, nil
}

// Partitions returns over how many partitions the jobs are spread.
func (b *Broker) Partitions() int { return b.cfg.Partitions }

// Namespace returns the namespace the broker works in.
func (b *Broker) Namespace() string { return b.cfg.Namespace }

// Close ends the broker's connections, and the server if it was started by
// [Open]. Calls under way fail, and later ones: [task.ErrClosed]; a worker that still
// runs ends. Close may be called several times.
func (b *Broker) Close() error {
	var first error
	b.once.Do(func() {
		b.spawning.Lock()
		b.stop(errClosed)
		b.spawning.Unlock()
		b.waits.close()
		if err := b.rdb.Close(); err != nil {
			first = fmt.Errorf("broker: close: %w", err)
		}
		b.workers.Wait()
		for _, end := range slices.Backward(b.closers) {
			if err := end(); err != nil && first == nil {
				first = err
			}
		}
	})
	return first
}

// spawn runs f in a goroutine that Close waits for, and reports whether it does:
// after Close, none is begun.
func (b *Broker) spawn(f func()) bool {
	b.spawning.Lock()
	defer b.spawning.Unlock()
	if b.life.Err() != nil {
		return false
	}
	b.workers.Go(f)
	return true
}

var errClosed = fmt.Errorf("%w: %w", task.ErrUnavailable, task.ErrClosed)

// now returns the time by Redis' clock, as far as it is known.
func (b *Broker) now() time.Time { return time.Now().Add(time.Duration(b.skew.Load())) }

// randomName returns eight random bytes: the name of a session or an inbox.
func randomName() string {
	var r [8]byte
	rand.Read(r[:]) // never fails, see crypto/rand
	return string(r[:])
}

// partition returns the partition of id, or an error if it cannot be one of ours.
func (b *Broker) partition(id task.ID) (int, error) {
	if p := id.Partition(); p < len(b.prefixes) {
		return p, nil
	}
	return 0, fmt.Errorf("%w: %v is of partition %d, namespace %q has %d", task.ErrUnknown, id, id.Partition(), b.cfg.Namespace, len(b.prefixes))
}

// each calls f for all partitions at once, so that one that cannot serve does not
// hold the others up, and returns all errors.
func (b *Broker) each(f func(p int) error) error {
	if len(b.prefixes) == 1 {
		return f(0)
	}
	errs := make([]error, len(b.prefixes))
	var wg sync.WaitGroup
	for p := range b.prefixes {
		wg.Go(func() { errs[p] = f(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// byPartition sorts the indices of ids by their partition.
func (b *Broker) byPartition(ids []task.ID) (map[int][]int, error) {
	m := make(map[int][]int, 1)
	for i, id := range ids {
		p, err := b.partition(id)
		if err != nil {
			return nil, err
		}
		m[p] = append(m[p], i)
	}
	return m, nil
}
