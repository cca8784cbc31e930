package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/examples/internal/show"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// A story is a run and what is done to it.
type story struct {
	options
	*show.Screen
	nodes []task.Node
	run   task.Run
	total task.Ref[int]
	pids  []int             // of the workers, in order
	again map[string]string // nodes that must be run again, and why
}

// tell submits the run, lets it be killed, fail and be resumed, and prints how
// often each node was run.
func tell(ctx context.Context, o options, s *show.Screen) (err error) {
	own, workers, err := show.Queues(ctx, o.redis)
	if err != nil {
		return err
	}
	b, err := broker.Open(ctx, own, broker.Config{Namespace: o.namespace, Logger: s.Logger(slog.LevelWarn)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	dir, err := os.MkdirTemp("", "mlq-resume-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.ledger == "" {
		o.ledger = ledger(filepath.Join(dir, "ledger"))
	}
	if err := o.ledger.clear(); err != nil {
		return err
	}
	o.redis = workers

	q := runtime.NewClient(b).With(ctx)
	g, total := build()
	p, err := g.Plan()
	if err != nil {
		return err
	}
	r, err := g.Submit(q)
	if err != nil {
		return err
	}
	t := &story{o, s, p.Nodes, r, total, nil, make(map[string]string)}
	for _, act := range []func(context.Context) error{t.killed, t.failed, t.resumed} {
		if err := act(q); err != nil {
			return err
		}
	}
	return t.table()
}

// note notes why nodes will be run again, and returns their names: they have begun
// and not succeeded.
func (t *story) note(q context.Context, why string) (names []string, err error) {
	begun, err := t.ledger.read()
	if err != nil {
		return nil, err
	}
	for i, n := range t.nodes {
		rec, err := t.run.Node(q, i)
		if err != nil {
			return nil, err
		}
		if len(begun[n.Name]) > 0 && rec.State != task.Succeeded && t.again[n.Name] == "" {
			t.again[n.Name] = why
			names = append(names, n.Name)
		}
	}
	return names, nil
}

// table prints which workers ran each node, and why it was more than one.
func (t *story) table() error {
	begun, err := t.ledger.read()
	if err != nil {
		return err
	}
	fmt.Fprintf(t.Out, "\n%-8s  %4s  %-9s  %s\n", "node", "runs", "by worker", "repeated, because it")
	once := 0
	for _, n := range t.nodes {
		var by []string
		for _, pid := range begun[n.Name] {
			by = append(by, fmt.Sprint(1+slices.Index(t.pids, pid)))
		}
		line := fmt.Sprintf("%-8s  %4d  %-9s  %s", n.Name, len(by), strings.Join(by, ", "), t.again[n.Name])
		fmt.Fprintln(t.Out, strings.TrimRight(line, " "))
		if len(by) == 1 {
			once++
		}
	}
	fmt.Fprintf(t.Out, "\n%d of %d nodes were run once, and not again\n", once, len(t.nodes))
	return nil
}
