package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A ledger is the path of a file that tells which process has begun which node:
// a line for each, in order.
type ledger string

// clear begins the ledger anew.
func (l ledger) clear() error { return os.WriteFile(string(l), nil, 0o600) }

// add says that this process begins a node.
func (l ledger) add(node string) (err error) {
	f, err := os.OpenFile(string(l), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = fmt.Fprintln(f, node, os.Getpid())
	return err
}

// read returns the processes that have begun each node, in order.
func (l ledger) read() (map[string][]int, error) {
	text, err := os.ReadFile(string(l))
	begun := make(map[string][]int)
	for line := range strings.Lines(string(text)) {
		node, pid, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(pid)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is no entry of a ledger", l, line)
		}
		begun[node] = append(begun[node], n)
	}
	return begun, err
}

// await waits until a node has begun.
func (l ledger) await(ctx context.Context, node string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if begun, err := l.read(); err != nil || len(begun[node]) > 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
