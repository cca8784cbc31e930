package graph

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gomlq/mlq/task"
)

// JSON returns p for programs: its name, keep_going, its deadline in seconds if it has
// one, and its nodes in order. A node has a name, the task, the queue, at_least where
// it was asked for, and parents: each the name of a node and what is accepted of it,
// which is success, skip (success or skipped), any (end), true or false. A map has map: what it runs over. Exit
// jobs are in on_exit, each a task and a queue. Inputs are not in it. The error is that of package json.
func JSON(p task.Plan) ([]byte, error) {
	doc := document{Name: p.Name, KeepGoing: p.KeepGoing, Deadline: p.Deadline.Seconds(), Nodes: make([]jsonNode, len(p.Nodes))}
	for i := range p.Nodes {
		n := &p.Nodes[i]
		d := jsonNode{Name: name(p, i), Queue: cmp.Or(n.Spec.Queue, task.DefaultQueue), AtLeast: n.AtLeast, Parents: make([]jsonParent, len(n.Parents))}
		if len(n.Functions) > 0 {
			d.Task = n.Functions[0]
		}
		if n.Map != nil {
			d.Map = &jsonMap{Over: over(p, &n.Map.Over), MaxParallel: n.Map.MaxParallel, Some: n.Map.Some}
		}
		for k, e := range n.Parents {
			d.Parents[k] = jsonParent{name(p, e.From), word(e.Accept)}
		}
		doc.Nodes[i] = d
	}
	for i := range p.OnExit {
		c := &p.OnExit[i]
		doc.OnExit = append(doc.OnExit, jsonExit{Task: strings.Join(c.Functions, "+"), Queue: cmp.Or(c.Spec.Queue, task.DefaultQueue)})
	}
	return json.MarshalIndent(doc, "", "  ")
}

type document struct {
	Name      string     `json:"name"`
	KeepGoing bool       `json:"keep_going"`
	Deadline  float64    `json:"deadline,omitempty"`
	Nodes     []jsonNode `json:"nodes"`
	OnExit    []jsonExit `json:"on_exit,omitempty"`
}

type jsonExit struct {
	Task  string `json:"task"`
	Queue string `json:"queue"`
}

type jsonNode struct {
	Name    string       `json:"name"`
	Task    string       `json:"task"`
	Queue   string       `json:"queue"`
	AtLeast int          `json:"at_least,omitempty"`
	Map     *jsonMap     `json:"map,omitempty"`
	Parents []jsonParent `json:"parents"`
}

type jsonMap struct {
	Over        any  `json:"over"` // a name, {"zip": [..]}, {"cross": [..]}, or "a list" for one that is carried along
	MaxParallel int  `json:"max_parallel,omitempty"`
	Some        bool `json:"some,omitempty"`
}

// over returns what a map runs over.
func over(p task.Plan, l *task.List) any {
	switch {
	case l.Form == task.ListNode:
		return name(p, l.Node)
	case l.Form == task.ListZip && len(l.Of) == 2:
		return map[string]any{"zip": []any{over(p, &l.Of[0]), over(p, &l.Of[1])}}
	case l.Form == task.ListCross && len(l.Of) == 2:
		return map[string]any{"cross": []any{over(p, &l.Of[0]), over(p, &l.Of[1])}}
	default:
		return "a list" // which is the name of no node
	}
}

type jsonParent struct {
	Name   string `json:"name"`
	Accept string `json:"accept"`
}

// word returns the name of a on the wire, which is shorter than the one to read.
func word(a task.Accept) string {
	words := [...]string{
		task.AcceptSuccess: "success", task.AcceptSkip: "skip", task.AcceptAny: "any",
		task.AcceptTrue: "true", task.AcceptFalse: "false",
	}
	if int(a) < len(words) {
		return words[a]
	}
	return fmt.Sprint(uint8(a))
}
