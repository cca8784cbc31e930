package broker

import (
	"fmt"
	"slices"

	"github.com/gomlq/mlq/task"
)

// mmap is a map of the model. It has no counters either.
type mmap struct {
	base, width     int // width is 0 until it has its children
	parallel, allow int
	some            bool
	kids            []*mjob // that have begun, by index
	next            int     // who is looked at next for a start
	lined           bool
	cause           cause
}

// cause is what a map that fails has to tell.
type cause int

const (
	nothing cause = iota
	silence       // a child's dead letter was deleted before the run was resumed
	told          // a child's failure
)

func (m *mmap) expanded() bool { return m != nil && m.width > 0 }

// never returns how many children of a map have not begun.
func (m *mmap) never(*mjob) int {
	if !m.expanded() {
		return 0
	}
	return m.width - len(m.kids)
}

// size returns how many nodes a run has, those included that have not begun.
func (r *mrun) size() int {
	n := len(r.nodes)
	for _, j := range r.nodes {
		if j.over.expanded() {
			n += j.over.width
		}
	}
	return n
}

// expand gives a map its children, and reports whether that was its end.
func (m *model) expand(j *mjob, w *task.Width) bool {
	j.owner, j.suspect, j.waits = task.SessionID{}, false, nil
	if w.N == 0 {
		j.result = make([]byte, 6)
		m.end(j, task.Succeeded)
		return true
	}
	j.state, j.began = task.Blocked, 0 // a map has no attempt that ends with it
	o := j.over
	o.base, o.width, o.parallel, o.allow, o.some = (j.run.top+255)/256*256, w.N, w.MaxParallel, w.MaxFailures, w.Some
	if o.parallel == 0 {
		o.parallel = task.MaxMapWidth
	}
	j.run.top = o.base + o.width
	m.lineUp(j)
	m.grown = append(m.grown, j.run)
	return false
}

// lineUp puts a map that has children to begin at the head of the line.
func (m *model) lineUp(j *mjob) {
	if o := j.over; !o.lined && o.next < o.width && j.live() {
		o.lined = true
		j.run.ahead = append(j.run.ahead, j)
	}
}

// mint lets children of a map begin, while there is room.
func (m *model) mint(j *mjob) {
	o := j.over
	if o.lined = false; !j.live() {
		return
	}
	for j.run.flying() < m.window && o.flying() < o.parallel && o.next < o.width {
		i := o.next
		if o.next++; i == len(o.kids) {
			c := &mjob{
				id: j.run.id.Node(o.base + i), queue: j.queue, route: j.route, lane: j.first, first: j.first, digest: j.digest,
				run: j.run, node: o.base + i, up: j,
			}
			o.kids, j.run.kin = append(o.kids, c), append(j.run.kin, c)
			m.add(c)
			m.ready(c, false)
		} else if o.kids[i].state == task.Blocked {
			m.ready(o.kids[i], false)
		}
	}
	if o.next < o.width && o.flying() < o.parallel {
		o.lined = true
		j.run.line = append(j.run.line, j)
	}
}

func (m *mmap) flying() (n int) {
	for _, c := range m.kids {
		if c.flies() {
			n++
		}
	}
	return n
}

// judge ends a map, if it is time, and returns it then.
func (m *model) judge(j *mjob) []*mjob {
	o := j.over
	done, bad := 0, 0
	for _, c := range o.kids {
		if !c.counted {
			continue
		}
		done++
		if c.state == task.Failed && o.cause == nothing {
			o.cause = told
		}
		if c.state != task.Succeeded && (!o.some || c.state != task.Skipped) {
			bad++
		}
	}
	if !j.live() || j.run.stopped {
		return nil
	}
	switch {
	case done < o.width && (bad <= o.allow || j.run.keep):
		m.lineUp(j)
		return nil
	case bad <= o.allow:
		j.result = []byte(number(o.base) + number(o.width))
		m.end(j, task.Succeeded)
	case o.cause != nothing:
		if o.cause == told {
			j.failures++
		}
		m.end(j, task.Failed)
	default:
		m.end(j, task.Skipped)
	}
	return []*mjob{j}
}

// closeMap ends what is left of the children of a map that has ended.
func (m *model) closeMap(j *mjob) (ended []*mjob) {
	if !j.over.expanded() || j.run.stopped {
		return nil
	}
	never := task.Skipped
	if j.state == task.Cancelled {
		never = task.Cancelled
	}
	for _, c := range j.over.kids {
		if m.halt(c, never) {
			c.halted = true
			ended = append(ended, c)
		}
	}
	return ended
}

// success is how a job ends well: a map gets its children.
func (k *machine) success(l task.Lease) task.Outcome {
	return k.expansion(task.Outcome{Lease: l, Verdict: task.Succeed})
}

// expansion makes the success of a map's job one that tells of its list.
func (k *machine) expansion(o task.Outcome) task.Outcome {
	j := k.m.jobs[o.Lease.ID]
	if j.over == nil {
		return o
	}
	o.Verdict, o.Result = task.Expand, task.Data{}
	o.Width = &task.Width{N: k.below(6), MaxParallel: k.below(3), MaxFailures: max(k.below(4)-1, 0), Some: k.below(2) == 1, Chunk: 1}
	if k.one(3) {
		o.Width.First = 1
		return o
	}
	var elements [][]byte
	for i := range o.Width.N {
		elements = append(elements, fmt.Appendf(nil, "%d", i))
	}
	var err error
	if o.Width.Chunk, err = k.b.Spread(k.ctx, o.Lease, elements); len(elements) > 0 && k.fenced(o.Lease, err) != nil {
		k.again("spread")
	}
	o.Width.Chunk = max(o.Width.Chunk, 1)
	k.was = k.dump() // what others have left unchanged is compared with this
	return o
}

// pause keeps what has not started of a run from starting.
func (k *machine) pause() {
	if len(k.runs) == 0 || k.m.lazy {
		return
	}
	run := pick(k, k.runs)
	k.logf("pause %v", run.id)
	state, err := k.b.Pause(k.ctx, run.id)
	k.must(err)
	want, _ := run.record()
	if run.paused = run.paused || want == task.Running; state != want {
		k.fail("pause: %v, want %v", state, want)
	}
	k.again("pause")
	call := pastCall{what: "pause", args: k.n.rec.args, reply: k.n.rec.reply}
	k.past = append(k.past, call)
	if k.one(4) {
		k.rest()
		k.resumeRun(run)
		k.rest()
		k.replayCall(call)
	}
}

// park keeps those nodes of paused runs aside that a claim has come upon: which these are
// is its own affair.
func (k *machine) park() {
	var d *dump
	for _, run := range k.runs {
		if !run.paused || run.stopped {
			continue
		}
		if d == nil {
			d = k.dump()
		}
		run.aside = nil
		for y := d.fields("run:" + string(run.id[:]))["y"]; len(y) >= 6; y = y[6:] {
			for _, j := range slices.Concat(run.nodes, run.kin) {
				if j.node == place(y) && j.state == task.Ready && j.epoch == uint32(place(y[3:])) {
					k.m.unlist(j)
					run.aside = append(run.aside, j)
				}
			}
		}
	}
}
