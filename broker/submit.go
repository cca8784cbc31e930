package broker

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/gomlq/mlq/task"
)

// How the children of a node are stored; see lua/lib/follow.lua.
const (
	kidsPerChunk = 256
	kidLen       = 5
)

// maxPendNames bounds how many different lists the nodes of one run may wait in:
// a child's list is named by one byte.
const maxPendNames = 256

// Bounds of one part of a submission: some 3 ms of Redis' time.
const (
	maxPart      = 500     // nodes
	maxPartBytes = 1 << 20 // of stored jobs and of what the run knows of them, unless one is larger
)

// Submit implements [task.Port]: it stores a plan whole or not at all. A plan has
// at most [MaxPlanNodes] nodes, and Config.MaxPlanBytes of inputs unless it is one. A
// large one goes in parts, of which nothing is seen until the last has come; parts
// that nobody completes are removed an hour later.
func (b *Broker) Submit(ctx context.Context, plan task.Plan) (task.RunID, error) {
	if len(plan.Nodes) > MaxPlanNodes {
		return task.RunID{}, fmt.Errorf("%w: plan %q has %d nodes, want at most %d", task.ErrTooLarge, plan.Name, len(plan.Nodes), MaxPlanNodes)
	}
	if err := plan.Validate(); err != nil {
		return task.RunID{}, err
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
	parts, err := b.parts(id, name, &plan)
	if err != nil {
		return task.RunID{}, err
	}
	for _, args := range parts {
		a, err := b.ask(ctx, b.scripts.submit, p, args...)
		if err == nil {
			err = statusErr("submit", a.status)
		}
		if errors.Is(err, task.ErrGone) {
			err = fmt.Errorf("broker: submit %q: %w: it took so long that its first parts were removed; submit it again", plan.Name, task.ErrUnavailable)
		}
		if err != nil {
			return task.RunID{}, err
		}
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

// layout is a plan on its way into the arguments of submit.lua.
type layout struct {
	id      task.RunID
	nonce   string
	ms      int64           // how long it may take
	names   map[string]byte // of lists
	payload int             // bytes of stored jobs so far
	parts   [][]any

	fields, nodes []any // of the part that is being filled
	size          int   // bytes of it
}

// parts lays out the arguments of the calls of submit.lua.
func (b *Broker) parts(id task.RunID, nonce string, plan *task.Plan) ([][]any, error) {
	l := &layout{id: id, nonce: nonce, names: map[string]byte{}}
	l.field("name", plan.Name)
	l.field("n", len(plan.Nodes))
	if plan.KeepGoing {
		l.field("keep", 1)
	}
	if plan.Events {
		l.field("e", 0)
	}
	if l.ms = plan.Deadline.Milliseconds(); plan.Deadline > 0 {
		l.ms = max(l.ms, 1)
		tail, err := deadlineTail(plan.Deadline)
		if err != nil {
			return nil, err
		}
		l.field("d", tail)
	}
	kids, taken := make([][]byte, len(plan.Nodes)), make([]bool, len(plan.Nodes))
	for i := range plan.Nodes {
		if err := b.layNode(l, plan, i, kids, taken); err != nil {
			return nil, fmt.Errorf("plan %q, node %d: %w", plan.Name, i, err)
		}
	}
	if err := b.layExits(l, plan); err != nil {
		return nil, fmt.Errorf("plan %q, exit jobs: %w", plan.Name, err)
	}
	for parent, k := range kids {
		if len(k) > 0 && taken[parent] {
			l.field("t"+number(parent), "")
		}
		for chunk := 0; len(k) > 0; chunk++ {
			n := min(len(k), kidLen*kidsPerChunk)
			l.field("k"+number(parent)+number(chunk), k[:n])
			k = k[n:]
			l.cut(false)
		}
	}
	l.cut(true)
	return l.parts, nil
}

// layNode adds node i, and it to the children of its parents. taken is whether all
// children of a node take its failure.
func (b *Broker) layNode(l *layout, plan *task.Plan, i int, kids [][]byte, taken []bool) error {
	n := &plan.Nodes[i]
	c := n.Call
	c.ID = l.id.Node(i)
	own := planned{name: n.Name}
	if n.Map != nil {
		over := *n.Map
		over.Node = i
		own.over = &over
	}
	it, err := b.prepareIn(new([]byte), &c, &own, l.id.Partition())
	if err != nil {
		return err
	}
	if err := b.weigh(l, len(it.value)); err != nil {
		return err
	}
	name, err := l.list(it.pend)
	if err != nil {
		return err
	}
	hard, soft := 0, 0
	for _, e := range n.Parents {
		if e.Accept.Soft() {
			soft = 1 // they are one together
		} else {
			hard++
		}
		if len(kids[e.From]) == 0 {
			taken[e.From] = true
		}
		taken[e.From] = taken[e.From] && e.Accept == task.AcceptAny
		kids[e.From] = append(append(kids[e.From], number(i)...), name, byte(e.Accept))
	}
	waits := 0
	if hard+soft > 0 {
		waits = 1
		l.field("p"+number(i), hard+soft)
	}
	if soft > 0 {
		l.field("o"+number(i), number(len(n.Parents)-hard)+number(n.AtLeast))
		if n.AtLeast > 0 {
			l.field("a"+number(i), n.AtLeast)
		}
	}
	l.nodes = append(l.nodes, c.ID[:], it.value, it.pend, waits, []byte{name})
	l.size += len(it.value) + 32
	l.cut(false)
	return nil
}

// weigh counts the bytes of one more stored job. The first may have as many as it likes.
func (b *Broker) weigh(l *layout, n int) error {
	first := l.payload == 0
	if l.payload += n; l.payload > b.cfg.MaxPlanBytes && !first {
		return fmt.Errorf("%w: the inputs of the plan have more than MaxPlanBytes, %d; store them elsewhere and send their names", task.ErrTooLarge, b.cfg.MaxPlanBytes)
	}
	return nil
}

// list returns the byte that names a list.
func (l *layout) list(pend string) (byte, error) {
	if name, ok := l.names[pend]; ok {
		return name, nil
	}
	if len(l.names) == maxPendNames {
		return 0, fmt.Errorf("%w: the plan uses more than %d different pairs of queue and task", task.ErrTooLarge, maxPendNames)
	}
	name := byte(len(l.names))
	l.names[pend] = name
	l.field("q"+string([]byte{name}), pend)
	return name, nil
}

func (l *layout) field(name string, value any) {
	l.fields = append(l.fields, name, value)
	l.size += len(name)
	if b, ok := value.([]byte); ok {
		l.size += len(b)
	}
}

// cut ends the part that is being filled, if it is full or the last.
func (l *layout) cut(last bool) {
	const perNode, argsPerNode = 4, 5 // a part may have so many fields for each node
	if !last && l.size < maxPartBytes && len(l.nodes) < argsPerNode*maxPart && len(l.fields) < 2*perNode*maxPart {
		return
	}
	end := 0
	if last {
		end = 1
	}
	args := make([]any, 0, 8+len(l.fields)+len(l.nodes))
	args = append(args, l.id[:], l.nonce, len(l.parts), end, l.ms, len(l.names), len(l.fields)/2)
	args = append(append(args, l.fields...), len(l.nodes)/5)
	l.parts = append(l.parts, append(args, l.nodes...))
	l.fields, l.nodes, l.size = nil, nil, 0
}

// deadlineTail is the failure of a run that took too long, as the tail of an attempt.
func deadlineTail(d time.Duration) ([]byte, error) {
	info, err := msgpack.Marshal(&remarks{Failure: task.Failure{
		Kind: task.FailureTimeout, Message: fmt.Sprintf("the run has taken longer than its deadline of %v", d),
	}})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", task.ErrInvalid, err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{hasRemarks}, uint32(len(info))), info...), nil
}

// number returns n as three bytes.
func number(n int) string { return string([]byte{byte(n >> 16), byte(n >> 8), byte(n)}) }
