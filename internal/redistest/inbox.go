package redistest

import "sync"

// inbox holds the commands that a client has sent, as many as it likes: a
// client that pipelines reads replies only after its last command is written.
type inbox struct {
	filled chan struct{} // holds a token after put
	ended  chan struct{} // closed after the last put

	mu       sync.Mutex
	commands []Command
}

func newInbox() *inbox {
	return &inbox{filled: make(chan struct{}, 1), ended: make(chan struct{})}
}

func (i *inbox) put(cmd Command) {
	i.mu.Lock()
	i.commands = append(i.commands, cmd)
	i.mu.Unlock()
	select {
	case i.filled <- struct{}{}:
	default:
	}
}

func (i *inbox) take() (cmd Command, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.commands) == 0 {
		return Command{}, false
	}
	cmd, i.commands = i.commands[0], i.commands[1:]
	return cmd, true
}

func (i *inbox) empty() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.commands) == 0
}
