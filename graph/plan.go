package graph

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/gomlq/mlq/task"
)

// Plan checks the graph and returns it as it would be submitted; nodes that are added
// later are not in it. It reports every fault at once, each wrapping [task.ErrInvalid]
// and naming the node and the place in its input: Refs that stand for nothing, for a
// posted job, for a node of another graph, or are in fields that are not encoded;
// inputs that cannot be encoded; tasks and options that are not allowed; names given
// twice; conditions that exclude each other; and all that [task.Plan.Validate] finds.
func (g *Graph) Plan() (task.Plan, error) {
	b := g.builder()
	p := b.plan
	p.Nodes = b.names()
	p.OnExit = slices.Clone(p.OnExit)
	if err := errors.Join(b.report(p), b.validate(p)); err != nil {
		return task.Plan{}, err
	}
	return p, nil
}

// report returns the faults that were found while nodes were added.
func (b *builder) report(p task.Plan) error {
	errs := make([]error, len(b.faults))
	for k, f := range b.faults {
		where := fmt.Sprintf("graph %q, exit job %d", p.Name, exitNode(f.node))
		if f.node >= 0 {
			where = fmt.Sprintf("graph %q, node %q", p.Name, p.Nodes[f.node].Name)
		}
		if f.where != "" {
			where += ", " + f.where
		}
		errs[k] = fmt.Errorf("%s: %w", where, f.err)
	}
	return errors.Join(errs...)
}

// validate returns the faults of p that have not been found before.
func (b *builder) validate(p task.Plan) error {
	if len(b.faults) > 0 {
		p.Nodes, p.OnExit = slices.Clone(p.Nodes), slices.Clone(p.OnExit)
	}
	for _, f := range b.faults {
		if c := call(p, f.node); c.Err() != nil {
			*c = task.Call{Functions: []string{"reported"}}
		}
	}
	return p.Validate()
}

// call returns what a fault is about.
func call(p task.Plan, i int) *task.Call {
	if i < 0 {
		return &p.OnExit[exitNode(i)]
	}
	return &p.Nodes[i].Call
}

// names returns the nodes, those without a name with one made up.
func (b *builder) names() []task.Node {
	nodes := slices.Clone(b.plan.Nodes)
	taken := make(map[string]bool, len(nodes))
	for i := range nodes {
		if b.wishes[i].named {
			taken[nodes[i].Name] = true
		}
	}
	numbers := make(map[string]int) // the last one tried, by what comes before it
	for i := range nodes {
		if b.wishes[i].named {
			continue
		}
		base := b.label(i)
		name := base
		for k := numbers[base] + 1; ; k++ {
			if k > 1 {
				name = base + "-" + strconv.Itoa(k)
			}
			if !taken[name] {
				numbers[base], taken[name] = k, true
				break
			}
		}
		nodes[i].Name = name
	}
	return nodes
}

// label returns the name that node i was given, or what its own begins with.
func (b *builder) label(i int) string {
	n, w := &b.plan.Nodes[i], &b.wishes[i]
	switch {
	case w.named:
		return n.Name
	case len(n.Functions) == 0:
		return w.prefix + "node" // it has a fault that says more
	default:
		return w.prefix + n.Functions[0]
	}
}
