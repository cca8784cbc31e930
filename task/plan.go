package task

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Node is a job of a plan.
type Node struct {
	Call
	Name    string // unique within the plan, at most MaxNodeName bytes; default the function's name
	Parents []Edge // the nodes it waits for, each once
	// AtLeast is for a node with parents that may end in any way ([AcceptAny] and
	// [AcceptSkip]): it starts as soon as so many of them have succeeded, and is
	// skipped once too few are left. Zero waits for the end of all of them.
	AtLeast int
	Map     *Map // nil for a node that is one job
}

// Edge says that a node waits for the end of another one.
type Edge struct {
	From   int // index of the parent, smaller than the node's own
	Accept Accept
}

// After returns edges from nodes that must succeed.
func After(nodes ...int) []Edge {
	es := make([]Edge, len(nodes))
	for i, n := range nodes {
		es[i].From = n
	}
	return es
}

// Accept says which ends of a parent let a node start. With any other end the node
// is skipped.
type Accept uint8

// The values of Accept.
const (
	AcceptSuccess Accept = iota // it must succeed
	AcceptSkip                  // it must succeed or be skipped
	AcceptAny                   // it must end
	AcceptTrue                  // it must succeed with the result true
	AcceptFalse                 // it must succeed with the result false
)

var acceptNames = [...]string{"success", "success or skipped", "any end", "true", "false"}

func (a Accept) String() string {
	if int(a) < len(acceptNames) {
		return acceptNames[a]
	}
	return fmt.Sprintf("Accept(%d)", uint8(a))
}

// Soft reports whether a parent may end other than with success.
func (a Accept) Soft() bool { return a == AcceptSkip || a == AcceptAny }

// Plan is a graph of jobs that has been checked and can be submitted. The
// index of a node is its number in the run's node IDs.
type Plan struct {
	// ID makes a repeated submission harmless: a plan that has one is submitted
	// once, however often. Zero for a new run each time; the broker makes the run's
	// own ID of it.
	ID    ID
	Name  string
	Nodes []Node
	// KeepGoing lets what does not depend on a failed node go on. Without it the run
	// stops at the first failure that no other node accepts: nothing new starts, and
	// what runs is told.
	KeepGoing bool
	// Events keeps what becomes of the nodes as a stream; see [Run.Events]. It costs some
	// microseconds and 100 bytes for each step of the run that ends, starts or claims nodes.
	Events bool
	// Deadline is how long the run may take, from its submission; then it stops and
	// fails. Zero means as long as it takes.
	Deadline time.Duration
	// OnExit are jobs that are posted in the step that ends the run, however it ends. They
	// are jobs of their own: the run does not wait for them, nor is it another when they
	// fail. [RunOf] tells them which run it was. A run that is resumed ends once more, and
	// they are posted once more. At most MaxExits.
	OnExit []Call
}

// MaxExits bounds the exit jobs of a run: one script posts them all.
const MaxExits = 16

// RunWindow is how many nodes of one run are ready, delayed or running at a time; the
// others wait in a line of their own, so that a large run does not keep small ones
// waiting. A worker fleet with more slots than that works on several runs.
const RunWindow = 256

// MaxParents bounds how many nodes one node may wait for directly.
const MaxParents = 100_000

// MaxNodeName bounds the names of nodes, in bytes: each is stored with its job.
const MaxNodeName = 255

// Validate reports every fault of p at once; each wraps [ErrInvalid].
func (p Plan) Validate() error {
	var errs []error
	if err := CheckName("graph", p.Name); err != nil {
		errs = append(errs, err)
	}
	if n := len(p.Nodes); n == 0 || n > MaxNodeNumber+1 {
		errs = append(errs, fmt.Errorf("%w: plan %q has %d nodes, want 1 to %d", ErrInvalid, p.Name, n, MaxNodeNumber+1))
	}
	if p.Deadline < 0 || p.Deadline > MaxDelay {
		errs = append(errs, fmt.Errorf("%w: the deadline of plan %q is %v, want 0 to %v", ErrInvalid, p.Name, p.Deadline, MaxDelay))
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
	if n := len(p.OnExit); n > MaxExits {
		errs = append(errs, fmt.Errorf("%w: plan %q has %d exit jobs, want at most %d", ErrInvalid, p.Name, n, MaxExits))
	}
	for i := range p.OnExit {
		if err := p.OnExit[i].planned("it starts when the run has ended"); err != nil {
			errs = append(errs, fmt.Errorf("plan %q, exit job %d: %w", p.Name, i, err))
		}
	}
	return errors.Join(errs...)
}

// planned says what is wrong with a call in a plan, which tells itself when it starts.
func (c *Call) planned(starts string) error {
	var errs []error
	if c.err != nil {
		errs = append(errs, c.err)
	}
	if len(c.Functions) != 1 {
		errs = append(errs, fmt.Errorf("%w: a node names exactly one function, this one %d", ErrInvalid, len(c.Functions)))
	}
	if c.err == nil { // else it has said so
		for _, f := range c.Functions {
			errs = append(errs, CheckName("task", f))
		}
		errs = append(errs, c.Spec.Validate())
	}
	if c.Spec.Delay != 0 || c.Spec.UniqueKey != "" || c.Spec.IdempotencyKey != "" {
		errs = append(errs, fmt.Errorf("%w: a node takes no delay and no keys; %s", ErrInvalid, starts))
	}
	return errors.Join(errs...)
}

func (n *Node) validate(i int) error {
	errs := []error{n.planned("it starts when its parents have succeeded")}
	if len(n.Name) > MaxNodeName {
		errs = append(errs, fmt.Errorf("%w: the name %.20q… has %d bytes, want at most %d", ErrInvalid, n.Name, len(n.Name), MaxNodeName))
	}
	if len(n.Parents) > MaxParents {
		errs = append(errs, fmt.Errorf("%w: %d parents, want at most %d", ErrInvalid, len(n.Parents), MaxParents))
	}
	seen := make(map[int]bool, len(n.Parents))
	soft := 0
	for _, e := range n.Parents {
		if e.From < 0 || e.From >= i {
			errs = append(errs, fmt.Errorf("%w: parent %d is not before it; order the nodes so that parents come first", ErrInvalid, e.From))
		}
		if seen[e.From] {
			errs = append(errs, fmt.Errorf("%w: parent %d is named twice", ErrInvalid, e.From))
		}
		seen[e.From] = true
		if e.Accept > AcceptFalse {
			errs = append(errs, fmt.Errorf("%w: the edge from %d accepts %v", ErrInvalid, e.From, e.Accept))
		}
		if e.Accept.Soft() {
			soft++
		}
	}
	if n.Map != nil {
		errs = append(errs, n.Map.validate(n.Parents))
	}
	if n.AtLeast < 0 || n.AtLeast > soft {
		errs = append(errs, fmt.Errorf("%w: AtLeast is %d, but %d parents may end in any way; take their results as task.Result or task.Opt", ErrInvalid, n.AtLeast, soft))
	}
	return errors.Join(errs...)
}

// String returns p in words: a line for itself and one for each node, in order. It is
// for people; what it looks like may change.
func (p Plan) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %d nodes", inLine(p.Name), len(p.Nodes))
	if p.KeepGoing {
		s.WriteString(", keeps going")
	}
	if p.Deadline != 0 {
		fmt.Fprintf(&s, ", within %v", p.Deadline)
	}
	for i := range p.Nodes {
		n := &p.Nodes[i]
		fmt.Fprintf(&s, "\n%d %s: %s on %s", i, p.title(i), inLine(strings.Join(n.Functions, "+")), inLine(cmp.Or(n.Spec.Queue, DefaultQueue)))
		if n.Map != nil {
			s.WriteString(", for each of " + n.Map.Over.title(p))
		}
		p.tellParents(&s, n)
	}
	for i := range p.OnExit {
		c := &p.OnExit[i]
		fmt.Fprintf(&s, "\nat the end: %s on %s", inLine(strings.Join(c.Functions, "+")), inLine(cmp.Or(c.Spec.Queue, DefaultQueue)))
	}
	return s.String()
}

// maxTold is how many parents of a node are told by name.
const maxTold = 8

func (p Plan) tellParents(s *strings.Builder, n *Node) {
	sep := ", after "
	for _, e := range n.Parents[:min(len(n.Parents), maxTold)] {
		s.WriteString(sep)
		s.WriteString(p.title(e.From))
		if e.Accept != AcceptSuccess {
			fmt.Fprintf(s, " (%v)", e.Accept)
		}
		sep = ", "
	}
	if more := len(n.Parents) - maxTold; more > 0 {
		fmt.Fprintf(s, " and %d more", more)
	}
	if n.AtLeast != 0 {
		fmt.Fprintf(s, ", at least %d", n.AtLeast)
	}
}

// title returns what node i is called in a text.
func (p Plan) title(i int) string {
	if i < 0 || i >= len(p.Nodes) || p.Nodes[i].Name == "" {
		return fmt.Sprintf("node %d", i)
	}
	return inLine(p.Nodes[i].Name)
}

// inLine quotes a name that is none, so that it cannot break out of its line.
func inLine(name string) string {
	if CheckName("node", name) != nil {
		return strconv.Quote(name)
	}
	return name
}

// RunRecord is what is kept of a run.
type RunRecord struct {
	ID       RunID
	Name     string
	State    State // Running, Succeeded, Failed or Cancelled
	Paused   bool  // nothing new starts
	Watched  bool  // it keeps events
	Nodes    int
	Counts   map[State]int // of nodes that have ended, by how
	Started  time.Time
	Finished time.Time // zero while it runs
	Exits    []ID      // the jobs that were posted when it ended, see Plan.OnExit
}
