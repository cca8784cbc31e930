package chaos

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// drawn is a run of a drawing.
type drawn struct {
	*drawing
	run      task.Run
	facts    []fact
	state    task.State // which it must end with
	messages []string   // one of which its failure must have
	resumed  bool       // it was cancelled, and went on
}

// stopped reports whether a failure stops the run before all of it has ended.
func (d *drawn) stopped() bool { return !d.keep && d.state == task.Failed }

// seed returns the first seed of a test: that of a failure can be given again, by
// CHAOS_SEED.
func seed(t *testing.T) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("CHAOS_SEED"), 10, 64)
	if err != nil {
		n = rand.Uint64() >> 32
	}
	t.Logf("CHAOS_SEED=%d", n)
	return n
}

func TestGraphsComeOutAsDrawnWhileWorkersAreKilled(t *testing.T) {
	t.Parallel()
	const together = 3
	r := rand.New(rand.NewPCG(seed(t), 0))
	for round := range times(1) {
		t.Run("", func(t *testing.T) {
			kills := 2 + r.IntN(round+1)%5
			ds := make([]*drawing, together)
			total := 0
			for i := range ds {
				ds[i] = draw(r, size(r, round > 0))
				total += len(ds[i].vertices)
			}
			s := newStage(t, redistest.Shared(t).URL(), 0)
			workers := []*process{startWorker(t, s.url, s.ns), startWorker(t, s.url, s.ns)}
			runs := s.submit(ds)
			for k := range runs {
				total += runs[k].children()
			}
			for range kills {
				i, more := r.IntN(len(workers)), 1+r.IntN(total/(2*kills))
				s.untilMoreEnded(more, runs)
				d := &runs[r.IntN(len(runs))]
				again := r.IntN(3) == 0
				if again {
					s.halt(d)
				}
				workers[i].kill()
				workers[i] = startWorker(t, s.url, s.ns)
				if again {
					s.resume(d)
				}
			}
			s.compare(runs)
		})
	}
}

func (s *stage) submit(ds []*drawing) []drawn {
	s.t.Helper()
	out := make([]drawn, len(ds))
	for i, d := range ds {
		run, err := d.build().Submit(s.q)
		if err != nil {
			s.t.Fatal(err)
		}
		out[i] = drawn{drawing: d, run: run, facts: d.expect()}
		out[i].state, out[i].messages = d.expectRun(out[i].facts)
	}
	return out
}

// untilMoreEnded waits until n more nodes have ended, in whatever way, or all runs have.
func (s *stage) untilMoreEnded(n int, runs []drawn) {
	s.t.Helper()
	ended := func() (n int) {
		c, err := s.b.Counts(s.q)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, st := range task.States() {
			if st.Terminal() {
				n += c[st]
			}
		}
		return n
	}
	before := ended()
	redistest.Eventually(s.t, patience, func() bool {
		return ended()-before >= n || !slices.ContainsFunc(runs, func(d drawn) bool {
			rec, err := d.run.Record(s.q)
			return err != nil || !rec.State.Terminal()
		})
	}, "no progress after %d nodes", before)
}

// compare waits for the runs and asks that each node of each has become what it must.
func (s *stage) compare(runs []drawn) {
	s.t.Helper()
	dead, lost := 0, 0
	for k := range runs {
		d := &runs[k]
		s.compareRun(d)
		ids := make([]task.ID, len(d.vertices))
		for i := range ids {
			ids[i] = d.run.ID().Node(i)
		}
		recs, err := s.b.Read(s.q, ids)
		if err != nil {
			s.t.Fatal(err)
		}
		kids := s.kids(d)
		for i := range recs {
			if d.vertices[i].do == "map" {
				s.compareMap(d, i, recs, kids[i])
			} else {
				s.compareNode(d, i, &recs[i])
			}
			s.compareTimes(d, i, recs)
			for _, rec := range append(kids[i], recs[i]) {
				s.total++
				lost += rec.Losses
				if rec.State == task.Failed {
					dead++
				}
			}
		}
	}
	s.stores(s.total-dead, dead)
	s.t.Logf("%d nodes, %d attempts lost with their worker", s.total, lost)
}

func (s *stage) compareRun(d *drawn) {
	s.t.Helper()
	err := d.run.Wait(s.q)
	if s.q.Err() != nil {
		s.t.Fatalf("run %v of %d nodes has not ended: %v", d.run.ID(), len(d.vertices), err)
	}
	state, message := task.Succeeded, ""
	if je, ok := errors.AsType[*task.JobError](err); ok {
		state, message = je.State, je.Failure.Message
	} else if err != nil {
		s.t.Fatal(err)
	}
	if state != d.state || state == task.Failed && !slices.Contains(d.messages, message) && !slices.Contains(d.messages, unequal) {
		s.t.Errorf("the run ended as %v with %q, want %v with one of %q", state, message, d.state, d.messages)
	}
	rec, err := s.b.Run(s.q, d.run.ID())
	if err != nil {
		s.t.Fatal(err)
	}
	counts, total, short := map[task.State]int{}, 0, d.stopped()
	for i := range d.facts {
		counts[d.facts[i].state]++
		if d.vertices[i].do == "map" {
			for k := range d.facts[i].kids {
				counts[d.facts[i].kids[k].state]++
			}
		}
		short = short || d.facts[i].short
	}
	for _, st := range task.States() {
		if total += rec.Counts[st]; rec.Counts[st] != counts[st] && !short {
			s.t.Errorf("the record counts %d nodes %v, want %d", rec.Counts[st], st, counts[st])
		}
	}
	most := len(d.vertices) + d.children()
	if rec.State != d.state || total != rec.Nodes || total > most || total < most && !d.stopped() || total < len(d.vertices) {
		s.t.Errorf("the record says %v with %d nodes, %d of them counted, want %v with %d", rec.State, rec.Nodes, total, d.state, most)
	}
}

func (s *stage) compareNode(d *drawn, i int, rec *task.Record) {
	s.t.Helper()
	v, want := &d.vertices[i], &d.facts[i]
	failures := messages(rec)
	if rec.State != want.state {
		s.compareCut(d, i, rec.State, failures)
		return
	}
	if begun := !rec.Started.IsZero(); begun != want.begun && !d.stopped() {
		s.t.Errorf("vertex %d, %+v, has begun: %v, want %v", i, *v, begun, want.begun)
	}
	if v.end != skipped && v.end != cancelled && !d.has(failures, want.failures) {
		s.t.Errorf("vertex %d, %+v, has failed with %q, want %q", i, *v, failures, want.failures)
	}
	if rec.State != task.Succeeded {
		return
	}
	if v.do == "coin" {
		var got bool
		if err := rec.Result.Decode(&got); err != nil || got != heads(want.sum) {
			s.t.Errorf("coin %d, %+v, shows %v, %v, want %v", i, *v, got, err, heads(want.sum))
		}
		return
	}
	if v.do == "list" {
		s.compareList(i, want, rec)
		return
	}
	var got made
	if err := rec.Result.Decode(&got); err != nil || got.Sum != want.sum {
		s.t.Errorf("vertex %d, %+v, returned %x, %v, want %x", i, *v, got.Sum, err, want.sum)
	}
	if got.Session != rec.Worker {
		s.t.Errorf("vertex %d has the result of session %s, its last owner is %s", i, got.Session, rec.Worker)
	}
	if v.atLeast > 0 {
		s.compareFound(d, i, got.Found)
	}
}

// compareCut looks at a vertex that is not what it would have become: the run was
// stopped before, and it had not begun, or was told to end.
func (s *stage) compareCut(d *drawn, i int, got task.State, failures []string) {
	s.t.Helper()
	v, want := &d.vertices[i], &d.facts[i]
	cut := got == task.Skipped || got == task.Cancelled && want.begun
	if !d.stopped() || !cut {
		s.t.Errorf("vertex %d, %+v, is %v, want %v", i, *v, got, want.state)
	}
	if !d.mayHave(failures, want.failures) {
		s.t.Errorf("vertex %d, %+v, has failed with %q, want no more than %q", i, *v, failures, want.failures)
	}
}

// compareTimes asks that a vertex has begun after the end of what it waits for. A task
// that takes results would not notice: it waits for them.
func (s *stage) compareTimes(d *drawn, i int, recs []task.Record) {
	s.t.Helper()
	v, rec := &d.vertices[i], &recs[i]
	if rec.Started.IsZero() {
		return
	}
	for _, t := range v.ties {
		p := &recs[t.from]
		if d.resumed && p.State != task.Succeeded {
			continue // it has ended twice
		}
		if late := p.Finished.After(rec.Started) || p.Finished.IsZero(); late && (v.atLeast == 0 || !t.accept.Soft()) {
			s.t.Errorf("vertex %d, %+v, has begun at %v, before the end of %d at %v", i, *v, rec.Started, t.from, p.Finished)
		}
	}
}

// compareFound looks at the inputs that a vertex with AtLeast has found: which they
// are is left to chance, but each is what it must be, and in its place.
func (s *stage) compareFound(d *drawn, i int, found []uint64) {
	s.t.Helper()
	v := &d.vertices[i]
	var data []int
	for _, t := range v.ties {
		if t.data {
			data = append(data, t.from)
		}
	}
	if len(found) != len(data) {
		s.t.Errorf("vertex %d, %+v, found %d inputs, want %d", i, *v, len(found), len(data))
		return
	}
	good := map[int]bool{}
	for k, from := range data {
		if f := &d.facts[from]; found[k] != 0 && (found[k] != f.sum || f.state != task.Succeeded) {
			s.t.Errorf("vertex %d, %+v, found %x for %d, which is %v with %x", i, *v, found[k], from, f.state, f.sum)
		}
		good[from] = good[from] || found[k] != 0
	}
	n := len(v.parents()) - len(good) // those without data may have succeeded too
	for _, ok := range good {
		if ok {
			n++
		}
	}
	if n < v.atLeast {
		s.t.Errorf("vertex %d, %+v, began though at most %d of its parents had succeeded", i, *v, n)
	}
}
