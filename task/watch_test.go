package task

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// at is a time, in seconds after the beginning of a run; 0 for none.
func at(s int) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(1000+int64(s), 0)
}

// ran is a node that ran from start to end, neither if 0.
func ran(number int, state State, start, end int, parents ...int) RunNode {
	return RunNode{Number: number, State: state, Started: at(start), Finished: at(end), Parents: After(parents...)}
}

func mapNode(n RunNode, first, width int) RunNode {
	n.Map = &RunMap{First: first, Width: width}
	return n
}

func TestCriticalPathIsTheChainThatEndsLast(t *testing.T) {
	t.Parallel()
	const now = 100
	for name, c := range map[string]struct {
		nodes []RunNode
		want  string // node, waited, took
	}{
		"no nodes":          {nil, ""},
		"nothing has begun": {[]RunNode{ran(0, Blocked, 0, 0)}, ""},
		"one node":          {[]RunNode{ran(0, Succeeded, 2, 5)}, "0 2 3"},
		"the slower branch": {[]RunNode{
			ran(0, Succeeded, 1, 2), ran(1, Succeeded, 3, 9, 0), ran(2, Succeeded, 2, 4, 0), ran(3, Succeeded, 10, 12, 1, 2),
		}, "0 1 1, 1 1 6, 3 1 2"},
		"in any order": {[]RunNode{
			ran(3, Succeeded, 10, 12, 1, 2), ran(1, Succeeded, 3, 9, 0), ran(2, Succeeded, 2, 4, 0), ran(0, Succeeded, 1, 2),
		}, "0 1 1, 1 1 6, 3 1 2"},
		"of those that run the one that started first": {[]RunNode{
			ran(0, Succeeded, 1, 50), ran(1, Running, 60, 0, 0), ran(2, Running, 55, 0, 0), ran(3, Blocked, 0, 0, 1, 2),
		}, "0 1 49, 2 5 45"},
		"what runs, though another has just ended": {[]RunNode{
			ran(0, Succeeded, 1, 99), ran(1, Running, 10, 0),
		}, "1 10 90"},
		"nobody takes the next": {[]RunNode{
			ran(0, Succeeded, 1, 20), ran(1, Ready, 0, 0, 0),
		}, "0 1 19, 1 80 0"},
		"what was skipped is passed over": {[]RunNode{
			ran(0, Succeeded, 1, 20), ran(1, Failed, 21, 30, 0), ran(2, Skipped, 0, 31, 1),
		}, "0 1 19, 1 1 9"},
		"nothing ran at all": {[]RunNode{ran(0, Cancelled, 0, 7), ran(1, Cancelled, 0, 8, 0)}, "0 7 0, 1 1 0"},
		"a join that did not wait for the last": {[]RunNode{
			ran(0, Succeeded, 1, 5), ran(1, Succeeded, 1, 90), ran(2, Running, 6, 0, 0, 1),
		}, "0 1 4, 2 1 94"},
		"a map takes from its parents' end": {[]RunNode{
			ran(0, Succeeded, 1, 5), mapNode(ran(1, Succeeded, 0, 40, 0), 256, 3), ran(2, Succeeded, 42, 44, 1),
		}, "0 1 4, 1 0 35, 2 2 2"},
		"a map that runs": {[]RunNode{
			ran(0, Succeeded, 1, 5), mapNode(ran(1, Blocked, 0, 0, 0), 256, 3), ran(2, Blocked, 0, 0, 1),
		}, "0 1 4, 1 0 95"},
		"the last child stands for its map": {[]RunNode{
			ran(0, Succeeded, 1, 5), mapNode(ran(1, Succeeded, 0, 40, 0), 256, 2), ran(2, Succeeded, 42, 44, 1),
			ran(256, Succeeded, 6, 8), ran(257, Succeeded, 9, 40),
		}, "0 1 4, 257 4 31, 2 2 2"},
		"the slowest child of a map that runs": {[]RunNode{
			ran(0, Succeeded, 1, 5), mapNode(ran(1, Blocked, 0, 0, 0), 256, 3),
			ran(256, Succeeded, 6, 99), ran(257, Running, 9, 0), ran(258, Running, 8, 0),
		}, "0 1 4, 258 3 92"},
		"a map that has not looked": {[]RunNode{
			ran(0, Succeeded, 1, 5), mapNode(ran(1, Running, 7, 0, 0), 0, 0),
		}, "0 1 4, 1 2 93"},
		"a parent that is not among them": {[]RunNode{ran(7, Succeeded, 3, 5, 2)}, "7 3 2"},
		"the first of two that end alike": {[]RunNode{ran(0, Succeeded, 1, 5), ran(1, Succeeded, 2, 5)}, "0 1 4"},
		"a parent that ran again later": {[]RunNode{
			ran(0, Succeeded, 60, 70), ran(1, Succeeded, 8, 9, 0), ran(2, Succeeded, 75, 80, 0),
		}, "0 60 10, 2 5 5"},
	} {
		var got []string
		for _, s := range CriticalPath(c.nodes, time.Unix(1000, 0), at(now)) {
			got = append(got, fmt.Sprintf("%d %v %v", s.Number, s.Waited.Seconds(), s.Took.Seconds()))
		}
		if g := strings.Join(got, ", "); g != c.want {
			t.Errorf("%s: got %q, want %q", name, g, c.want)
		}
	}
}
