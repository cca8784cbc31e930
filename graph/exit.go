package graph

import "github.com/gomlq/mlq/task"

// OnExit lets t run with the input in when the run has ended, however it ends: to tell
// somebody, or to clean up. It is a job of its own, with its own attempts, and no node:
// the run does not wait for it, and does not fail with it. A run that is resumed ends
// once more, and t runs once more.
//
// [task.RunOf] tells t which run it was. Refs in the input must be able to take any end
// of their nodes, so they are those of [task.ResultOf]; no node can wait for t. A graph has
// at most [task.MaxExits] of them.
func OnExit[In, Out any](g *Graph, t task.Typed[In, Out], in In) {
	b := g.builder()
	needs, err := task.Needs(in)
	if err != nil {
		var zero In
		in = zero
	}
	c := t.Call(in)
	i := exitNode(len(b.plan.OnExit))
	b.plan.OnExit = append(b.plan.OnExit, c)
	if err == nil {
		err = c.Err()
	}
	if err != nil {
		b.fault(i, "", err)
	}
	for k := range needs {
		if err := b.refuseAtExit(&needs[k]); err != nil {
			b.fault(i, join("input", needs[k].Path), err)
		}
	}
}

// exitNode is what exit job i is in a fault, where there are nodes.
func exitNode(i int) int { return -1 - i }

// refuseAtExit says what is wrong with a Ref in the input of an exit job.
func (b *builder) refuseAtExit(n *task.Need) error {
	if err := b.refuse(len(b.plan.Nodes), n); err != nil {
		return err
	}
	if n.Kind == task.NeedNode && n.Accept != task.AcceptAny {
		return invalid("the run may end otherwise than with a success of this node; take its result by task.ResultOf")
	}
	return nil
}
