package broker

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/gomlq/mlq/task"
)

// session is what the broker knows of a worker that joined through it.
type session struct {
	worker    task.Worker
	queues    string // as exchange.lua takes them
	functions string
	listeners int
	group     string
	ttl       int64 // ms
	signal    func(task.Signal)

	mu    sync.Mutex
	said  time.Time // when the broker was last told what the session can do
	lives time.Time // when it was last told that the session lives
}

// groupFor is how long a group of like workers is remembered; they say that they
// are there every third of it.
const groupFor = 3 * time.Hour

// Limits of what a worker may register: all names go along with each exchange.
const (
	MaxWorkerNames = 16 << 10 // bytes of queue and function names
	minLease       = 100 * time.Millisecond
)

// Join begins a session for worker w. signal is called with hints for it, from any
// goroutine that uses the broker, and must not block. A session lives by [Broker.Beat] and
// [Broker.Exchange]; one that was lost is replaced by joining anew.
func (b *Broker) Join(ctx context.Context, w task.Worker, signal func(task.Signal)) (task.SessionID, error) {
	s, err := newSession(w)
	if err != nil {
		return task.SessionID{}, err
	}
	name := randomName()
	id := task.SessionID([]byte(name))
	s.signal = signal
	for p := range b.prefixes {
		if err := b.hello(ctx, p, id, s); err != nil {
			return task.SessionID{}, err
		}
	}
	b.sessions.Store(id, s)
	b.inbox.listen(name, func(p int, payload string) {
		switch {
		case payload == "Q":
			signal(task.Signal{Kind: task.SignalShutdown})
		case payload == "B":
			signal(task.Signal{Kind: task.SignalBell, Partition: p})
		case len(payload) == 1+attemptLen && payload[0] == 'C':
			signal(task.Signal{Kind: task.SignalRevoked, Partition: p, Lease: attemptOf(id, payload[1:])})
		}
	}, func(p int) { signal(task.Signal{Kind: task.SignalBell, Partition: p}) })
	return id, nil
}

// Rejoin says anew what the worker of a session can do: it is given jobs of other queues
// and functions from its next exchange on, and keeps what it has. Its name and lease may
// change too. [task.ErrGone] if there is no such session. After any other error of Redis
// it holds all the same, and a later [Broker.Beat] tells Redis of it.
//
// An idle session may still be woken for what it does not do any more; who could have
// been woken instead looks for itself within a second.
func (b *Broker) Rejoin(ctx context.Context, id task.SessionID, w task.Worker) error {
	old, err := b.session(id)
	if err != nil {
		return err
	}
	s, err := newSession(w)
	if err != nil {
		return err
	}
	s.signal, s.said = old.signal, time.Time{} // so that the beat says it
	if !b.sessions.CompareAndSwap(id, old, s) {
		return fmt.Errorf("broker: session %v: %w", id, task.ErrGone)
	}
	_, err = b.Beat(ctx, id) // what was cancelled it is told again
	return err
}

func newSession(w task.Worker) (*session, error) {
	if w.LeaseTTL < minLease {
		return nil, fmt.Errorf("%w: broker: a lease of %v, want at least %v", task.ErrInvalid, w.LeaseTTL, minLease)
	}
	for _, q := range w.Queues {
		if err := task.CheckName("queue", q); err != nil {
			return nil, err
		}
	}
	for _, f := range w.Functions {
		if err := task.CheckName("function", f); err != nil {
			return nil, err
		}
	}
	s := &session{worker: w, ttl: w.LeaseTTL.Milliseconds(), said: time.Now(), lives: time.Now()}
	queues, functions := slices.Sorted(slices.Values(w.Queues)), slices.Sorted(slices.Values(w.Functions))
	s.queues = strings.Join(w.Queues, ",")
	s.functions = "," + strings.Join(functions, ",") + ","
	if w.Listeners {
		s.listeners = 1
	}
	if n := len(s.queues) + len(s.functions); n > MaxWorkerNames {
		return nil, fmt.Errorf("%w: broker: the worker's queues and functions have %d bytes of names, want at most %d; start several workers", task.ErrTooLarge, n, MaxWorkerNames)
	}
	sum := sha256.Sum256([]byte(strings.Join(queues, ",") + s.functions + strconv.Itoa(s.listeners)))
	s.group = string(sum[:8])
	return s, nil
}

// hello tells partition p of a session, and of what it can do.
func (b *Broker) hello(ctx context.Context, p int, id task.SessionID, s *session) error {
	info, err := msgpack.Marshal(&s.worker)
	if err != nil {
		return fmt.Errorf("broker: join: %w", err)
	}
	args := []any{id[:], s.ttl, s.group, info, groupFor.Milliseconds()}
	for _, q := range s.worker.Queues {
		for _, f := range s.worker.Functions {
			args = append(args, q, f)
		}
		if s.listeners == 1 {
			args = append(args, q, "*")
		}
	}
	_, err = b.ask(ctx, b.scripts.join, p, args...)
	return err
}

func (b *Broker) session(id task.SessionID) (*session, error) {
	v, _ := b.sessions.Load(id)
	s, ok := v.(*session)
	if !ok {
		return nil, fmt.Errorf("broker: session %v: %w", id, task.ErrGone)
	}
	return s, nil
}

// Beat extends a session's lease, and returns its attempts that were cancelled
// lately; a session that was asked to end is signalled to. It returns [task.ErrGone] if the
// session was lost. Now and then it also
// says again what the session can do.
func (b *Broker) Beat(ctx context.Context, id task.SessionID) (revoked []task.Lease, err error) {
	s, err := b.session(id)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	remind, now := s.due(), time.Now()
	err = b.each(func(p int) error {
		a, err := b.ask(ctx, b.scripts.beat, p, id[:], s.ttl)
		if err == nil {
			err = statusErr("beat", a.status)
		}
		if err == nil && remind {
			err = b.hello(ctx, p, id, s)
		}
		mu.Lock()
		defer mu.Unlock()
		for as := a.str(0); len(as) >= attemptLen; as = as[attemptLen:] {
			if as[:attemptLen] != dismissed {
				revoked = append(revoked, attemptOf(id, as))
			} else if s.signal != nil {
				s.signal(task.Signal{Kind: task.SignalShutdown})
			}
		}
		return err
	})
	if errors.Is(err, task.ErrGone) {
		b.forget(id)
	}
	if err == nil && remind {
		s.reminded()
	}
	if err == nil {
		s.beaten(now)
	}
	return revoked, err
}

// beaten notes that the session's lease was extended at the given time or later.
func (s *session) beaten(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives = at
}

// late returns the lease that an exchange is to begin anew, in ms: 0 while beats do
// that in time, so that a busy worker does not write it with every exchange.
func (s *session) late() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := time.Since(s.lives); 10*since.Milliseconds() < 4*s.ttl {
		return 0
	}
	return s.ttl
}

// due reports whether it is time to say again what the session can do.
func (s *session) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.said) > groupFor/3
}

func (s *session) reminded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = time.Now()
}

// Leave ends a session. What it still owns is taken back by the next tick.
func (b *Broker) Leave(ctx context.Context, id task.SessionID) error {
	s, err := b.session(id)
	if err != nil {
		return nil //nolint:nilerr // it has left
	}
	args := []any{id[:], s.group}
	for _, q := range s.worker.Queues {
		args = append(args, q)
	}
	b.forget(id) // whatever comes of it
	return b.each(func(p int) error {
		_, err := b.ask(ctx, b.scripts.leave, p, args...)
		return err
	})
}

// forget drops a session that is over.
func (b *Broker) forget(id task.SessionID) {
	if _, ok := b.sessions.LoadAndDelete(id); ok {
		b.inbox.forget(string(id[:]))
	}
}

// attemptLen is how long ID and epoch of an attempt are.
const attemptLen = 19

// attemptOf reads ID and epoch of an attempt of session s.
func attemptOf(s task.SessionID, b string) task.Lease {
	r := reader{b: b}
	return task.Lease{ID: task.ID([]byte(r.bytes(16))), Session: s, Epoch: uint32(r.uint(3))}
}

// token is what fences an attempt.
func token(l task.Lease) string {
	return string(l.Session[:]) + epochBytes(l.Epoch)
}

func epochBytes(e uint32) string {
	return string(binary.BigEndian.AppendUint32(nil, e)[1:])
}

// Note stores all that a running attempt says of itself, instead of what it has said
// before; [task.ErrLeaseLost] if it is not the owner of its job any more. A checkpoint
// that was said before stays if n has none.
func (b *Broker) Note(ctx context.Context, l task.Lease, n task.Note) error {
	p, err := b.partition(l.ID)
	if err != nil {
		return err
	}
	info, err := msgpack.Marshal(&remarks{Progress: n.Progress, Text: n.Text, Short: n.Short})
	if err != nil {
		return fmt.Errorf("broker: note: %w", err)
	}
	args := []any{l.ID[:], token(l), info}
	if c := n.Checkpoint; c != nil {
		if err := task.CheckCheckpoint(*c); err != nil {
			return fmt.Errorf("broker: note: %w", err)
		}
		args = append(args, append([]byte{byte(c.Codec)}, c.Bytes...))
	}
	a, err := b.ask(ctx, b.scripts.note, p, args...)
	if err != nil {
		return err
	}
	return statusErr("note", a.status)
}

// Checkpoint returns the last checkpoint among the notes of a job's attempts, false if
// there is none: there was none, or the job has ended for good.
func (b *Broker) Checkpoint(ctx context.Context, id task.ID) (task.Data, bool, error) {
	p, err := b.partition(id)
	if err != nil {
		return task.Data{}, false, err
	}
	var v string
	err = b.retry(ctx, "checkpoint", func() (err error) {
		v, err = b.rdb.HGet(ctx, b.prefixes[p]+"saved", string(id[:])).Result()
		return err
	})
	switch {
	case errors.Is(err, redis.Nil):
		return task.Data{}, false, nil
	case err != nil:
		return task.Data{}, false, err
	case v == "":
		return task.Data{}, false, errDamaged(id, "has a checkpoint that cannot be read")
	}
	return task.Data{Codec: task.Codec(v[0]), Bytes: []byte(v[1:])}, true, nil
}
