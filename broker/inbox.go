package broker

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// inbox receives the hints that scripts publish: results for who waits, bells
// and revocations for sessions. Hints may be lost; nothing here is relied upon.
// There is one subscription for all, on Cluster one for each partition, made
// when first needed.
type inbox struct {
	b       *Broker
	sharded bool

	home atomic.Pointer[string] // see hears

	mu       sync.Mutex
	channels map[string]*channel
	heard    []string       // names that are listened to
	subs     []subscription // by partition if sharded, else one
}

// subscription is one connection on which messages arrive. What is sent on it may
// take as long as making it anew takes: it is done in order by one goroutine,
// without the lock and without anybody waiting for it.
type subscription struct {
	ps   *redis.PubSub // nil before it is first needed
	todo []func(*redis.PubSub)
	busy bool // the goroutine is under way
}

// channel is one thing that is listened to.
type channel struct {
	partition int
	live      bool // its subscription is confirmed
	message   func(partition int, payload string)
	// restored is called when the subscription is confirmed: for the first time, or
	// after messages may have been missed.
	restored func(partition int)
}

// pingEvery is how long a subscription may be silent before it is asked whether
// it is still there; after as long again without a word it is made anew.
const pingEvery = 15 * time.Second

func newInbox(b *Broker, sharded bool) *inbox {
	n := 1
	if sharded {
		n = b.cfg.Partitions
	}
	return &inbox{b: b, sharded: sharded, channels: map[string]*channel{}, subs: make([]subscription, n)}
}

// listen subscribes to name in all partitions. It does not wait.
func (in *inbox) listen(name string, message func(int, string), restored func(int)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.b.life.Err() != nil {
		return
	}
	for p, pre := range in.b.prefixes {
		in.channels[pre+"in:"+name] = &channel{partition: p, message: message, restored: restored}
	}
	in.heard = append(in.heard, name)
	in.settle()
	for i := range in.subs {
		names := in.names(i, name)
		if in.subs[i].ps == nil {
			in.subs[i].ps = in.b.rdb.Subscribe(in.b.life) // to nothing yet: that takes no time
			in.send(i, func(ps *redis.PubSub) { in.begin(i, ps, names) })
		} else {
			in.send(i, func(ps *redis.PubSub) { in.add(ps, names) })
		}
	}
}

// names returns the channels of name on subscription i.
func (in *inbox) names(i int, name string) []string {
	if in.sharded {
		return []string{in.b.prefixes[i] + "in:" + name}
	}
	out := make([]string, len(in.b.prefixes))
	for p, pre := range in.b.prefixes {
		out[p] = pre + "in:" + name
	}
	return out
}

// send has f done with subscription i. in.mu is held.
func (in *inbox) send(i int, f func(*redis.PubSub)) {
	s := &in.subs[i]
	s.todo = append(s.todo, f)
	if !s.busy {
		s.busy = in.b.spawn(func() { in.sendAll(i) })
	}
}

// sendAll does what is to be done with subscription i.
func (in *inbox) sendAll(i int) {
	s := &in.subs[i]
	for {
		in.mu.Lock()
		if len(s.todo) == 0 || in.b.life.Err() != nil {
			s.todo, s.busy = nil, false
			in.mu.Unlock()
			return
		}
		f, ps := s.todo[0], s.ps
		s.todo = s.todo[1:]
		in.mu.Unlock()
		f(ps)
	}
}

// begin subscribes to the first channels, and has them received.
func (in *inbox) begin(i int, ps *redis.PubSub, names []string) {
	in.add(ps, names)
	if !in.b.spawn(func() { in.receive(i, ps) }) {
		_ = ps.Close()
	}
}

// add subscribes to more channels. An error shows when the subscription is read: it
// subscribes to all of them again.
func (in *inbox) add(ps *redis.PubSub, names []string) {
	if in.sharded {
		_ = ps.SSubscribe(in.b.life, names...)
	} else {
		_ = ps.Subscribe(in.b.life, names...)
	}
}

// forget stops listening to name.
func (in *inbox) forget(name string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.heard = slices.DeleteFunc(in.heard, func(n string) bool { return n == name })
	in.settle()
	for i := range in.subs {
		names := in.names(i, name)
		for _, n := range names {
			delete(in.channels, n)
		}
		if in.subs[i].ps != nil {
			in.send(i, func(ps *redis.PubSub) { in.drop(ps, names) })
		}
	}
}

// maxHome is how many names hears returns at most: they go along with each call.
const maxHome = 8

// settle sets what hears returns. in.mu is held.
func (in *inbox) settle() {
	home := strings.Join(in.heard[:min(len(in.heard), maxHome)], "")
	in.home.Store(&home)
}

// hears returns names that are listened to here. Scripts return what is meant for them
// in place of publishing it.
func (in *inbox) hears() string {
	if home := in.home.Load(); home != nil {
		return *home
	}
	return ""
}

// deliver takes the messages that came with the answer of a script on partition p, each
// after its name.
func (in *inbox) deliver(p int, mail []any) {
	for _, m := range mail {
		if s, ok := m.(string); ok && len(s) > 8 {
			in.mu.Lock()
			c := in.channels[in.b.prefixes[p]+"in:"+s[:8]]
			in.mu.Unlock()
			if c != nil {
				c.message(p, s[8:])
			}
		}
	}
}

// drop unsubscribes from channels.
func (in *inbox) drop(ps *redis.PubSub, names []string) {
	if in.sharded {
		_ = ps.SUnsubscribe(in.b.life, names...)
	} else {
		_ = ps.Unsubscribe(in.b.life, names...)
	}
}

// live reports whether name is confirmed to be listened to in partition p.
func (in *inbox) live(p int, name string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	var room [128]byte
	key := append(append(append(room[:0], in.b.prefixes[p]...), "in:"...), name...)
	c := in.channels[string(key)]
	return c != nil && c.live
}

// receive reads subscription i until the broker is closed.
func (in *inbox) receive(i int, ps *redis.PubSub) {
	defer func() { _ = ps.Close() }()
	silent, pause := false, retryMin
	for in.b.life.Err() == nil {
		msg, err := ps.ReceiveTimeout(in.b.life, pingEvery)
		switch timeout := isTimeout(err); {
		case err == nil:
			silent, pause = false, retryMin
			in.dispatch(msg)
		case timeout && !silent:
			silent = true
			_ = ps.Ping(in.b.life)
		case timeout:
			ps = in.renew(i, ps)
			silent = false
		default:
			in.down(i)
			pause = min(2*pause, retryMax)
			sleep(in.b.life, pause)
		}
	}
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// renew replaces a subscription whose connection is dead.
func (in *inbox) renew(i int, old *redis.PubSub) *redis.PubSub {
	in.down(i)
	_ = old.Close()
	ps := in.b.rdb.Subscribe(in.b.life)
	var names []string
	in.mu.Lock()
	in.subs[i].ps = ps
	for n, c := range in.channels {
		if !in.sharded || c.partition == i {
			names = append(names, n)
		}
	}
	in.mu.Unlock()
	slices.Sort(names)
	in.add(ps, names)
	return ps
}

// down notes that messages of subscription i may be missed from now on.
func (in *inbox) down(i int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, c := range in.channels {
		if !in.sharded || c.partition == i {
			c.live = false
		}
	}
}

func (in *inbox) dispatch(msg any) {
	switch m := msg.(type) {
	case *redis.Message:
		in.mu.Lock()
		c := in.channels[m.Channel]
		in.mu.Unlock()
		if c != nil {
			c.message(c.partition, m.Payload)
		}
	case *redis.Subscription:
		if m.Kind != "subscribe" && m.Kind != "ssubscribe" {
			return
		}
		in.mu.Lock()
		c := in.channels[m.Channel]
		if c != nil {
			c.live = true
		}
		in.mu.Unlock()
		if c != nil {
			c.restored(c.partition)
		}
	}
}
