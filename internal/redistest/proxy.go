package redistest

import (
	"context"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A Proxy stands between clients and a redis-server and does to each command
// what its [Fault] says. Without a fault it passes everything on.
//
// It takes one command of a connection at a time, also from a pipeline or
// within MULTI, and matches it with one reply; RESP3's pushes may come between.
// A connection that subscribes or monitors becomes a stream: all that the
// server sends is delivered, and commands are still counted and put to the
// fault. As replies cannot be told from messages there, [ApplyDropReply]
// delivers nothing more at all and [ApplyTwice] delivers both replies. CLIENT
// REPLY OFF and replication are not supported.
//
// A client that ends while its last command is blocked ends that command at the
// server too, as without a proxy.
//
// Its methods are safe for concurrent use.
type Proxy struct {
	target   string
	listener *net.TCPListener
	ctx      context.Context // ends with the proxy
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	fault    atomic.Pointer[Fault]

	mu    sync.Mutex
	count int64
	names map[string]int
	links map[*link]struct{}
}

// StartProxy starts a proxy on a loopback port in front of the server at target,
// which is host:port or the path of a Unix socket, as [Server.Addr] returns it.
// It ends with tb.
//
// The server is dialled anew for each connection; while it is down, clients are
// accepted and cut off at once.
func StartProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatalf("redistest: listen for the proxy: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{
		target: target, listener: l, ctx: ctx, cancel: cancel,
		names: make(map[string]int), links: make(map[*link]struct{}),
	}
	p.wg.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// URL returns the proxy's address as redis://127.0.0.1:PORT/0.
func (p *Proxy) URL() string { return "redis://" + p.Addr() + "/0" }

// Addr returns 127.0.0.1:PORT.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// SetFault makes f decide about all commands taken up from now on; nil lets all
// pass.
func (p *Proxy) SetFault(f Fault) { p.fault.Store(&f) }

// Count returns how many commands were put to the fault so far, which is the
// number of the last one.
func (p *Proxy) Count() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// Names returns how many commands of each name, in upper case, are in
// [Proxy.Count].
func (p *Proxy) Names() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.names)
}

// KillConns resets all connections, whatever they are doing. Commands that were
// already forwarded may or may not be applied; stalled ones are not.
func (p *Proxy) KillConns() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

// decide counts cmd and asks the fault about it.
func (p *Proxy) decide(cmd Command) Mode {
	p.mu.Lock()
	p.count++
	n := p.count
	p.names[cmd.Name]++
	p.mu.Unlock()
	if f := p.fault.Load(); f != nil && *f != nil {
		return (*f)(n, cmd)
	}
	return Pass
}

// accept serves connections until the listener is closed.
func (p *Proxy) accept() {
	for {
		client, err := p.listener.AcceptTCP()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

// serve connects client to the server until either ends.
func (p *Proxy) serve(client *net.TCPConn) {
	var d net.Dialer
	conn, err := d.DialContext(p.ctx, network(p.target), p.target)
	server, ok := conn.(halfCloser) // as TCP and Unix connections are
	if err != nil || !ok {
		_ = client.Close() // the client sees that the server is down
		return
	}
	l := newLink(p.ctx, p.decide, client, server)
	p.mu.Lock()
	p.links[l] = struct{}{}
	p.mu.Unlock()
	l.run()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// close ends all connections and waits for their goroutines.
func (p *Proxy) close() {
	p.cancel()
	_ = p.listener.Close()
	p.wg.Wait()
}
