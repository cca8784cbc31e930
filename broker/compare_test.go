package broker

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gomlq/mlq/task"
)

// compare holds what is stored against the model.
func (k *machine) compare() {
	before := k.was.digest
	k.compareDump()
	if k.was.digest == before {
		return
	}
	k.compareJobs()
	k.compareSaved()
	if len(k.runs) > 0 {
		k.compareRun(pick(k, k.runs))
	}
	if k.one(4) {
		k.fsck(FsckConfig{})
	}
}

// compareDump compares what a dump shows.
func (k *machine) compareDump() {
	k.was = k.dump()
	if k.m.lazy {
		k.catchUp(k.was, nil)
	}
	k.compareLists()
	k.compareCounts()
}

func (k *machine) fsck(cfg FsckConfig) {
	f, err := k.b.Fsck(k.ctx, cfg)
	k.must(err)
	if len(f.Broken) > 0 {
		k.fail("fsck: %v", f.Broken)
	}
	lost := 0
	for _, j := range k.m.order {
		if j.state == task.Running && k.m.sessions[j.owner] == nil {
			lost++
		}
	}
	if f.Lost != lost {
		k.fail("fsck: %d jobs of lost sessions, want %d", f.Lost, lost)
	}
}

// compareLists compares who waits in which order. What was put first in any order
// is taken over as it lies.
func (k *machine) compareLists() {
	names := map[string]bool{}
	for name := range k.m.lists {
		names[name] = true
	}
	for key := range k.was.kinds {
		if name, ok := strings.CutPrefix(key, "pend:"); ok {
			names[name] = true
		}
	}
	for name := range names {
		var got []*mjob
		for _, e := range k.was.items("pend:" + name) {
			j := k.m.jobs[task.ID([]byte(e[:16]))]
			epoch := uint32(0)
			if len(e) > 16 {
				epoch = uint32(e[16])<<16 | uint32(e[17])<<8 | uint32(e[18])
			}
			if j != nil && j.state == task.Ready && j.epoch == epoch && j.list() == name {
				got = append(got, j)
			}
		}
		want := k.m.lists[name]
		if k.m.lazy && samePeople(got, want) {
			want = got
			k.m.lists[name] = got
		}
		// Some of those may have ended since, with a run that one of them has stopped.
		if n := min(k.m.loose[name], len(got), len(want)); samePeople(got[:n], want[:n]) {
			want = append(slices.Clone(got[:n]), want[n:]...)
			k.m.lists[name] = want
		}
		if !slices.Equal(got, want) {
			k.fail("list %s has %v, want %v", name, got, want)
		}
	}
}

// samePeople reports whether a and b have the same jobs in some order.
func samePeople(a, b []*mjob) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(j *mjob) bool { return !slices.Contains(b, j) })
}

func (k *machine) compareCounts() {
	got := map[string]int{}
	for f, v := range k.was.fields("cnt") {
		if n, err := strconv.Atoi(v); err != nil || n != 0 {
			got[f] = n
		}
	}
	if want := k.m.counts(); !maps.Equal(got, want) {
		k.fail("counts are %v, want %v", got, want)
	}
}

func (k *machine) compareJobs() {
	var ids []task.ID
	for _, j := range k.m.order {
		if j.gone && k.m.jobs[j.id] == j {
			if _, err := k.b.Read(k.ctx, []task.ID{j.id}); !errors.Is(err, task.ErrUnknown) {
				k.fail("%v is read, though it was deleted: %v", j.id, err)
			}
		} else if !j.gone {
			ids = append(ids, j.id)
		}
	}
	records, err := k.b.Read(k.ctx, ids)
	k.must(err)
	for i := range records {
		if why := k.m.jobs[ids[i]].differs(&records[i]); why != "" {
			k.fail("%v: %s", ids[i], why)
		}
	}
}

// differs says in what r is not as j.
func (j *mjob) differs(r *task.Record) string {
	type view struct {
		state                       task.State
		epoch                       uint32
		attempt, losses, failures   int
		suspect                     bool
		owner                       task.SessionID
		started, finished           int64
		result, payload, note, keys string
	}
	got := view{
		state: r.State, epoch: r.Lease.Epoch, attempt: r.Attempt, losses: r.Losses, failures: len(r.Failures),
		suspect: r.Alone, result: string(r.Result.Bytes), payload: string(r.Payload.Bytes), keys: r.Spec.UniqueKey + " " + r.Spec.IdempotencyKey,
	}
	want := view{
		state: j.state, epoch: j.epoch, attempt: j.fails + 1, losses: j.losses, failures: j.failures,
		suspect: j.lane == laneSuspect, result: string(j.result), payload: j.digest, keys: j.unique + " " + j.idem,
	}
	if j.state == task.Running {
		got.owner, want.owner = r.Lease.Session, j.owner
	}
	if j.state == task.Running || j.state == task.Succeeded || j.state == task.Failed {
		got.started, want.started = max(r.Started.UnixMilli(), 0), j.began
	}
	if j.state.Terminal() {
		got.finished, want.finished = r.Finished.UnixMilli(), j.ended
	}
	switch { // a failure comes with a note of its own
	case j.state == task.Running, j.cut:
		got.note, want.note = r.Note, j.said(j.epoch)
	case !j.state.Terminal() && j.failures == 0:
		got.note, want.note = r.Note, j.said(j.epoch-1)
	}
	if got != want {
		return fmt.Sprintf("is %+v, want %+v", got, want)
	}
	return ""
}

// forget drops the checkpoint of a job that has ended for good.
func (j *mjob) forget() {
	if j.gone {
		j.lines = 0
	}
	if j.gone || j.state.Terminal() && j.state != task.Failed {
		j.saved = ""
	}
}

// compareSaved compares the checkpoints of all jobs, and how many lines they have logged.
func (k *machine) compareSaved() {
	got := k.was.fields("saved")
	for _, j := range k.m.order {
		if j.forget(); got[string(j.id[:])] != j.saved {
			k.fail("%v has checkpoint %q, want %q", j.id, got[string(j.id[:])], j.saved)
		}
		if n, _ := strconv.Atoi(k.was.fields("log:" + string(j.id[:]))["n"]); n != j.lines {
			k.fail("%v has logged %d lines, want %d", j.id, n, j.lines)
		}
	}
}

// said returns the note of the attempt with that epoch.
func (j *mjob) said(epoch uint32) string {
	if j.noted != epoch {
		return ""
	}
	return j.note
}

func (k *machine) compareRun(run *mrun) {
	got, err := k.b.Run(k.ctx, run.id)
	k.must(err)
	for s, n := range got.Counts {
		if n == 0 {
			delete(got.Counts, s)
		}
	}
	state, counts := run.record()
	if got.State != state || !maps.Equal(got.Counts, counts) || got.Nodes != run.size() {
		k.fail("run %v is %v with %v, want %v with %v", run.id, got.State, got.Counts, state, counts)
	}
	posted := 0
	if run.exited {
		posted = len(run.exits)
	}
	if len(got.Exits) != posted || posted > 0 && k.m.jobs[got.Exits[posted-1]] == nil {
		k.fail("run %v has the exit jobs %v, want %d", run.id, got.Exits, posted)
	}
	if run.watched && !k.m.lazy {
		k.compareEvents(run)
	}
}

// catchUp follows those edges that the broker has followed, as far as a dump
// shows, where edges may be followed late. jobs were claimed just now.
func (k *machine) catchUp(d *dump, jobs []task.Job) {
	claimed := map[task.ID]bool{}
	for i := range jobs {
		claimed[jobs[i].ID] = true
	}
	for again := true; again; {
		again = false
		for _, run := range k.runs {
			for at, e := range run.due {
				parent, child := run.nodes[e[0]], run.nodes[e[1]]
				if followed(d, run, parent, child, claimed) {
					run.due = slices.Delete(run.due, at, at+1)
					k.m.settle(k.m.follow(parent, child))
					again = true
					break
				}
			}
		}
	}
}

// followed reports whether the broker has followed an edge, as far as can be seen
// from the child.
func followed(d *dump, run *mrun, parent, child *mjob, claimed map[task.ID]bool) bool {
	if child.state != task.Blocked {
		return true
	}
	if parent.state != task.Succeeded {
		return d.ended(child.id) == 'K'
	}
	waits, _ := strconv.Atoi(d.fields("run:" + string(run.id[:]))["p"+number(child.node)])
	return claimed[child.id] || waits < len(child.parents)-len(child.heard) && d.ended(child.id) == 0
}

// drain lets one healthy worker do all that is left: everything ends, and it takes
// no more claims than there are jobs.
func (k *machine) drain() {
	s := &msession{id: task.SessionID{0xFF}, ttl: 90_000, queues: testQueues, functions: testFunctions, listeners: true, numbers: map[int]uint64{}, diligent: true}
	for _, j := range k.m.order {
		if j.state == task.Scheduled {
			k.setClock(max(k.m.now, j.due))
		}
	}
	s.functions = slices.Clone(s.functions)
	for _, run := range k.runs {
		if len(run.exits) > 0 {
			s.functions = append(s.functions, exitRoute(run.id))
		}
	}
	k.workers = append(k.workers, s)
	k.enter(s)
	for _, run := range k.runs {
		if run.paused {
			k.resumeRun(run)
			k.compareDump()
			clear(k.m.loose)
		}
	}
	for q := range k.m.held {
		k.holdQueue(q)
	}
	left := k.left()
	var done []task.Outcome
	for round := 0; k.left() > 0; round++ {
		if round > 3*left+100 {
			k.fail("%d of %d jobs have not ended after %d rounds", k.left(), left, round)
		}
		clear(k.m.loose)
		k.setClock(k.m.now + 60_000)
		k.tick()
		k.compareDump()
		clear(k.m.loose)
		done = k.work(s, done)
		k.compareDump()
	}
	clear(k.m.loose)
	k.setClock(k.m.now + 60_000)
	k.tick()
	k.compare()
	k.compareJobs()
	for _, run := range k.runs {
		k.compareRun(run)
	}
	k.fsck(FsckConfig{Reaped: true})
}

func (k *machine) left() int {
	n := 0
	for _, j := range k.m.order {
		if j.live() {
			n++
		}
	}
	return n
}

// work ends what the worker holds and claims more.
func (k *machine) work(s *msession, done []task.Outcome) (next []task.Outcome) {
	for _, j := range k.exchangeAs(s, 0, s.numbers[0]+1, done, nil, wish{want: 16}) {
		next = append(next, k.success(j.Lease))
	}
	return next
}

// compareEvents builds the states of the nodes of a run from its events.
func (k *machine) compareEvents(run *mrun) {
	states, runState, seq := map[int]task.State{}, task.State(0), uint64(0)
	for {
		es, err := k.b.Events(k.ctx, run.id, seq)
		k.must(err)
		for _, e := range es {
			if seq++; e.Seq != seq {
				k.fail("event %d of run %v comes after %d", e.Seq, run.id, seq-1)
			}
			if e.OfRun() {
				runState = e.State
			} else {
				states[e.Node] = e.State
			}
		}
		if len(es) == 0 {
			break
		}
	}
	if want, _ := run.record(); runState != want {
		k.fail("by its events run %v is %v, want %v", run.id, runState, want)
	}
	for _, j := range slices.Concat(run.nodes, run.kin) {
		if got := cmp.Or(states[j.node], task.Blocked); got != j.state {
			k.fail("by the events of its run %v is %v, want %v", j.id, got, j.state)
		}
	}
}
