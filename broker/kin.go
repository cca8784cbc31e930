package broker

import (
	"context"
	"fmt"

	"github.com/gomlq/mlq/task"
)

// maxKin bounds how many edges of one run the search for a cycle reads.
const maxKin = 10 * maxVisited

// kin are the parents of the nodes of a run, by number.
type kin map[int][]int

// kin reads the edges of a run; none if there are too many.
func (b *Broker) kin(ctx context.Context, run task.RunID) (kin, error) {
	p, err := b.partition(run)
	if err != nil {
		return nil, err
	}
	parents, edges := kin{}, 0
	for first, n := 0, 1; first < n; {
		res, err := b.eval(ctx, b.scripts.kids, p, run[:], first, maxLook)
		if err != nil {
			return nil, err
		}
		list, _ := res.([]any)
		if len(list) == 0 {
			return nil, fmt.Errorf("broker: kids: %w: unexpected reply %T", task.ErrDamaged, res)
		}
		nodes, _ := list[0].(int64)
		if n = int(nodes); n > maxVisited || edges > maxKin || len(list) == 1 {
			return nil, nil
		}
		for _, v := range list[1:] {
			kids, _ := v.(string)
			for r := (reader{b: kids}); len(kids)-r.i >= kidLen; edges++ {
				child := int(r.uint(3))
				r.bytes(kidLen - 3)
				parents[child] = append(parents[child], first)
			}
			first++
		}
	}
	return parents, nil
}

// parents returns the parents of a node. known are the runs that were read before.
func (b *Broker) parents(ctx context.Context, known map[task.RunID]kin, node task.ID) ([]task.ID, error) {
	run := node.Run()
	k, ok := known[run]
	if !ok {
		var err error
		if k, err = b.kin(ctx, run); err != nil {
			return nil, err
		}
		known[run] = k
	}
	var ids []task.ID
	for _, parent := range k[node.Number()] {
		ids = append(ids, run.Node(parent))
	}
	return ids, nil
}
