package broker

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/gomlq/mlq/task"
)

// maxVisited bounds how many jobs the search for a cycle looks at. Past it a
// cycle may go unnoticed, and then ends with the timeouts of its jobs.
const maxVisited = 20_000

// Block notes that a running attempt waits for other jobs, and looks whether they
// wait for it: [task.ErrCycle]. A node that has not been released waits for its
// parents, unless some of them are enough, and a run for its nodes. It returns [task.ErrTooDeep] if more than
// [task.MaxWaitDepth] jobs wait inside one another. Several waits of one
// attempt add up until [Broker.Unblock]; after an error only the earlier ones are noted.
func (b *Broker) Block(ctx context.Context, waiter task.Job, on []task.ID) error {
	depth, err := b.waitDepth(ctx, waiter)
	if err != nil {
		return err
	}
	if depth > task.MaxWaitDepth {
		return fmt.Errorf("%w: %d jobs, want at most %d", task.ErrTooDeep, depth, task.MaxWaitDepth)
	}
	edge := binary.BigEndian.AppendUint16(nil, uint16(depth))
	for _, id := range on[:min(len(on), maxVisited)] {
		edge = append(edge, id[:]...)
	}
	// The edge is written before the search: of two that close a cycle together,
	// the later one sees both.
	before, err := b.setEdge(ctx, waiter.Lease, edge, 0)
	if err != nil {
		return err
	}
	if err := b.findCycle(ctx, waiter, on); err != nil {
		if _, undo := b.setEdge(context.WithoutCancel(ctx), waiter.Lease, before, 1); undo != nil {
			b.log.Warn("mlq: a wait that was refused is still noted", "job", waiter.ID, "error", undo)
		}
		return err
	}
	return nil
}

// Unblock notes that the attempt waits no more.
func (b *Broker) Unblock(ctx context.Context, waiter task.Job) error {
	_, err := b.setEdge(ctx, waiter.Lease, nil, 1)
	return err
}

// setEdge notes what an attempt waits for, beside what it waits for already or,
// with all 1, instead of it. It returns what that was.
func (b *Broker) setEdge(ctx context.Context, l task.Lease, edge []byte, all int) (before []byte, err error) {
	p, err := b.partition(l.ID)
	if err != nil {
		return nil, err
	}
	a, err := b.ask(ctx, b.scripts.block, p, l.ID[:], token(l), edge, all)
	if err != nil {
		return nil, err
	}
	return []byte(a.str(0)), statusErr("block", a.status)
}

// waitDepth returns how many jobs wait inside one another when j waits: one more
// than when the job that posted it waits for it.
func (b *Broker) waitDepth(ctx context.Context, j task.Job) (int, error) {
	if j.Parent.IsZero() {
		return 1, nil
	}
	edges, err := b.edges(ctx, []task.ID{j.Parent})
	if err != nil {
		return 0, err
	}
	if slices.Contains(edges[0].on, j.ID) {
		return edges[0].depth + 1, nil
	}
	return 1, nil
}

// findCycle follows what on waits for, level by level, looking for the waiter. What
// keeps nodes waiting is read only for a waiter that itself is a node, or was posted by
// a job: for others it is worth little, and would be read whenever one waits for a run.
func (b *Broker) findCycle(ctx context.Context, waiter task.Job, on []task.ID) error {
	nodes := waiter.ID.Kind() == task.KindNode || !waiter.Parent.IsZero()
	seen, runs := make(map[task.ID]bool), make(map[task.RunID]lineage)
	for level := on; len(level) > 0; {
		var next []task.ID
		for _, t := range level {
			if t == waiter.ID || t.Kind() == task.KindRun && t == waiter.ID.Run() {
				return fmt.Errorf("%w: %v", task.ErrCycle, waiter.ID)
			}
			if !seen[t] && len(seen) < maxVisited && t.Kind() != task.KindRun {
				seen[t] = true
				next = append(next, t)
			}
		}
		edges, err := b.edges(ctx, next)
		if err != nil {
			return err
		}
		level = nil
		for i, e := range edges {
			level = append(level, e.on...)
			if !e.blocked || !nodes {
				continue
			}
			parents, err := b.parents(ctx, runs, next[i])
			if err != nil {
				return err
			}
			level = append(level, parents...)
		}
	}
	return nil
}

// waitEdge is what one job waits for.
type waitEdge struct {
	depth   int
	on      []task.ID
	blocked bool // it is a node that waits for its parents
}

// edges returns what jobs wait for.
func (b *Broker) edges(ctx context.Context, ids []task.ID) ([]waitEdge, error) {
	out := make([]waitEdge, len(ids))
	groups, err := b.byPartition(ids)
	if err != nil {
		return nil, err
	}
	for p, places := range groups {
		for ; len(places) > 0; places = places[min(len(places), maxLook):] {
			some := places[:min(len(places), maxLook)]
			args := make([]any, len(some))
			for k, i := range some {
				args[k] = ids[i][:]
			}
			res, err := b.eval(ctx, b.scripts.edges, p, args...)
			if err != nil {
				return nil, err
			}
			list, _ := res.([]any)
			for k, i := range some[:min(len(some), len(list))] {
				s, _ := list[k].(string)
				out[i] = decodeEdge(s)
			}
		}
	}
	return out, nil
}

func decodeEdge(s string) (e waitEdge) {
	if s == "b" {
		e.blocked = true
		return e
	}
	r := reader{b: s}
	e.depth = int(r.uint(2))
	for len(s)-r.i >= 16 {
		e.on = append(e.on, task.ID([]byte(r.bytes(16))))
	}
	return e
}
