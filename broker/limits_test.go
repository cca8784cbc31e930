package broker

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// planOf returns a plan of n nodes.
func planOf(n int) task.Plan {
	p := task.Plan{Name: "p", Nodes: make([]task.Node, n)}
	for i := range p.Nodes {
		p.Nodes[i].Call = fCall("")
	}
	return p
}

func TestPlansOverTheirLimitsAreRefused(t *testing.T) {
	t.Parallel()
	const maxBytes = 16 << 20
	b := open(t, redistest.Shared(t).URL(), Config{MaxPayload: maxBytes, MaxPlanBytes: maxBytes})
	lists, large := planOf(maxPendNames+1), planOf(3)
	for i := range lists.Nodes {
		lists.Nodes[i].Functions = []string{fmt.Sprint("f", i)}
	}
	for i := range large.Nodes {
		large.Nodes[i].Payload.Bytes = bytes.Repeat([]byte("x"), maxBytes/2)
	}
	for what, p := range map[string]task.Plan{
		"too many nodes": {Name: "p", Nodes: make([]task.Node, MaxPlanNodes+1)}, "too many lists": lists, "too many bytes": large,
	} {
		_, err := b.Submit(t.Context(), p)
		wantErr(t, "Submit with "+what, err, task.ErrTooLarge)
	}
	h := newHand(t, b)
	if jobs, err := h.claim(t.Context(), 1); err != nil || len(jobs) != 0 {
		t.Errorf("there are %d jobs (%v), want none", len(jobs), err)
	}
	one := planOf(1)
	one.Nodes[0].Payload.Bytes = large.Nodes[0].Payload.Bytes
	lists.Nodes = lists.Nodes[1:]
	for what, p := range map[string]task.Plan{"a large node": one, "many nodes": planOf(3*maxPart + 1), "many lists": lists} {
		if _, err := b.Submit(t.Context(), p); err != nil {
			t.Errorf("Submit with %s: %v", what, err)
		}
	}
}

func TestLimitsOfTheConfigHold(t *testing.T) {
	t.Parallel()
	b := open(t, redistest.Shared(t).URL(), Config{MaxPayload: 100, MaxResult: 200})
	ctx := t.Context()
	large, small := fCall(""), fCall("")
	large.Payload.Bytes, small.Payload.Bytes = make([]byte, 101), make([]byte, 100)
	_, err := b.Post(ctx, []task.Call{large})
	wantErr(t, "Post of 101 bytes", err, task.ErrTooLarge)
	_, err = b.Submit(ctx, task.Plan{Name: "p", Nodes: []task.Node{{Call: large}}})
	wantErr(t, "Submit of 101 bytes", err, task.ErrTooLarge)
	_, err = b.Post(ctx, []task.Call{small})
	must(t, err)
	h := newHand(t, b)
	jobs, err := h.claim(ctx, 1)
	must(t, err)
	o := succeeded(jobs[0])
	o.Result.Bytes = make([]byte, 201)
	_, err = b.Exchange(ctx, task.Exchange{Session: h.id, Number: 2, Done: []task.Outcome{o}})
	wantErr(t, "Exchange with a result of 201 bytes", err, task.ErrTooLarge)
	o.Result.Bytes = o.Result.Bytes[:200]
	_, err = h.exchange(ctx, 0, 0, o)
	must(t, err)
}

func TestPartitionsLieEvenlyOverTheSlots(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3, 16, 100, MaxPartitions} {
		for p := range n {
			key := prefix("namespace", p, n)
			tag := key[len("mlq:{") : len(key)-len("}:")]
			if s := slot(tag); s < p*slots/n || s >= (p+1)*slots/n {
				t.Errorf("partition %d of %d lies in slot %d (%s)", p, n, s, key)
			}
		}
	}
	// From the specification of Redis Cluster, and from CLUSTER KEYSLOT.
	if got := slot("123456789"); got != 0x31C3 {
		t.Errorf("slot of 123456789 is %#x, want 0x31c3", got)
	}
}
