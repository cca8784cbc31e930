package broker

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// watched is a plan in which fits is a map, and what it tells of itself.
type watched struct {
	*hand

	t  *testing.T
	id task.RunID
}

func watchedRun(t *testing.T, url string) *watched {
	t.Helper()
	b := open(t, url, Config{})
	node := func(name string, parents ...task.Edge) task.Node {
		return task.Node{Call: fCall(name), Name: name, Parents: parents}
	}
	fits := node("fits", task.After(0)...)
	fits.Map = &task.Map{Over: task.List{Form: task.ListValue, Value: []byte{0x90}}}
	id, err := b.Submit(t.Context(), task.Plan{Name: "watched", Nodes: []task.Node{
		node("load"), fits, node("f", task.Edge{From: 0, Accept: task.AcceptAny}, task.Edge{From: 1}),
	}})
	must(t, err)
	return &watched{newHand(t, b), t, id}
}

// end claims one job, ends it as f says, and returns it.
func (w *watched) end(f func(task.Job) task.Outcome) {
	w.t.Helper()
	jobs, err := w.claim(w.t.Context(), 1)
	must(w.t, err)
	if len(jobs) != 1 {
		w.t.Fatalf("claimed %d jobs, want 1", len(jobs))
	}
	_, err = w.exchange(w.t.Context(), jobs[0].ID.Partition(), 0, f(jobs[0]))
	must(w.t, err)
}

// want asks how the nodes from one on stand, in words; and that it does not matter how they are read.
func (w *watched) want(from int, want string) []task.RunNode {
	w.t.Helper()
	all, err := w.b.RunNodes(w.t.Context(), w.id, from, 100)
	must(w.t, err)
	var got []string
	for i, n := range all {
		s := fmt.Sprintf("%s %v %d", n.Name, n.State, n.Attempts)
		for _, e := range n.Parents {
			s += fmt.Sprintf(" after %d (%v)", e.From, e.Accept)
		}
		if n.Map != nil {
			s += fmt.Sprintf(" %+v", *n.Map)
		}
		got = append(got, s)
		one, err := w.b.RunNodes(w.t.Context(), w.id, from+i, 1)
		must(w.t, err)
		if len(one) != 1 || !reflect.DeepEqual(one[0], n) || n.Number != from+i || n.Task != "f" {
			w.t.Errorf("node %d: got %+v, alone %+v", from+i, n, one)
		}
	}
	if g := strings.Join(got, "\n"); g != want {
		w.t.Errorf("got the nodes\n%s\nwant\n%s", g, want)
	}
	return all
}

func TestRunNodesTellsHowNodesStand(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"redis": redistest.Shared(t).URL(), "embedded": "embedded://"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w := watchedRun(t, url)
			const sink = "\nf blocked 0 after 0 (any end) after 1 (success)"
			const unseen = " blocked 0 after 0 (success) {First:0 Width:0 Ended:0 Succeeded:0}" + sink
			w.want(0, "load ready 0\nfits"+unseen)
			w.end(func(j task.Job) task.Outcome {
				percent := 40.0
				must(t, w.b.Note(ctx, j.Lease, task.Note{Progress: &percent}))
				n := w.want(0, "load running 1\nfits"+unseen)[0]
				if n.Progress != 40 || n.Started.IsZero() || !n.Finished.IsZero() {
					t.Errorf("while it runs: %+v", n)
				}
				return task.Outcome{Lease: j.Lease, Verdict: task.Retry, Failure: task.Failure{Message: "once"}}
			})
			w.want(0, "load ready 1\nfits"+unseen)
			w.end(succeeded)
			n := w.want(0, "load succeeded 2\nfits ready 0 after 0 (success) {First:0 Width:0 Ended:0 Succeeded:0}"+sink)[0]
			if n.Progress != 100 || n.Finished.Before(n.Started) || n.Started.IsZero() {
				t.Errorf("after it has ended: %+v", n)
			}
			w.end(func(j task.Job) task.Outcome {
				chunk, err := w.b.Spread(ctx, j.Lease, [][]byte{{7}, {8}, {9}, {10}})
				must(t, err)
				return task.Outcome{Lease: j.Lease, Verdict: task.Expand, Width: &task.Width{N: 4, Chunk: chunk, MaxParallel: 1}}
			})
			w.end(succeeded)
			w.want(0, "load succeeded 2\nfits blocked 0 after 0 (success) {First:256 Width:4 Ended:1 Succeeded:1}"+sink)
			w.want(256, "fits succeeded 1\nfits ready 0\nfits blocked 0\nfits blocked 0")
			w.want(259, "fits blocked 0")
			w.want(260, "")
			w.want(3, "")
			w.end(func(j task.Job) task.Outcome {
				return task.Outcome{Lease: j.Lease, Verdict: task.Fail, Failure: task.Failure{Message: "for good"}}
			})
			for r, err := w.b.Run(ctx, w.id); r.State == task.Running; r, err = w.b.Run(ctx, w.id) {
				must(t, err)
				_, _, err = w.b.tickOnce(ctx, 0, true)
				must(t, err)
			}
			w.want(0, "load succeeded 2\nfits failed 0 after 0 (success) {First:256 Width:4 Ended:4 Succeeded:1}\nf skipped 0 after 0 (any end) after 1 (success)")
			if n := w.want(256, "fits succeeded 1\nfits failed 1\nfits skipped 0\nfits skipped 0")[1]; n.Started.IsZero() || n.Finished.Before(n.Started) {
				t.Errorf("a dead letter: %+v", n)
			}
		})
	}
}

func TestRunNodesRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := watchedRun(t, redistest.Shared(t).URL())
	for _, c := range []struct{ from, limit int }{{-1, 1}, {0, 0}, {0, MaxRunNodes + 1}, {task.MaxNodeNumber + 1, 1}} {
		_, err := w.b.RunNodes(t.Context(), w.id, c.from, c.limit)
		wantErr(t, fmt.Sprintf("RunNodes of %+v", c), err, task.ErrInvalid)
	}
	_, err := w.b.RunNodes(t.Context(), task.NewID(time.Now().UnixMilli(), task.KindRun, 1, 2, 3, 0), 0, 1)
	wantErr(t, "RunNodes of an unknown run", err, task.ErrUnknown)
}

func TestRunNodesFindsAllParentsOfWideRuns(t *testing.T) {
	t.Parallel()
	const width = 53_000 // more children than go into one answer of kids.lua
	b := open(t, redistest.Shared(t).URL(), Config{})
	plan := layers(1, width)
	var all []int
	for i := range width {
		all = append(all, i+1)
	}
	plan.Nodes = append(plan.Nodes, task.Node{Call: fCall(""), Parents: task.After(all...)})
	id, err := b.Submit(t.Context(), plan)
	must(t, err)
	begun := time.Now()
	whole, err := b.RunNodes(t.Context(), id, 0, MaxRunNodes)
	must(t, err)
	t.Logf("%d nodes in %v", len(whole), time.Since(begun))
	if len(whole) != width+2 {
		t.Fatalf("got %d nodes, want %d", len(whole), width+2)
	}
	for i, n := range whole {
		if want := plan.Nodes[i].Parents; n.Number != i || len(n.Parents) != len(want) || len(want) > 0 && !reflect.DeepEqual(n.Parents, want) {
			t.Fatalf("node %d: got number %d with %d parents, want %d", i, n.Number, len(n.Parents), len(want))
		}
	}
	_, err = b.Cancel(t.Context(), id)
	must(t, err)
}
