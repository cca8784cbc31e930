package task

import (
	"context"
	"errors"
	"testing"
)

func TestEachGivesEveryEndOnceWithItsIndex(t *testing.T) {
	t.Parallel()
	p := &fakePort{ends: map[ID]Settled{}}
	var hs []Handle[int]
	for i := range 20 {
		id := NewID(1, KindLone, 1, 0, uint32(i), 0)
		d, err := Encode(i * i)
		if err != nil {
			t.Fatal(err)
		}
		p.ends[id] = Settled{ID: id, State: Succeeded, Result: d}
		if i == 7 {
			p.ends[id] = Settled{ID: id, State: Failed}
		}
		hs = append(hs, Handle[int]{id, p})
	}
	seen := map[int]bool{}
	for i, r := range Each(t.Context(), hs) {
		if seen[i] {
			t.Errorf("job %d was given twice", i)
		}
		seen[i] = true
		switch {
		case i == 7 && !errors.Is(r.Err, ErrFailed):
			t.Errorf("job 7 ended with %v, want ErrFailed", r.Err)
		case i != 7 && (r.Err != nil || r.Value != i*i):
			t.Errorf("job %d gave %d, %v; want %d", i, r.Value, r.Err, i*i)
		}
	}
	if len(seen) != len(hs) {
		t.Errorf("%d ends, want %d", len(seen), len(hs))
	}
}

// hangPort never ends a wait before its context has.
type hangPort struct{ fakePort }

func (p *hangPort) Await(ctx context.Context, _ []ID) ([]Settled, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestEachMayBeLeftEarlyAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	hang, ready := &hangPort{}, &fakePort{ends: map[ID]Settled{}}
	id := NewID(1, KindLone, 1, 0, 1, 0)
	ready.ends[id] = Settled{ID: id, State: Succeeded}
	hs := []Handle[None]{{NewID(1, KindLone, 1, 0, 2, 0), hang}, {id, ready}}
	for i := range Each(t.Context(), hs) {
		if i != 1 {
			t.Fatalf("job %d ended first, want 1", i)
		}
		break // must not wait for the other
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, r := range Each(ctx, hs[:1]) {
		if n++; !errors.Is(r.Err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", r.Err)
		}
	}
	if n != 1 {
		t.Errorf("%d ends, want 1", n)
	}
}

func TestCancelAllCancelsEachAndReportsEveryError(t *testing.T) {
	t.Parallel()
	p := &fakePort{}
	hs := []Handle[int]{{NewID(1, KindLone, 1, 0, 1, 0), p}, {NewID(1, KindLone, 1, 0, 2, 0), p}}
	if err := CancelAll(t.Context(), hs); err != nil || len(p.ended) != 2 {
		t.Errorf("CancelAll = %v with %d cancelled, want nil and 2", err, len(p.ended))
	}
	p.err = ErrUnavailable
	if err := CancelAll(t.Context(), hs); !errors.Is(err, ErrUnavailable) {
		t.Errorf("CancelAll = %v, want ErrUnavailable", err)
	}
}
