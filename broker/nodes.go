package broker

import (
	"context"
	"fmt"

	"github.com/gomlq/mlq/task"
)

// MaxRunNodes is how many nodes [Broker.RunNodes] returns at most at once.
const MaxRunNodes = 100_000

// maxNodes bounds one call of nodes.lua.
const maxNodes = 200

// RunNodes returns how nodes of a run stand, in order from number from on, at most limit
// (1 to [MaxRunNodes]) of them; none if from is past the last one.
//
// The children of maps are not among the nodes of the plan: ask for them by their numbers, from
// Map.First to Map.First+Map.Width-1 of the map's node. An answer ends with the last
// node of the plan, or with the last child of the map that from is a child of. A child that
// has not begun is Blocked, or Skipped or Cancelled if it never will, as its map has ended.
// A node whose dead letter was deleted is Failed, and has no name.
//
// A large run is read in steps, each of which tells of one moment. Parents are found by
// way of the edges of all nodes before: read few large pages rather than many small ones.
// The error is [task.ErrUnknown] or [task.ErrExpired] if the run is not known.
func (b *Broker) RunNodes(ctx context.Context, id task.RunID, from, limit int) ([]task.RunNode, error) {
	if from < 0 || from > task.MaxNodeNumber || limit < 1 || limit > MaxRunNodes {
		return nil, fmt.Errorf("%w: %d nodes from number %d on, want 1 to %d from 0 to %d", task.ErrInvalid, limit, from, MaxRunNodes, task.MaxNodeNumber)
	}
	p, err := b.partition(id)
	if err != nil {
		return nil, err
	}
	var out []task.RunNode
	plan := 0
	for more := true; more && len(out) < limit; {
		var page []task.RunNode
		if plan, page, err = b.someNodes(ctx, p, id, from+len(out), min(limit-len(out), maxNodes)); err != nil {
			return nil, err
		}
		out, more = append(out, page...), len(page) > 0 && (from >= plan || from+len(out)+len(page) < plan)
	}
	if from >= plan || len(out) == 0 {
		return out, nil
	}
	return out, b.setParents(ctx, p, id, out)
}

// someNodes reads one page: how many nodes the plan has, and the nodes.
func (b *Broker) someNodes(ctx context.Context, p int, id task.RunID, from, limit int) (plan int, page []task.RunNode, err error) {
	res, err := b.eval(ctx, b.scripts.nodes, p, id[:], from, limit)
	if err != nil {
		return 0, nil, err
	}
	a := answer{}
	if a.rest, _ = res.([]any); len(a.rest)%3 != 1 {
		return 0, nil, fmt.Errorf("broker: nodes: %w: an answer of %d parts", task.ErrDamaged, len(a.rest))
	}
	if plan = a.num(0); plan == 0 {
		return 0, nil, b.missing(id)
	}
	var of *task.RunNode // the map, if some of its children have not begun
	for i := 1; i < len(a.rest); i += 3 {
		number := from + len(page)
		how := a.str(i)
		if how == "" || how[0] != '-' {
			n, err := runNode(id.Node(number), how, a.str(i+1), a.str(i+2))
			if err != nil {
				return 0, nil, err
			}
			page = append(page, n)
			continue
		}
		if of == nil {
			of, err = b.mapNode(ctx, p, id, how)
			if err != nil {
				return 0, nil, err
			}
		}
		page = append(page, task.RunNode{Number: number, Name: of.Name, Task: of.Task, State: unbegun(how[1])})
	}
	return plan, page, nil
}

// mapNode reads the map that a child which has not begun is of.
func (b *Broker) mapNode(ctx context.Context, p int, id task.RunID, child string) (*task.RunNode, error) {
	if len(child) != 5 {
		return nil, errDamaged(id, "has a map that cannot be read")
	}
	_, page, err := b.someNodes(ctx, p, id, place(child[2:]), 1)
	if err == nil && len(page) != 1 {
		err = errDamaged(id, "has children of a map that is not there")
	}
	if err != nil {
		return nil, err
	}
	return &page[0], nil
}

// unbegun returns the state of a child that has not begun. ended is what its map has ended
// in, - while it has not.
func unbegun(ended byte) task.State {
	switch ended {
	case '-':
		return task.Blocked
	case 'C':
		return task.Cancelled
	default:
		return task.Skipped
	}
}

// nodeStates maps the letters of nodes.lua.
var nodeStates = map[byte]task.State{
	'S': task.Succeeded, 'F': task.Failed, 'C': task.Cancelled, 'K': task.Skipped,
	'a': task.Running, 'b': task.Blocked, 's': task.Scheduled, 'r': task.Ready,
}

// runNode makes a node of one answer of nodes.lua.
func runNode(id task.ID, how, over, note string) (task.RunNode, error) {
	n := task.RunNode{Number: id.Number()}
	if how == "?" {
		n.State = task.Failed
		return n, nil
	}
	r := reader{b: how}
	n.State = nodeStates[r.u8()]
	n.Finished, n.Started = letterTime(r.uint(6)), letterTime(r.uint(6))
	if r.bad || n.State == 0 {
		return n, errDamaged(id, "stands in a way that cannot be read")
	}
	j, _, err := decodeFront(id, how[r.i:])
	if err != nil {
		return n, err
	}
	n.Name, n.Attempts = j.Name, j.Attempt-1
	if len(j.Functions) > 0 {
		n.Task = j.Functions[0]
	}
	if !n.Started.IsZero() {
		n.Attempts++
	}
	switch epoch, said, err := decodeNote(note); {
	case err != nil:
		return n, errDamaged(id, "has a note that cannot be read")
	case n.State == task.Succeeded:
		n.Progress = 100
	case said.Progress != nil && epoch == j.Lease.Epoch:
		n.Progress = *said.Progress
	}
	if j.Map != nil && j.Map.Node == n.Number {
		n.Map = &task.RunMap{}
	}
	if s, ok := readMap(over); ok && n.Map != nil {
		*n.Map = task.RunMap{First: s.base, Width: s.width, Ended: s.done, Succeeded: s.good}
		if s.ended != '-' {
			n.Map.Ended += s.width - s.born
		}
	}
	return n, nil
}

// setParents finds the parents of nodes that follow each other.
func (b *Broker) setParents(ctx context.Context, p int, id task.RunID, nodes []task.RunNode) error {
	first, last := nodes[0].Number, nodes[len(nodes)-1].Number
	for c := (kidsAt{}); c.node < last; {
		from := c.node
		kids, _, err := b.kids(ctx, p, id, &c, min(last-from, maxLook))
		if err != nil {
			return err
		}
		if len(kids) == 0 {
			break
		}
		for i := range kids {
			for r := (reader{b: kids[i]}); len(kids[i])-r.i >= kidLen; {
				child := int(r.uint(3))
				r.u8()
				if accept := task.Accept(r.u8()); child >= first && child <= last {
					n := &nodes[child-first]
					n.Parents = append(n.Parents, task.Edge{From: from + i, Accept: accept})
				}
			}
		}
	}
	return nil
}
