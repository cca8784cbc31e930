package task

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPlanReportsFaultsOfEdgesAndDeadline(t *testing.T) {
	t.Parallel()
	call := Declare[int, int]("t").Call(1)
	plan := func(atLeast int, accepts ...Accept) Plan {
		p := Plan{Name: "p"}
		last := Node{Call: call, AtLeast: atLeast}
		for i, a := range accepts {
			p.Nodes = append(p.Nodes, Node{Call: call})
			last.Parents = append(last.Parents, Edge{From: i, Accept: a})
		}
		p.Nodes = append(p.Nodes, last)
		return p
	}
	within := func(d time.Duration) Plan {
		p := plan(0)
		p.Deadline = d
		return p
	}
	for what, tt := range map[string]struct {
		plan Plan
		want string // in the report; empty for none
	}{
		"every kind of edge":     {plan(0, AcceptSuccess, AcceptSkip, AcceptAny, AcceptTrue, AcceptFalse), ""},
		"an unknown kind":        {plan(0, AcceptFalse+1), "plan \"p\", node 1: task: invalid: the edge from 0 accepts Accept(5)"},
		"all of the soft ones":   {plan(2, AcceptSkip, AcceptSuccess, AcceptAny), ""},
		"one of the soft ones":   {plan(1, AcceptAny, AcceptAny, AcceptAny), ""},
		"more than the soft":     {plan(3, AcceptSkip, AcceptSuccess, AcceptAny), "node 3: task: invalid: AtLeast is 3, but 2 parents"},
		"some of the hard":       {plan(1, AcceptSuccess, AcceptTrue, AcceptFalse), "AtLeast is 1, but 0 parents"},
		"some of none":           {plan(1), "AtLeast is 1, but 0 parents"},
		"fewer than none":        {plan(-1, AcceptAny), "AtLeast is -1"},
		"no deadline":            {within(0), ""},
		"the longest deadline":   {within(MaxDelay), ""},
		"too long a deadline":    {within(MaxDelay + 1), "the deadline of plan \"p\" is"},
		"a deadline in the past": {within(-1), "the deadline of plan \"p\" is -1ns, want 0 to"},
	} {
		err := tt.plan.Validate()
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v, want no fault", what, err)
			}
			continue
		}
		if !isInvalid(err) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want ErrInvalid with %q", what, err, tt.want)
		}
	}
}

func TestAcceptsHaveNamesAndSoftness(t *testing.T) {
	t.Parallel()
	want := map[Accept]string{
		AcceptSuccess: "success", AcceptSkip: "success or skipped", AcceptAny: "any end", AcceptTrue: "true", AcceptFalse: "false", 200: "Accept(200)",
	}
	var soft []Accept
	for a := range Accept(6) {
		if a.Soft() {
			soft = append(soft, a)
		}
	}
	for a, name := range want {
		if a.String() != name {
			t.Errorf("Accept %d is called %q, want %q", uint8(a), a, name)
		}
	}
	if !slices.Equal(soft, []Accept{AcceptSkip, AcceptAny}) {
		t.Errorf("soft are %v", soft)
	}
	if got := After(3, 1); !slices.Equal(got, []Edge{{3, AcceptSuccess}, {1, AcceptSuccess}}) {
		t.Errorf("After(3, 1) = %v", got)
	}
}

func TestPlanIsToldALineANode(t *testing.T) {
	t.Parallel()
	load, fit := Declare[int, int]("load").Call(1), Declare[int, int]("fit", Queue("gpu")).Call(1)
	p := Plan{Name: "sweep", KeepGoing: true, Deadline: time.Hour, Nodes: []Node{
		{Call: load, Name: "load"},
		{Call: fit, Parents: After(0)},
		{Call: fit, Name: "two\nlines", Parents: []Edge{{0, AcceptTrue}, {1, AcceptAny}, {9, AcceptSuccess}}, AtLeast: 1},
		{Name: "many", Parents: After(make([]int, 11)...)},
	}}
	want := `sweep: 4 nodes, keeps going, within 1h0m0s
0 load: load on default
1 node 1: fit on gpu, after load
2 "two\nlines": fit on gpu, after load (true), node 1 (any end), node 9, at least 1
3 many: "" on default, after load, load, load, load, load, load, load, load and 3 more`
	if got := p.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := (Plan{}).String(); got != `"": 0 nodes` {
		t.Errorf("the zero plan is told as %q", got)
	}
}
