package task

import (
	"errors"
	"fmt"
	"time"
)

// Node is a job of a plan.
type Node struct {
	Call
	Name    string // unique within the plan; default the function's name and the index
	Parents []int  // indices of the nodes it waits for; each must be smaller than its own
}

// Plan is a graph of jobs that has been checked and can be submitted. The
// index of a node is its number in the run's node IDs.
type Plan struct {
	// ID makes a repeated submission harmless: a plan that has one is submitted
	// once, however often. Zero for a new run each time; the broker makes the run's
	// own ID of it.
	ID    ID
	Name  string
	Nodes []Node
}

// MaxParents bounds how many nodes one node may wait for directly.
const MaxParents = 100_000

// Validate reports every fault of p at once; each wraps [ErrInvalid].
func (p Plan) Validate() error {
	var errs []error
	if err := CheckName("graph", p.Name); err != nil {
		errs = append(errs, err)
	}
	if n := len(p.Nodes); n == 0 || n > MaxNodeNumber+1 {
		errs = append(errs, fmt.Errorf("%w: plan %q has %d nodes, want 1 to %d", ErrInvalid, p.Name, n, MaxNodeNumber+1))
	}
	named := make(map[string]int)
	for i := range p.Nodes {
		if name := p.Nodes[i].Name; name != "" {
			if first, ok := named[name]; ok {
				errs = append(errs, fmt.Errorf("%w: plan %q, nodes %d and %d are both named %q", ErrInvalid, p.Name, first, i, name))
			}
			named[name] = i
		}
		if err := p.Nodes[i].validate(i); err != nil {
			errs = append(errs, fmt.Errorf("plan %q, node %d: %w", p.Name, i, err))
		}
	}
	return errors.Join(errs...)
}

func (n *Node) validate(i int) error {
	var errs []error
	if n.err != nil {
		errs = append(errs, n.err)
	}
	if len(n.Functions) != 1 {
		errs = append(errs, fmt.Errorf("%w: a node names exactly one function, this one %d", ErrInvalid, len(n.Functions)))
	}
	if n.err == nil { // else it has said so
		for _, f := range n.Functions {
			errs = append(errs, CheckName("task", f))
		}
		errs = append(errs, n.Spec.Validate())
	}
	if n.Spec.Delay != 0 || n.Spec.UniqueKey != "" || n.Spec.IdempotencyKey != "" {
		errs = append(errs, fmt.Errorf("%w: a node takes no delay and no keys; it starts when its parents have succeeded", ErrInvalid))
	}
	if len(n.Parents) > MaxParents {
		errs = append(errs, fmt.Errorf("%w: %d parents, want at most %d", ErrInvalid, len(n.Parents), MaxParents))
	}
	seen := make(map[int]bool, len(n.Parents))
	for _, p := range n.Parents {
		if p < 0 || p >= i {
			errs = append(errs, fmt.Errorf("%w: parent %d is not before it; order the nodes so that parents come first", ErrInvalid, p))
		}
		if seen[p] {
			errs = append(errs, fmt.Errorf("%w: parent %d is named twice", ErrInvalid, p))
		}
		seen[p] = true
	}
	return errors.Join(errs...)
}

// RunRecord is what is kept of a run.
type RunRecord struct {
	ID       RunID
	Name     string
	State    State // Running, Succeeded, Failed or Cancelled
	Nodes    int
	Counts   map[State]int // of its nodes; Ready and Running are counted as Ready
	Started  time.Time
	Finished time.Time // zero while it runs
}
