package chaos

import (
	"cmp"
	"errors"
	"slices"

	"github.com/gomlq/mlq/task"
)

// children returns how many nodes the maps of a run have that were not submitted.
func (d *drawn) children() (n int) {
	for i := range d.vertices {
		if d.vertices[i].do == "map" {
			n += len(d.facts[i].kids)
		}
	}
	return n
}

// kids reads the children of all maps of a run that have begun, by map.
func (s *stage) kids(d *drawn) map[int][]task.Record {
	s.t.Helper()
	const block = 256 // maps have their children from a number on that this divides
	blocks := 0
	for i := range d.vertices {
		if d.vertices[i].do == "map" {
			blocks += (len(d.facts[i].kids) + block - 1) / block
		}
	}
	out := map[int][]task.Record{}
	first := (len(d.vertices) + block - 1) / block * block
	for from := first; from < first+blocks*block; from += block {
		for k := range block {
			recs, err := s.b.Read(s.q, []task.ID{d.run.ID().Node(from + k)})
			if errors.Is(err, task.ErrUnknown) {
				break // the next has not begun either
			}
			if err != nil || recs[0].Map == nil || recs[0].Element == nil {
				s.t.Fatalf("node %d, which should be a child of a map: %+v, %v", from+k, recs, err)
			}
			i := recs[0].Map.Node
			if at := recs[0].Element.Index; at != len(out[i]) {
				s.t.Fatalf("node %d is child %d of map %d, want %d", from+k, at, i, len(out[i]))
			}
			out[i] = append(out[i], recs[0])
		}
	}
	return out
}

// compareMap asks that a map has become what it must, and each of its children.
func (s *stage) compareMap(d *drawn, i int, recs, kids []task.Record) {
	s.t.Helper()
	v, want, rec := &d.vertices[i], &d.facts[i], &recs[i]
	cut := rec.State != want.state
	if halted := rec.State == task.Skipped || rec.State == task.Cancelled; cut && !(halted && d.stopped()) {
		s.t.Errorf("map %d, %+v, is %v with %+v, want %v", i, *v, rec.State, rec.Failures, want.state)
		return
	}
	for _, f := range rec.Failures {
		if !slices.Contains(want.failures, f.Message) && !slices.Contains(want.failures, unequal) {
			s.t.Errorf("map %d, %+v, has failed with %q, want one of %q", i, *v, f.Message, want.failures)
		}
	}
	if n := len(rec.Failures); rec.State == task.Failed && (n == 0 || n > 1 && !d.resumed) {
		s.t.Errorf("map %d, %+v, has failed with %+v, want one failure", i, *v, rec.Failures)
	}
	for k := range kids {
		s.compareKid(d, i, recs, k, &kids[k])
	}
	if n := len(kids); n > len(want.kids) || n < len(want.kids) && !cut && !want.short {
		s.t.Errorf("map %d, %+v, has begun %d of its children, want %d", i, *v, n, len(want.kids))
	}
	if most := v.lists.most; most > 0 {
		if n := together(kids); n > most {
			s.t.Errorf("map %d, %+v, has run %d children at a time, want at most %d", i, *v, n, most)
		}
	}
}

func (s *stage) compareKid(d *drawn, i int, recs []task.Record, k int, rec *task.Record) {
	s.t.Helper()
	v, want := &d.vertices[i], &d.facts[i].kids[k]
	for _, t := range v.ties {
		p := &recs[t.from]
		if sure := p.State == task.Succeeded || !d.resumed; sure && !rec.Started.IsZero() && (p.Finished.IsZero() || p.Finished.After(rec.Started)) {
			s.t.Errorf("child %d of map %d, %+v, has begun at %v, before the end of %d at %v", k, i, *v, rec.Started, t.from, p.Finished)
		}
	}
	if m := &recs[i]; m.State == task.Succeeded && (!rec.State.Terminal() || rec.Finished.After(m.Finished)) {
		s.t.Errorf("child %d of map %d, %+v, is %v at %v, after the end of the map at %v", k, i, *v, rec.State, rec.Finished, m.Finished)
	}
	failures := messages(rec)
	if rec.State != want.state {
		halted := rec.State == task.Skipped || rec.State == task.Cancelled
		if !halted || !d.stopped() && !d.facts[i].short || !d.mayHave(failures, want.failures) {
			s.t.Errorf("child %d of map %d, %+v, is %v with %q, want %v with %q", k, i, *v, rec.State, failures, want.state, want.failures)
		}
		return
	}
	if rec.State == task.Succeeded || rec.State == task.Failed {
		if !d.has(failures, want.failures) {
			s.t.Errorf("child %d of map %d, %+v, has failed with %q, want %q", k, i, *v, failures, want.failures)
		}
	}
	if rec.State != task.Succeeded {
		return
	}
	var got made
	if err := rec.Result.Decode(&got); err != nil || got.Sum != want.sum || got.Session != rec.Worker {
		s.t.Errorf("child %d of map %d, %+v, returned %x, %v of session %s, want %x of its last owner, %s", k, i, *v, got.Sum, err, got.Session, want.sum, rec.Worker)
	}
}

func messages(rec *task.Record) (out []string) {
	for _, f := range rec.Failures {
		out = append(out, f.Message)
	}
	return out
}

// has reports whether failures are those wanted. A run that was resumed may have some
// from before.
func (d *drawn) has(failures, want []string) bool {
	if d.resumed && len(failures) > len(want) {
		failures = failures[len(failures)-len(want):]
	}
	return slices.Equal(failures, want)
}

// mayHave reports whether failures are the first of those wanted.
func (d *drawn) mayHave(failures, want []string) bool {
	if d.resumed {
		return !slices.ContainsFunc(failures, func(m string) bool { return !slices.Contains(want, m) })
	}
	return len(failures) <= len(want) && slices.Equal(failures, want[:len(failures)])
}

// together returns how many last attempts ran at a time.
func together(kids []task.Record) (most int) {
	type turn struct {
		at int64
		by int
	}
	var turns []turn
	for i := range kids {
		if !kids[i].Started.IsZero() && !kids[i].Finished.IsZero() {
			turns = append(turns, turn{kids[i].Started.UnixMilli(), 1}, turn{kids[i].Finished.UnixMilli(), -1})
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.by, b.by)) })
	n := 0
	for _, t := range turns {
		n += t.by
		most = max(most, n)
	}
	return most
}

// halt cancels a run, wherever it is.
func (s *stage) halt(d *drawn) {
	s.t.Helper()
	d.resumed = true
	if _, err := d.run.Cancel(s.q); err != nil {
		s.t.Fatal(err)
	}
}

// resume lets a run go on that was halted, as soon as it has been stopped.
func (s *stage) resume(d *drawn) {
	s.t.Helper()
	for {
		_, err := d.run.Resume(s.q)
		if err == nil {
			return
		}
		if !errors.Is(err, task.ErrUnavailable) || s.q.Err() != nil {
			s.t.Fatalf("resume: %v", err)
		}
	}
}

// compareList asks that a list has the elements that it must.
func (s *stage) compareList(i int, want *fact, rec *task.Record) {
	s.t.Helper()
	var got []made
	if err := rec.Result.Decode(&got); err != nil && rec.Result.Codec != task.CodecNone || textOf(got) != want.text {
		s.t.Errorf("list %d has %d elements, %v, want %d: %s", i, len(got), err, len(want.kids), want.text)
	}
}
