package broker

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
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

	mu       sync.Mutex
	channels map[string]*channel
	subs     []*redis.PubSub // by partition if sharded, else one
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
	return &inbox{b: b, sharded: sharded, channels: map[string]*channel{}, subs: make([]*redis.PubSub, n)}
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
	for i := range in.subs {
		in.subscribe(i, in.names(i, name))
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

// subscribe adds channels to subscription i, and makes it if there is none: in a
// goroutine, since that may take as long as a connection. An error shows when the
// subscription is read: it subscribes to all of them again.
func (in *inbox) subscribe(i int, names []string) {
	if ps := in.subs[i]; ps != nil {
		in.add(ps, names)
		return
	}
	ps := in.b.rdb.Subscribe(in.b.life)
	if in.b.spawn(func() { in.add(ps, names); in.receive(i) }) {
		in.subs[i] = ps
	} else {
		_ = ps.Close()
	}
}

// add subscribes to more channels.
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
	for i, ps := range in.subs {
		names := in.names(i, name)
		for _, n := range names {
			delete(in.channels, n)
		}
		if ps != nil && in.sharded {
			_ = ps.SUnsubscribe(in.b.life, names...)
		} else if ps != nil {
			_ = ps.Unsubscribe(in.b.life, names...)
		}
	}
}

// live reports whether name is confirmed to be listened to in partition p.
func (in *inbox) live(p int, name string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	c := in.channels[in.b.prefixes[p]+"in:"+name]
	return c != nil && c.live
}

// receive reads subscription i until the broker is closed.
func (in *inbox) receive(i int) {
	in.mu.Lock()
	ps := in.subs[i]
	in.mu.Unlock()
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
	in.mu.Lock()
	defer in.mu.Unlock()
	var names []string
	for n, c := range in.channels {
		if !in.sharded || c.partition == i {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	if in.sharded {
		in.subs[i] = in.b.rdb.SSubscribe(in.b.life, names...)
	} else {
		in.subs[i] = in.b.rdb.Subscribe(in.b.life, names...)
	}
	return in.subs[i]
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
