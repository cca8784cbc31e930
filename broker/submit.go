package broker

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gomlq/mlq/task"
)

// kidsPerChunk is how many children one field of a run's hash names; see
// lua/lib/run.lua.
const kidsPerChunk = 256

// maxPendNames bounds how many different lists the nodes of one run may wait in:
// a child's list is named by one byte.
const maxPendNames = 256

// Submit implements [task.Port]: it stores a plan whole or not at all. A plan has
// at most [MaxPlanNodes] nodes, and [MaxPlanBytes] of payloads unless it is one.
func (b *Broker) Submit(ctx context.Context, plan task.Plan) (task.RunID, error) {
	if err := plan.Validate(); err != nil {
		return task.RunID{}, err
	}
	if len(plan.Nodes) > MaxPlanNodes {
		return task.RunID{}, fmt.Errorf("%w: plan %q has %d nodes, want at most %d", task.ErrTooLarge, plan.Name, len(plan.Nodes), MaxPlanNodes)
	}
	for range 3 { // two runs that drew the same bits in the same millisecond
		id, err := b.submitOnce(ctx, plan)
		if !errors.Is(err, task.ErrConflict) {
			return id, err
		}
	}
	return task.RunID{}, fmt.Errorf("broker: submit %q: %w", plan.Name, task.ErrConflict)
}

func (b *Broker) submitOnce(ctx context.Context, plan task.Plan) (task.RunID, error) {
	p := int(b.next.Add(1)) % len(b.prefixes)
	name, ms := randomName(), b.now().UnixMilli()
	if !plan.ID.IsZero() { // the same plan, the same run
		sum := sha256.Sum256(plan.ID[:14])
		p, name, ms = spread(plan.ID[:14], len(b.prefixes)), string(sum[:8]), plan.ID.Time().UnixMilli()
	}
	id := task.NewID(ms, task.KindRun, longest(plan), binary.BigEndian.Uint32([]byte(name)), 0, uint16(p))
	args, err := b.submitArgs(id, name, plan)
	if err != nil {
		return task.RunID{}, err
	}
	a, err := b.ask(ctx, b.scripts.submit, p, args...)
	if err == nil {
		err = statusErr("submit", a.status)
	}
	if err != nil {
		return task.RunID{}, err
	}
	return id, nil
}

// longest returns the retention class of a run: its records lie together, and are
// kept for as long as the one that is kept longest.
func longest(plan task.Plan) task.Class {
	class := task.ClassFor(plan.Nodes[0].Spec.Retention)
	for i := range plan.Nodes {
		if c := task.ClassFor(plan.Nodes[i].Spec.Retention); c == 0 || class != 0 && c > class {
			class = c
		}
	}
	return class
}

// submitArgs lays out the arguments of submit.lua.
func (b *Broker) submitArgs(id task.RunID, nonce string, plan task.Plan) ([]any, error) {
	fields := []any{"name", plan.Name, "n", len(plan.Nodes)}
	var nodes []any
	kids := make([][]byte, len(plan.Nodes))
	names := map[string]byte{}
	bytes := 0
	for i := range plan.Nodes {
		n := &plan.Nodes[i]
		c := n.Call
		c.ID = id.Node(i)
		it, err := b.prepare(&c, id.Partition())
		if err != nil {
			return nil, fmt.Errorf("plan %q, node %d: %w", plan.Name, i, err)
		}
		if bytes += len(it.value); bytes > MaxPlanBytes && i > 0 {
			return nil, fmt.Errorf("%w: plan %q has more than %d bytes of payloads; store them elsewhere and send their names", task.ErrTooLarge, plan.Name, MaxPlanBytes)
		}
		name, ok := names[it.pend]
		if !ok {
			if len(names) == maxPendNames {
				return nil, fmt.Errorf("%w: plan %q uses more than %d different pairs of queue and task", task.ErrTooLarge, plan.Name, maxPendNames)
			}
			name = byte(len(names))
			names[it.pend] = name
			fields = append(fields, "q"+string([]byte{name}), it.pend)
		}
		waits := 0
		if len(n.Parents) > 0 {
			waits = 1
			fields = append(fields, "p"+number(i), len(n.Parents))
		}
		for _, e := range n.Parents {
			kids[e.From] = append(append(kids[e.From], number(i)...), name)
		}
		nodes = append(nodes, c.ID[:], it.value, it.pend, waits)
	}
	for parent, k := range kids {
		for chunk := 0; len(k) > 0; chunk++ {
			n := min(len(k), 4*kidsPerChunk)
			fields = append(fields, "k"+number(parent)+number(chunk), k[:n])
			k = k[n:]
		}
	}
	args := append([]any{id[:], nonce, len(fields) / 2}, fields...)
	args = append(args, len(plan.Nodes))
	return append(args, nodes...), nil
}

// number returns n as three bytes.
func number(n int) string { return string([]byte{byte(n >> 16), byte(n >> 8), byte(n)}) }
