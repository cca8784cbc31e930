package redistest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// halfCloser is a connection that can end its sending side alone.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// link is one client's connection to the server. Two goroutines read, one from
// each side; a third, in run, decides, forwards and delivers, so that nothing
// overtakes anything.
type link struct {
	ctx    context.Context // ends with the link
	cancel context.CancelFunc
	decide func(Command) Mode
	client *net.TCPConn
	server halfCloser
	inbox  *inbox
	frames chan frame // from the server, closed at its end
	stream bool       // replies are not matched with commands any more
	muted  bool       // nothing more is delivered
}

func newLink(ctx context.Context, decide func(Command) Mode, client *net.TCPConn, server halfCloser) *link {
	ctx, cancel := context.WithCancel(ctx)
	return &link{
		ctx: ctx, cancel: cancel, decide: decide, client: client, server: server,
		inbox: newInbox(), frames: make(chan frame, 16),
	}
}

// run carries commands and replies until one side or the context ends.
func (l *link) run() {
	var readers sync.WaitGroup
	readers.Go(l.readClient)
	readers.Go(l.readServer)
	unblock := context.AfterFunc(l.ctx, l.close) // reads and writes in progress
	for {
		cmd, ok := l.next()
		if !ok || !l.handle(cmd) {
			break
		}
	}
	unblock()
	l.close()
	readers.Wait()
}

// close ends both connections in the ordinary way.
func (l *link) close() {
	l.cancel()
	_ = l.client.Close()
	_ = l.server.Close()
}

// reset ends the link with a TCP reset towards the client.
func (l *link) reset() {
	_ = l.client.SetLinger(0)
	l.close()
}

func (l *link) readClient() {
	defer close(l.inbox.ended)
	for r := newFrameReader(l.client); ; {
		cmd, err := r.command()
		if err != nil {
			return
		}
		l.inbox.put(cmd)
	}
}

func (l *link) readServer() {
	defer close(l.frames)
	for r := newFrameReader(l.server); ; {
		f, err := r.reply()
		if err != nil {
			return
		}
		select {
		case l.frames <- f:
		case <-l.ctx.Done():
			return
		}
	}
}

// next waits for a command and delivers what the server sends meanwhile.
func (l *link) next() (Command, bool) {
	for {
		if cmd, ok := l.inbox.take(); ok {
			return cmd, true
		}
		select {
		case <-l.inbox.filled:
		case f, ok := <-l.frames:
			if !ok {
				return Command{}, false
			}
			l.deliver(f)
		case <-l.inbox.ended:
			if cmd, ok := l.inbox.take(); ok {
				return cmd, true
			}
			l.finish()
			return Command{}, false
		case <-l.ctx.Done():
			return Command{}, false
		}
	}
}

// handle does with cmd what the fault says and reports whether the link goes on.
func (l *link) handle(cmd Command) bool {
	mode := l.decide(cmd)
	if d := mode.stall(); d > 0 {
		if !l.wait(d) {
			return false
		}
		mode = Pass
	}
	l.stream = l.stream || cmd.streams()
	switch mode {
	case Pass:
		return l.pass(cmd)
	case ApplyTwice:
		_, ok := l.exchange(cmd)
		return ok && l.pass(cmd)
	case ApplyDropReply:
		l.muted = l.stream
		if _, ok := l.exchange(cmd); ok && l.stream {
			l.finish() // there is no reply to wait for: let the server end
		}
		return false
	case DropRequest:
		return false
	case ResetBefore:
		l.reset()
		return false
	default:
		panic(fmt.Sprintf("redistest: the fault returned %v for %v", mode, cmd))
	}
}

// pass forwards cmd and delivers its reply.
func (l *link) pass(cmd Command) bool {
	f, ok := l.exchange(cmd)
	if ok {
		l.deliver(f)
	}
	return ok
}

// exchange forwards cmd and waits for its reply, which is empty on a stream.
func (l *link) exchange(cmd Command) (frame, bool) {
	if _, err := l.server.Write(cmd.raw); err != nil {
		return frame{}, false
	}
	if l.stream {
		return frame{}, true
	}
	for ended := l.inbox.ended; ; {
		select {
		case f, ok := <-l.frames:
			if !ok || !f.push {
				return f, ok
			}
			l.deliver(f)
		case <-ended:
			ended = nil
			if l.inbox.empty() {
				_ = l.server.CloseWrite() // ends cmd if it is blocked
			}
		case <-l.ctx.Done():
			return frame{}, false
		}
	}
}

// deliver sends f to the client. An error is left to readClient to see.
func (l *link) deliver(f frame) {
	if !l.muted {
		_, _ = l.client.Write(f.raw)
	}
}

// finish tells the server that no more commands come, and waits until it has
// done the earlier ones and ended.
func (l *link) finish() {
	_ = l.server.CloseWrite()
	for {
		select {
		case _, ok := <-l.frames:
			if !ok {
				return
			}
		case <-l.ctx.Done():
			return
		}
	}
}

// wait waits for d and reports whether the link still stands then.
func (l *link) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}
