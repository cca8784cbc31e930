package broker

import (
	"fmt"
	"slices"

	"github.com/gomlq/mlq/task"
)

// letters draws up to n jobs of those that are fit, dead letters most of the time.
func (k *machine) letters(n int, fit func(*mjob) bool) []*mjob {
	var dead, all []*mjob
	for _, j := range k.m.order {
		if j.gone || k.m.jobs[j.id] != j || !fit(j) {
			continue
		}
		if all = append(all, j); j.state == task.Failed {
			dead = append(dead, j)
		}
	}
	var out []*mjob
	for range n {
		from := dead
		if len(dead) == 0 || k.one(6) {
			from = all
		}
		if len(from) == 0 {
			return out
		}
		if j := pick(k, from); !slices.Contains(out, j) {
			out = append(out, j)
		}
	}
	return out
}

// asked makes what scripts are asked about them; sometimes of an earlier epoch.
func (k *machine) asked(js []*mjob) (ls []deadLetter, epochs []uint32) {
	for _, j := range js {
		epoch := j.epoch
		if epoch > 0 && k.one(6) {
			epoch--
		}
		epochs = append(epochs, epoch)
		ls = append(ls, deadLetter{deadPlace{id: j.id}, epochBytes(epoch)})
		k.logf("  %v, asked for epoch %d", j, epoch)
	}
	return ls, epochs
}

// redrive lets dead letters that are no nodes be jobs again.
func (k *machine) redrive() {
	js := k.letters(1+k.below(3), func(j *mjob) bool { return j.run == nil })
	if len(js) == 0 {
		return
	}
	if j := js[0]; j.state == task.Failed && j.unique != "" && k.one(2) { // another may take its key
		rival := k.spec()
		rival.id, rival.unique, rival.route = k.newID(task.KindLone), j.unique, j.route
		k.postAs([]*mjob{rival}, []int64{0}, []bool{false})
		k.rest()
	}
	k.logf("redrive")
	ls, epochs := k.asked(js)
	errs, err := k.b.redrive(k.ctx, 0, ls)
	k.must(err)
	k.again("redrive")
	refused := false
	for i, j := range js {
		want := k.m.redrive(j, epochs[i])
		refused = refused || want != nil
		k.sameRefusal("redrive", j, errs[i], want)
	}
	if !refused {
		k.past = append(k.past, pastCall{what: "redrive", args: k.n.rec.args, reply: k.n.rec.reply})
	}
}

func (k *machine) sameRefusal(what string, j *mjob, got, want error) {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		k.fail("%s of %v: %v, want %v", what, j, got, want)
	}
}

// redrive says why j cannot be a job again, or lets it be one.
func (m *model) redrive(j *mjob, epoch uint32) error {
	switch {
	case epoch < j.epoch, j.state.Terminal() && j.state != task.Failed:
		return nil
	case j.state != task.Failed:
		return errNoLetter(j.id)
	}
	if j.unique != "" {
		if holder := m.unique[j.scoped(j.unique)]; holder != nil {
			return &HeldKeyError{ID: j.id, Holder: holder.id}
		}
		m.unique[j.scoped(j.unique)] = j
	}
	j.lane = j.lane0()
	j.epoch++
	j.fails, j.losses, j.aone, j.note, j.cut = 0, 0, 0, "", false
	j.owner, j.suspect, j.ended = task.SessionID{}, false, 0
	m.ready(j, false)
	return nil
}

// lane0 returns the lane that j has when it is no suspect any more.
func (j *mjob) lane0() byte {
	switch {
	case j.lane != laneSuspect:
		return j.lane
	case j.id.Kind() == task.KindDerived:
		return j.first &^ 0x20
	default:
		return j.first | 0x20
	}
}

// remove deletes dead letters.
func (k *machine) remove() {
	js := k.letters(1+k.below(2), func(j *mjob) bool { return j.live() || j.state == task.Failed })
	if len(js) == 0 || k.m.lazy {
		return
	}
	k.logf("remove")
	ls, epochs := k.asked(js)
	errs, err := k.b.remove(k.ctx, 0, ls)
	k.must(err)
	k.again("remove")
	refused := false
	for i, j := range js {
		var want error
		switch {
		case j.state != task.Failed || epochs[i] != j.epoch:
			want = errNoLetter(j.id)
		case j.goesOn():
			want = errNeeded(j.id)
		default:
			j.gone = true
			k.m.swept[j.queue]++
		}
		refused = refused || want != nil
		k.sameRefusal("remove", j, errs[i], want)
	}
	if !refused {
		k.past = append(k.past, pastCall{what: "remove", args: k.n.rec.args, reply: k.n.rec.reply})
	}
}

// goesOn reports whether j is a node of a run that has not ended.
func (j *mjob) goesOn() bool {
	if j.run == nil {
		return false
	}
	state, _ := j.run.record()
	return state == task.Running
}

// repost posts a dead letter again.
func (k *machine) repost() {
	js := k.letters(1, func(j *mjob) bool { return j.over == nil && j.up == nil })
	if len(js) == 0 || k.m.lazy {
		return
	}
	old, keep := js[0], k.one(2)
	j := &mjob{
		id: k.newID(task.KindLone), queue: old.queue, route: old.route, lane: old.first,
		digest: "mended payload", unique: old.unique, idem: old.idem,
	}
	if keep {
		j.idem = ""
	}
	k.logf("repost %v as %v (keep it: %t)", old, j.id, keep)
	c := k.call(j)
	it, err := k.b.prepare(&c, 0)
	k.must(err)
	id, err := k.b.repost(k.ctx, old.id, old.epoch, it, keep)
	k.again("repost")
	var want error
	holder := k.m.unique[j.scoped(j.unique)]
	switch {
	case old.state != task.Failed:
		want = errNoLetter(old.id)
	case !keep && old.goesOn():
		want = errNeeded(old.id)
	case j.unique != "" && holder != nil:
		want = &HeldKeyError{ID: old.id, Holder: holder.id}
	}
	k.sameRefusal("repost", old, err, want)
	if want != nil {
		k.unchanged("a repost was refused")
		return
	}
	k.past = append(k.past, pastCall{what: "repost", args: k.n.rec.args, reply: k.n.rec.reply})
	if !keep {
		old.gone = true
		k.m.swept[old.queue]++
	}
	if answer, _ := k.m.post(j, 0); answer != 'N' || id != j.id {
		k.fail("repost is %v, and the model says %c to %v", id, answer, j.id)
	}
}

// hold pauses a queue, or lets one that is paused go on.
func (k *machine) hold() {
	for _, q := range testQueues {
		if k.m.held[q] {
			k.holdQueue(q)
			return
		}
	}
	if k.one(3) {
		k.holdQueue(pick(k, testQueues))
	}
}

func (k *machine) holdQueue(q string) {
	times, err := k.b.holds(k.ctx, 0, q)
	k.must(err)
	k.logf("hold %s for the %d. time", q, times+1)
	k.must(k.b.hold(k.ctx, 0, q, times+1))
	k.again("hold")
	k.past = append(k.past, pastCall{what: "hold", args: k.n.rec.args, reply: k.n.rec.reply})
	if k.m.held[q] {
		delete(k.m.held, q)
	} else {
		k.m.held[q] = true
	}
}
