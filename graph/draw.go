package graph

import (
	"fmt"
	"iter"
	"strings"

	"github.com/gomlq/mlq/task"
)

// DOT returns p as a drawing for Graphviz: dot -Tsvg. Edges from parents that need not
// succeed are dashed, and all that ask for something else than success say what.
// Exit jobs stand apart, since no edge leads to them. Names of any kind are only ever text in it. The plan need not be valid.
func DOT(p task.Plan) string {
	var s strings.Builder
	fmt.Fprintf(&s, "digraph \"%s\" {\n", escapeDOT(p.Name))
	s.WriteString("\trankdir=LR;\n\tnode [shape=box, style=rounded];\n")
	for i := range p.Nodes {
		fmt.Fprintf(&s, "\tn%d [label=\"%s\"];\n", i, strings.Join(lines(p, i, escapeDOT), `\n`))
	}
	for e := range edges(p) {
		fmt.Fprintf(&s, "\tn%d -> n%d%s;\n", e.From, e.to, dotStyle(e.Accept))
	}
	for i := range p.OnExit {
		fmt.Fprintf(&s, "\tx%d [label=\"%s\\nat the end\", style=\"rounded,dashed\"];\n", i, escapeDOT(strings.Join(p.OnExit[i].Functions, "+")))
	}
	s.WriteString("}\n")
	return s.String()
}

func dotStyle(a task.Accept) string {
	switch {
	case a == task.AcceptSuccess:
		return ""
	case a.Soft():
		return fmt.Sprintf(" [label=\"%v\", style=dashed]", a)
	default:
		return fmt.Sprintf(" [label=\"%v\"]", a)
	}
}

// Mermaid returns p as a flowchart of Mermaid, which README files and many wikis draw.
// Otherwise it is as [DOT].
func Mermaid(p task.Plan) string {
	var s strings.Builder
	s.WriteString("flowchart LR\n")
	for i := range p.Nodes {
		fmt.Fprintf(&s, "  n%d[\"%s\"]\n", i, strings.Join(lines(p, i, escapeMermaid), "<br>"))
	}
	for e := range edges(p) {
		fmt.Fprintf(&s, "  n%d %s n%d\n", e.From, mermaidArrow(e.Accept), e.to)
	}
	for i := range p.OnExit {
		fmt.Fprintf(&s, "  x%d([\"%s<br>at the end\"])\n", i, escapeMermaid(strings.Join(p.OnExit[i].Functions, "+")))
	}
	return s.String()
}

func mermaidArrow(a task.Accept) string {
	switch {
	case a == task.AcceptSuccess:
		return "-->"
	case a.Soft():
		return fmt.Sprintf("-.->|\"%v\"|", a)
	default:
		return fmt.Sprintf("-->|\"%v\"|", a)
	}
}

// lines returns what stands in the box of a node.
func lines(p task.Plan, i int, escape func(string) string) []string {
	ls := []string{escape(name(p, i))}
	if k := p.Nodes[i].AtLeast; k > 0 {
		ls = append(ls, fmt.Sprintf("at least %d", k))
	}
	if m := p.Nodes[i].Map; m != nil {
		ls = append(ls, "for each element")
		if m.MaxParallel > 0 {
			ls = append(ls, fmt.Sprintf("at most %d at once", m.MaxParallel))
		}
	}
	return ls
}

// name returns the name of a node; one in a plan that was made by hand may have none.
func name(p task.Plan, i int) string {
	if i < 0 || i >= len(p.Nodes) {
		return fmt.Sprintf("node %d", i)
	}
	if n := p.Nodes[i].Name; n != "" {
		return n
	}
	return strings.TrimPrefix(fmt.Sprintf("%s-%d", strings.Join(p.Nodes[i].Functions, "+"), i), "-")
}

// edge is an edge with its end.
type edge struct {
	task.Edge
	to int
}

// edges returns the edges of p, by the node they lead to, without those from nodes
// that do not exist.
func edges(p task.Plan) iter.Seq[edge] {
	return func(yield func(edge) bool) {
		for i := range p.Nodes {
			for _, e := range p.Nodes[i].Parents {
				if e.From >= 0 && e.From < len(p.Nodes) && !yield(edge{e, i}) {
					return
				}
			}
		}
	}
}
