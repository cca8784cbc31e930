package redistest

import (
	"fmt"
	"strings"
	"time"
)

// A Command is what a client sent through a [Proxy].
type Command struct {
	Name string   // in upper case: "EVALSHA"
	Args [][]byte // what follows the name, binary-safe
	raw  []byte   // the whole as it came
}

// String returns the command for a message, with long arguments cut short.
func (c Command) String() string {
	var b strings.Builder
	b.WriteString(c.Name)
	for _, arg := range c.Args {
		fmt.Fprintf(&b, " %.40q", arg)
	}
	return b.String()
}

// A Mode is what a [Proxy] does with one command. The zero value is [Pass].
type Mode int64

const (
	// Pass forwards the command and delivers its reply.
	Pass Mode = iota
	// DropRequest closes the client's connection without forwarding: nothing
	// was applied, and the client cannot know.
	DropRequest
	// ApplyDropReply forwards, waits for the server's reply and closes the
	// client's connection without delivering it: the command was applied, and
	// the client cannot know. What it pipelined after it is not forwarded.
	ApplyDropReply
	// ApplyTwice forwards, swallows the reply, forwards the same again and
	// delivers the second reply, as if a client library had retried.
	ApplyTwice
	// ResetBefore is DropRequest with a TCP reset in place of an orderly end.
	ResetBefore
)

// Stall holds a command back for d, which is more than 0, and then passes it
// on, even if its client has given up by then: a request that was under way for
// long. Later commands and replies of the same connection wait behind it.
func Stall(d time.Duration) Mode {
	if d <= 0 {
		panic(fmt.Sprintf("redistest: Stall(%v), want more than 0", d))
	}
	return Mode(-d) // negative, so that it is apart from the constants
}

// stall returns how long a command is held back, 0 if m is not a [Stall].
func (m Mode) stall() time.Duration { return time.Duration(max(0, -m)) }

// String returns the name of the mode, as for a subtest.
func (m Mode) String() string {
	switch m {
	case Pass:
		return "Pass"
	case DropRequest:
		return "DropRequest"
	case ApplyDropReply:
		return "ApplyDropReply"
	case ApplyTwice:
		return "ApplyTwice"
	case ResetBefore:
		return "ResetBefore"
	}
	if d := m.stall(); d > 0 {
		return fmt.Sprintf("Stall(%v)", d)
	}
	return fmt.Sprintf("Mode(%d)", int64(m))
}

// A Fault decides about a command. n is its number, from 1, among all that went
// through the proxy on any connection, the client library's own greetings
// (HELLO, CLIENT) included. It is called on the connection's goroutine, for
// several connections at once, and may block, say to kill the client first.
type Fault func(n int64, cmd Command) Mode

// streams reports whether the replies to cmd's connection stop to be one for
// each command.
func (c Command) streams() bool {
	switch c.Name {
	case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR":
		return true
	}
	return false
}
