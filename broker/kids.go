package broker

import (
	"context"
	"fmt"

	"github.com/gomlq/mlq/task"
)

// maxEdges bounds how many edges of one run the search for a cycle reads.
const maxEdges = 10 * maxVisited

// lineage is the parents of the nodes of a run, by number.
type lineage map[int][]int

// lineage reads the edges of a run; none if there are too many.
func (b *Broker) lineage(ctx context.Context, run task.RunID) (lineage, error) {
	p, err := b.partition(run)
	if err != nil {
		return nil, err
	}
	parents, edges := lineage{}, 0
	for c, n := (kidsAt{}), 1; c.node < n; {
		first := c.node
		list, nodes, err := b.kids(ctx, p, run, &c, maxLook)
		if err != nil {
			return nil, err
		}
		if n = nodes; n > maxVisited || edges > maxEdges || len(list) == 0 {
			return nil, nil
		}
		for i, kids := range list {
			for r := (reader{b: kids}); len(kids)-r.i >= kidLen; edges++ {
				child := int(r.uint(3))
				r.bytes(kidLen - 3)
				parents[child] = append(parents[child], first+i)
			}
		}
	}
	return parents, nil
}

// kidsAt is a place among the edges of a run: a node, and a chunk of its children.
type kidsAt struct{ node, chunk int }

// kids reads the children of at most limit nodes from c on, which it moves to where to
// go on, and returns how many nodes were submitted.
func (b *Broker) kids(ctx context.Context, p int, run task.RunID, c *kidsAt, limit int) (list []string, nodes int, err error) {
	res, err := b.eval(ctx, b.scripts.kids, p, run[:], c.node, c.chunk, limit)
	if err != nil {
		return nil, 0, err
	}
	var a answer
	if a.rest, _ = res.([]any); len(a.rest) < 3 {
		return nil, 0, fmt.Errorf("broker: kids: %w: unexpected reply %T", task.ErrDamaged, res)
	}
	if next := (kidsAt{a.num(1), a.num(2)}); next != *c {
		*c = next
	} else if len(a.rest) > 3 {
		return nil, 0, fmt.Errorf("broker: kids: %w: no way past node %d of run %v", task.ErrDamaged, c.node, run)
	}
	for i := 3; i < len(a.rest); i++ {
		list = append(list, a.str(i))
	}
	return list, a.num(0), nil
}

// parents returns the parents of a node. known are the runs that were read before.
func (b *Broker) parents(ctx context.Context, known map[task.RunID]lineage, node task.ID) ([]task.ID, error) {
	run := node.Run()
	l, ok := known[run]
	if !ok {
		var err error
		if l, err = b.lineage(ctx, run); err != nil {
			return nil, err
		}
		known[run] = l
	}
	var ids []task.ID
	for _, parent := range l[node.Number()] {
		ids = append(ids, run.Node(parent))
	}
	return ids, nil
}
