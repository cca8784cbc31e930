package broker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/gomlq/mlq/task"
)

// dice decides what happens next.
type dice interface {
	// below returns a number below n, 0 being the simplest.
	below(n int) int
}

// rapidDice lets rapid decide, and shrink what it decided. Its own choice of
// numbers prefers small ones; here all are as likely.
type rapidDice struct{ t *rapid.T }

func (d rapidDice) below(n int) int {
	k := bits.Len(uint(n-1)) + 3
	v := rapid.Custom(func(t *rapid.T) (v int) {
		for range k {
			if v <<= 1; rapid.Bool().Draw(t, "bit") {
				v++
			}
		}
		return v
	}).Draw(d.t, "dice")
	return v * n >> k
}

// seedDice lets a seed decide.
type seedDice struct{ r *rand.Rand }

func (d seedDice) below(n int) int { return d.r.IntN(n) }

// machine does the same to a broker and to a model, and compares.
type machine struct {
	dice
	n    *bench
	b    *Broker
	m    *model
	ctx  context.Context
	fail func(format string, args ...any)

	trace   []string
	was     *dump // after the last step
	serial  uint32
	workers []*msession
	leases  []task.Lease // all that were ever handed out
	runs    []*mrun
	past    []pastCall
}

// pastCall is a call whose reply may have been lost, so that it may come again.
type pastCall struct {
	what    string
	args    []any
	reply   any
	session task.SessionID
	fetcher int
	number  uint64
	claimed []task.Job
	lost    []task.ID
}

var (
	testQueues    = []string{"a", "b"}
	testFunctions = []string{"f", "g", "h"}
	testRoutes    = []string{"f", "f", "g", "h", "f+g", "*"}
	testKeys      = []string{"one", "two", "three"}
)

// testBegin is when each story begins, ms: IDs have to be of our time.
var testBegin = time.Now().UnixMilli()

// testPoison and testKeep are Config.Poison and Config.DeadRetention.
const (
	testPoison = 2
	testKeep   = 10 * time.Minute
)

// testConfig is for benches on which machines work.
var testConfig = Config{Namespace: "model", Poison: testPoison, DeadRetention: testKeep}

// newMachine begins a story on n, whose scripts have an edit that the model must know of.
func newMachine(ctx context.Context, n *bench, d dice, first edit, fail func(string, ...any)) *machine {
	k := &machine{dice: d, n: n, b: n.b, m: newModel(testPoison, testKeep.Milliseconds()), ctx: ctx}
	if k.m.lazy = first == slowly; first == narrowly {
		k.m.window = narrow
	}
	k.fail = func(format string, args ...any) {
		fail("%s\nafter:\n  %s", fmt.Sprintf(format, args...), strings.Join(k.trace, "\n  "))
	}
	k.must(n.reset(ctx))
	k.setClock(testBegin)
	k.was = k.dump()
	return k
}

func (k *machine) logf(format string, args ...any) {
	k.trace = append(k.trace, fmt.Sprintf(format, args...))
}

func (k *machine) must(err error) {
	if err != nil {
		k.fail("%v", err)
	}
}

func (k *machine) one(n int) bool { return k.below(n) == n-1 } // once in n

func pick[T any](k *machine, of []T) T { return of[k.below(len(of))] }

func (k *machine) setClock(ms int64) {
	k.m.now = ms
	k.must(k.n.setClock(k.ctx, ms))
}

func (k *machine) dump() *dump {
	d, err := k.n.dump(k.ctx)
	k.must(err)
	return d
}

// unchanged asks that nothing was written since the last step.
func (k *machine) unchanged(why string) {
	if d := k.dump(); d.digest != k.was.digest {
		k.fail("%s, but changed:\n%s", why, k.was.diff(d))
	}
}

// again sends the last script once more, as if its reply had been lost: it must
// say the same and change nothing.
func (k *machine) again(what string) {
	if !k.one(6) {
		return
	}
	args, reply, err := k.n.rec.args, k.n.rec.reply, k.n.rec.err
	before := k.dump()
	got, gotErr := k.n.rdb.Do(k.ctx, args...).Result()
	if list, ok := got.([]any); ok && what == "exchange" { // it does not say again how long to wait
		reply = reply.([]any)[:len(list)]
	}
	if fmt.Sprint(err) != fmt.Sprint(gotErr) || !reflect.DeepEqual(got, reply) {
		k.fail("%s, repeated, answers %q, %v; it was %q, %v", what, got, gotErr, reply, err)
	}
	if after := k.dump(); after.digest != before.digest {
		k.fail("%s, repeated, changes:\n%s", what, before.diff(after))
	}
}

// moves are what may happen, and how often.
var moves = []struct {
	weight int
	name   string
	do     func(*machine)
}{
	{14, "exchange", (*machine).exchange},
	{7, "post", (*machine).post},
	{6, "submit", (*machine).submit},
	{2, "join", (*machine).join},
	{2, "beat", (*machine).beat},
	{1, "leave", (*machine).leave},
	{3, "cancel", (*machine).cancel},
	{1, "cancel run", (*machine).cancelRun},
	{2, "resume", (*machine).resume},
	{2, "pause", (*machine).pause},
	{3, "redrive", (*machine).redrive},
	{1, "remove", (*machine).remove},
	{1, "repost", (*machine).repost},
	{2, "hold", (*machine).hold},
	{3, "work", (*machine).workRun},
	{2, "note", (*machine).note},
	{2, "log", (*machine).log},
	{4, "block", (*machine).block},
	{1, "unblock", (*machine).unblock},
	{1, "watch", (*machine).watch},
	{6, "tick", (*machine).tick},
	{5, "jump", (*machine).jump},
	{4, "crash", (*machine).crash},
	{1, "set back", (*machine).setBack},
	{1, "flush", (*machine).flush},
	{4, "replay", (*machine).replay},
}

// step does one thing and compares.
func (k *machine) step() {
	total := 0
	for _, mv := range moves {
		total += mv.weight
	}
	at := k.below(total)
	for _, mv := range moves {
		if at -= mv.weight; at < 0 {
			clear(k.m.loose)
			mv.do(k)
			k.compare()
			return
		}
	}
}

func (k *machine) newID(kind task.Kind) task.ID {
	k.serial++
	bucket := k.serial / 3 // so that buckets have neighbours
	if kind == task.KindRun {
		bucket = k.serial
	}
	number := k.serial
	if kind == task.KindRun {
		number = 0
	}
	return task.NewID(testBegin, kind, task.ClassFor(0), bucket, number, 0)
}

// session returns a session that lives, or any that ever did.
func (k *machine) session() *msession {
	if len(k.workers) == 0 {
		k.join()
	}
	var alive []*msession
	for _, s := range k.workers {
		if k.m.sessions[s.id] == s {
			alive = append(alive, s)
		}
	}
	if len(alive) == 0 || k.one(8) {
		return pick(k, k.workers)
	}
	return pick(k, alive)
}

func (k *machine) join() {
	k.serial++
	var name task.SessionID
	binary.BigEndian.PutUint64(name[:], uint64(k.serial))
	s := &msession{id: name, ttl: []int64{2000, 30_000}[k.below(2)], numbers: map[int]uint64{}}
	again := len(k.workers) > 0 && k.one(4)
	if again {
		s = pick(k, k.workers)
		if k.m.sessions[s.id] == nil {
			again = false // the broker asks first
			s = &msession{id: name, ttl: s.ttl, numbers: map[int]uint64{}}
		}
	}
	if !again {
		for _, q := range testQueues {
			if !k.one(4) {
				s.queues = append(s.queues, q)
			}
		}
		for _, f := range testFunctions {
			if !k.one(3) {
				s.functions = append(s.functions, f)
			}
		}
		s.listeners = k.below(2) == 1 || len(s.functions) == 0
		if len(s.queues) == 0 {
			s.queues = []string{"a"}
		}
		k.workers = append(k.workers, s)
	}
	k.enter(s)
}

// enter joins s.
func (k *machine) enter(s *msession) {
	k.logf("join %v: queues %v, functions %v, listeners %t, lease %d", s.id, s.queues, s.functions, s.listeners, s.ttl)
	real, err := newSession(task.Worker{
		Name: "w", Queues: s.queues, Functions: s.functions, Listeners: s.listeners,
		LeaseTTL: time.Duration(s.ttl) * time.Millisecond,
	})
	k.must(err)
	k.must(k.b.hello(k.ctx, 0, s.id, real))
	k.b.sessions.Store(s.id, real)
	k.again("join")
	s.deadline = k.m.now + s.ttl
	k.m.longest = max(k.m.longest, s.ttl)
	k.m.sessions[s.id] = s
}

// remember keeps a session known to the process that had it, though it is over.
func (k *machine) remember(s *msession) func() {
	real, _ := k.b.sessions.Load(s.id)
	return func() { k.b.sessions.Store(s.id, real) }
}

func (k *machine) beat() {
	s := k.session()
	k.logf("beat %v", s.id)
	defer k.remember(s)()
	revoked, err := k.b.Beat(k.ctx, s.id)
	if k.m.sessions[s.id] == nil {
		if !errors.Is(err, task.ErrGone) {
			k.fail("beat of a session that is gone: %v", err)
		}
		k.unchanged("beat answered GONE")
		return
	}
	k.must(err)
	k.again("beat")
	want := slices.Collect(maps.Keys(k.m.revoked[s.id]))
	sortLeases(want)
	sortLeases(revoked)
	if !slices.Equal(want, revoked) {
		k.fail("beat tells of %v, want %v", revoked, want)
	}
	s.deadline = k.m.now + s.ttl
}

func sortLeases(ls []task.Lease) {
	slices.SortFunc(ls, func(a, b task.Lease) int {
		return cmp.Or(bytes.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.Epoch, b.Epoch))
	})
}

func (k *machine) leave() {
	s := k.session()
	k.logf("leave %v", s.id)
	defer k.remember(s)()
	k.must(k.b.Leave(k.ctx, s.id))
	k.again("leave")
	delete(k.m.sessions, s.id)
	delete(k.m.revoked, s.id)
}

// spec draws a job. It has no ID yet.
func (k *machine) spec() *mjob {
	return &mjob{
		queue: pick(k, testQueues), route: pick(k, testRoutes), lane: pick(k, []byte("nnnnlhNNH")),
		digest: pick(k, []string{"payload", "other payload"}),
	}
}

// call makes the call that posts j.
func (k *machine) call(j *mjob) task.Call {
	c := task.Call{ID: j.id, Payload: task.Data{Codec: task.CodecBytes, Bytes: []byte(j.digest)}}
	c.Spec.Queue, c.Spec.UniqueKey, c.Spec.IdempotencyKey = j.queue, j.unique, j.idem
	c.Spec.Priority = map[byte]task.Level{'l': task.Low, 'n': task.Normal, 'h': task.High}[j.lane|0x20]
	if j.lane < 'a' {
		c.Parent = task.ID{1}
	}
	if j.route != "*" {
		c.Functions = strings.Split(j.route, "+")
	}
	return c
}

func (k *machine) post() {
	plain := k.below(2) == 0
	var jobs []*mjob
	var delays []int64
	var agains []bool
	for range 1 + k.below(3) {
		j, delay, again := k.spec(), int64(0), false
		j.id = k.newID(task.KindLone)
		if !plain {
			switch k.below(5) {
			case 0:
				delay = []int64{1, 500, 1000, 60_000}[k.below(4)]
			case 1:
				j.unique = pick(k, testKeys)
			case 2:
				j.idem = pick(k, testKeys)
			case 3:
				j.unique, j.idem = pick(k, testKeys), pick(k, testKeys)
			case 4:
				if again = true; len(k.m.order) > 0 && k.one(2) {
					if j.id = pick(k, k.m.order).id; j.id.Kind() != task.KindLone {
						j.id = k.newID(task.KindDerived)
					}
				}
				if k.one(3) {
					j.unique, j.idem = pick(k, testKeys), pick(k, testKeys)
				}
			}
		}
		jobs, delays, agains = append(jobs, j), append(delays, delay), append(agains, again)
	}
	k.postAs(jobs, delays, agains)
}

// postAs posts jobs, each with its delay, and whether its ID may be known.
func (k *machine) postAs(jobs []*mjob, delays []int64, agains []bool) {
	var items []item
	var names []string
	for i, j := range jobs {
		c := k.call(j)
		c.Spec.Delay = time.Duration(delays[i]) * time.Millisecond
		it, err := k.b.prepare(&c, 0)
		k.must(err)
		it.again = agains[i]
		if k.one(4) {
			it.value, err = encodeJob(&c, nil, it.pend, "an inbox")
			k.must(err)
		}
		items = append(items, it)
		names = append(names, fmt.Sprintf("%v of %s (delay %d, unique %q, idempotent %q, again %t, %s)", j.id, j.list(), delays[i], j.unique, j.idem, agains[i], j.digest))
	}
	k.logf("post %s", strings.Join(names, ", "))
	r := newPostRequest()
	r.items = items
	k.must(k.b.poster(0, r).do(k.ctx, r))
	k.must(r.err)
	k.again("post")
	what := "post"
	if r.careful() {
		what = "admit"
	}
	k.past = append(k.past, pastCall{what: what, args: k.n.rec.args, reply: k.n.rec.reply})
	for i := range items {
		if !r.careful() {
			if answer, _ := k.m.post(jobs[i], 0); answer != 'N' {
				k.fail("the model has a plain job already: %v", jobs[i].id)
			}
			continue
		}
		answer, id := k.m.post(jobs[i], delays[i])
		conflict := r.errs != nil && r.errs[i] != nil
		if r.ids[i] != id || conflict != (answer == 'X') {
			k.fail("post %d: got %v, conflict %t; want %v, %c", i, r.ids[i], conflict, id, answer)
		}
	}
}

func (k *machine) submit() { k.submitOf(1+k.below(6), 3) }

// submitOf submits a run of n nodes, one in mapped of which is a map.
func (k *machine) submitOf(n, mapped int) *mrun {
	id := k.newID(task.KindRun)
	run := &mrun{id: id}
	plan := task.Plan{Name: "plan", KeepGoing: k.m.lazy || k.one(2)}
	run.keep = plan.KeepGoing
	run.watched = k.below(2) == 1
	plan.Events = run.watched
	for i := range n {
		j := k.spec()
		j.id, j.run, j.node = id.Node(i), run, i
		j.route, j.lane = pick(k, testFunctions), pick(k, []byte("nnh"))
		n := task.Node{Call: k.call(j)}
		n.ID = task.ID{}
		for p := range i {
			if k.below(5) < 2 {
				n.Parents = append(n.Parents, task.Edge{From: p, Accept: k.accept()})
				run.nodes[p].kids = append(run.nodes[p].kids, i)
			}
		}
		soft := 0
		for _, e := range n.Parents {
			if e.Accept.Soft() {
				soft++
			}
		}
		if soft > 0 && k.one(2) {
			n.AtLeast = 1 + k.below(soft)
		}
		j.parents, j.atLeast, j.first = n.Parents, n.AtLeast, j.lane
		if !k.m.lazy && k.one(mapped) {
			j.over = &mmap{}
			n.Map = &task.Map{Over: task.List{Form: task.ListValue, Value: []byte{0x90}}}
		}
		run.nodes = append(run.nodes, j)
		plan.Nodes = append(plan.Nodes, n)
	}
	for range k.below(3) * k.below(2) {
		if k.m.lazy {
			break
		}
		// Each run has a list of its own: of several that end at once, the order is open.
		x := &mjob{queue: "a", route: exitRoute(id), lane: 'N', digest: "payload"}
		run.exits = append(run.exits, x)
		c := k.call(x)
		c.Parent = task.ID{} // the broker says
		plan.OnExit = append(plan.OnExit, c)
	}
	k.logf("submit %v: %s", id, describe(run))
	k.must(plan.Validate())
	parts, err := k.b.parts(id, fmt.Sprintf("nonce%d", k.serial), &plan)
	k.must(err)
	for _, args := range parts {
		a, err := k.b.ask(k.ctx, k.b.scripts.submit, 0, args...)
		if err != nil || a.status != "OK" {
			k.fail("submit: %q, %v", a.status, err)
		}
		k.again("submit")
		k.past = append(k.past, pastCall{what: "submit", args: k.n.rec.args, reply: k.n.rec.reply})
	}
	k.runs = append(k.runs, run)
	k.m.submit(run)
	return run
}

// exitRoute is the function of the exit jobs of a run.
func exitRoute(run task.RunID) string { return fmt.Sprintf("exit-%x", run[6:11]) }

func describe(r *mrun) string {
	var out []string
	for _, j := range r.nodes {
		out = append(out, fmt.Sprintf("%d in %s after %v (at least %d, a map: %t)", j.node, j.list(), j.parents, j.atLeast, j.over != nil))
	}
	return fmt.Sprintf("keep going %t, %d exit jobs: %s", r.keep, len(r.exits), strings.Join(out, "; "))
}

// accept draws which ends of a parent a node accepts.
func (k *machine) accept() task.Accept {
	if k.m.lazy {
		return task.AcceptSuccess
	}
	return pick(k, []task.Accept{
		task.AcceptSuccess, task.AcceptSuccess, task.AcceptSkip, task.AcceptAny, task.AcceptAny, task.AcceptTrue, task.AcceptFalse,
	})
}

var testVerdicts = []task.Verdict{
	task.Succeed, task.Succeed, task.Succeed, task.Fail, task.Fail, task.Retry, task.Retry,
	task.CancelJob, task.SkipJob, task.Postpone, task.Release,
}

// outcomes draws the ends of some attempts, most of which are the session's.
func (k *machine) outcomes(s *msession) (done []task.Outcome, thens []then) {
	if len(k.leases) == 0 {
		return nil, nil
	}
	var mine []task.Lease
	for _, l := range k.leases {
		if l.Session == s.id && k.m.owns(l) != nil {
			mine = append(mine, l)
		}
	}
	for range k.below(4) {
		l := k.lease()
		if len(mine) > 0 && !k.one(4) {
			l = pick(k, mine)
		}
		o := task.Outcome{Lease: l, Verdict: pick(k, testVerdicts)}
		switch o.Verdict {
		case task.Succeed:
			o.Result = pick(k, []task.Data{
				{Codec: task.CodecBytes, Bytes: fmt.Appendf(nil, "result %d", len(k.trace))},
				{Codec: task.CodecMsgpack, Bytes: []byte{0xc2}}, {Codec: task.CodecMsgpack, Bytes: []byte{0xc3}},
			})
		case task.Retry, task.Fail:
			o.Failure = task.Failure{Attempt: 1, Kind: task.FailureError, Message: "failed"}
		default:
		}
		if o.Verdict == task.Succeed {
			o = k.expansion(o)
		}
		if (o.Verdict == task.Retry || o.Verdict == task.Postpone) && k.one(2) {
			o.Delay = time.Duration(1+k.below(3000)) * time.Millisecond
		}
		if k.one(5) {
			j := k.spec()
			j.id = k.newID(task.KindLone)
			o.Then = append(o.Then, k.call(j))
			thens = append(thens, then{len(done), j})
		}
		done = append(done, o)
	}
	return done, thens
}

func (k *machine) exchange() {
	s := k.session()
	done, thens := k.outcomes(s)
	w := wish{want: k.below(4), children: k.one(6)}
	switch k.below(4) {
	case 1, 2:
		for _, j := range k.m.order {
			if j.state == task.Running && j.owner == s.id {
				w.held++
			}
		}
	case 3:
		w.held = 1 + k.below(3)
	}
	fetcher := 0
	if k.one(5) {
		fetcher = 1
	}
	number := s.numbers[fetcher] + 1
	switch k.below(30) {
	case 28:
		number = uint64(max(1, int(number)-2))
	case 29:
		number += 1 + uint64(k.below(2))
	}
	k.exchangeAs(s, fetcher, number, done, thens, w)
}

// exchangeAs exchanges and holds the answer against the model.
func (k *machine) exchangeAs(s *msession, fetcher int, number uint64, done []task.Outcome, thens []then, w wish) []task.Job {
	var ends []string
	for _, o := range done {
		ends = append(ends, fmt.Sprintf("%v of %v/%d %v, delay %v, then %d", o.Lease.ID, o.Lease.Session, o.Lease.Epoch, o.Verdict, o.Delay, len(o.Then)))
	}
	k.logf("exchange of %v/%d no %d: wants %d, holds %d, children %t; ends %s", s.id, fetcher, number, w.want, w.held, w.children, strings.Join(ends, ", "))
	defer k.remember(s)()
	late := k.late(s)
	x, err := k.b.Exchange(k.ctx, task.Exchange{
		Session: s.id, Fetcher: fetcher, Number: number, Done: done, Want: w.want, Held: w.held, Children: w.children,
	})
	for i := range thens {
		thens[i].job.id = done[thens[i].index].Then[0].ID // it was placed
	}
	if k.m.sessions[s.id] == nil {
		if !errors.Is(err, task.ErrGone) {
			k.fail("exchange of a session that is gone: %v", err)
		}
		k.unchanged("exchange answered GONE")
		return nil
	}
	last := s.numbers[fetcher]
	fresh, gap := k.m.number(s, fetcher, number)
	switch {
	case gap:
		if !errors.Is(err, task.ErrGone) {
			k.fail("exchange %d after %d: %v, want GONE", number, last, err)
		}
		return nil
	case !fresh && number < last:
		if !errors.Is(err, task.ErrUnavailable) {
			k.fail("exchange %d after %d: %v, want STALE", number, last, err)
		}
		k.unchanged("exchange answered STALE")
		return nil
	case !fresh:
		k.must(err)
		k.unchanged("exchange had this number before")
		return nil
	}
	k.must(err)
	k.again("exchange")
	k.past = append(k.past, pastCall{
		what: "exchange", args: k.n.rec.args, reply: k.n.rec.reply, session: s.id, fetcher: fetcher,
		number: number, claimed: x.Jobs, lost: x.Lost,
	})
	lost := k.m.exchange(s, done, thens, late)
	if !slices.Equal(lost, x.Lost) {
		k.fail("lost %v, want %v", x.Lost, lost)
	}
	if k.m.lazy {
		k.catchUp(k.dump(), x.Jobs)
	}
	k.park()
	if why := k.m.claim(s, w, x.Jobs, x.More, x.Drain); why != "" {
		k.fail("session %v %s", s.id, why)
	}
	k.wake(w, &x)
	for i := range x.Jobs {
		k.leases = append(k.leases, x.Jobs[i].Lease)
		k.logf("  claims %v, epoch %d", x.Jobs[i].ID, x.Jobs[i].Lease.Epoch)
	}
	return x.Jobs
}

// late draws whether the worker of s believes that its beats are late.
func (k *machine) late(s *msession) bool {
	v, _ := k.b.sessions.Load(s.id)
	real, ok := v.(*session)
	if late := s.diligent || k.one(2); ok && late {
		real.beaten(time.Time{})
		return true
	} else if ok {
		real.beaten(time.Now())
	}
	return false
}

// wake lets those become ready that were due, if the exchange has seen to it: a
// session that would have nothing to do looks for them, and otherwise learns when to
// come back.
func (k *machine) wake(w wish, x *task.Exchanged) {
	idle := len(x.Jobs) < w.want && !x.Drain
	next, due := int64(0), false
	for _, j := range k.m.order {
		if j.state == task.Scheduled && (next == 0 || j.due-k.m.now < next) {
			next = max(j.due-k.m.now, 1)
			due = due || j.due <= k.m.now
		}
	}
	switch {
	case idle && !x.More && due:
		k.fail("told that there are no more jobs, but some are due")
	case idle && !x.More && x.Next.Milliseconds() != next || (!idle || x.More) && x.Next != 0:
		k.fail("told to come back in %v, want %d ms (idle: %t, more: %t)", x.Next, next, idle, x.More)
	case idle && x.More && due:
		left := len(k.dump().items("delayed")) / 2
		for _, j := range k.m.order {
			if j.state == task.Scheduled {
				left--
			}
		}
		if left < 0 {
			k.m.wake()
		}
	}
}

// jobID returns some job's ID, rarely one that there never was.
func (k *machine) jobID() task.ID {
	if len(k.m.order) == 0 || k.one(20) {
		return k.newID(task.KindLone)
	}
	return pick(k, k.m.order).id
}

func (k *machine) cancel() { k.cancelJob(k.jobID()) }

func (k *machine) cancelJob(id task.ID) {
	k.logf("cancel %v", id)
	state, err := k.b.Cancel(k.ctx, id)
	if !errors.Is(err, task.ErrUnknown) {
		k.must(err)
	}
	k.again("cancel")
	if want := k.m.cancel(id); state != want {
		k.fail("cancel: %v, %v; want %v", state, err, want)
	}
}

func (k *machine) cancelRun() {
	if len(k.runs) == 0 {
		return
	}
	k.stopRun(pick(k, k.runs))
}

func (k *machine) stopRun(run *mrun) {
	k.logf("cancel run %v", run.id)
	state, err := k.b.Cancel(k.ctx, run.id)
	k.must(err)
	if before, _ := run.record(); before == task.Running {
		run.cancelled = true
		k.m.stop(run, task.Cancelled)
		run.due = nil
		k.m.close()
	}
	k.again("cancel")
	if want, _ := run.record(); state != want && !k.m.lazy {
		k.fail("cancel run: %v, want %v", state, want)
	}
}

// workRun submits a run and lets one worker do most of it. If it fails it is resumed,
// sometimes after its dead letters are gone.
func (k *machine) workRun() {
	k.serial++
	s := &msession{
		ttl: 30_000, queues: testQueues, functions: testFunctions, listeners: true,
		numbers: map[int]uint64{}, diligent: true,
	}
	binary.BigEndian.PutUint64(s.id[:], uint64(k.serial))
	k.workers = append(k.workers, s)
	k.enter(s)
	run := k.submitOf(1+k.below(4), 2)
	for range 1 + k.below(6) {
		var done []task.Outcome
		for _, l := range k.leases {
			if j := k.m.owns(l); j != nil && l.Session == s.id && j.run == run {
				done = append(done, k.worked(l))
			}
		}
		k.rest()
		k.exchangeAs(s, 0, s.numbers[0]+1, done, nil, wish{want: 8})
	}
	switch state, _ := run.record(); {
	case k.m.lazy:
	case state == task.Failed:
		if k.one(3) {
			k.rest()
			k.logf("clock past the retention, and a tick")
			k.setClock(k.m.now + testKeep.Milliseconds() + 1)
			k.tick()
		}
		k.rest()
		k.resumeRun(run)
	case state == task.Running && k.one(3):
		k.rest()
		k.stopRun(run)
	}
}

// worked is how an attempt ends in workRun: mostly well.
func (k *machine) worked(l task.Lease) task.Outcome {
	o := k.success(l)
	switch k.below(12) {
	case 0, 1:
		o = task.Outcome{Lease: l, Verdict: task.SkipJob}
	case 2:
		k.noteOf(l)
		o = task.Outcome{Lease: l, Verdict: task.Release}
	case 3, 4, 5:
		o.Verdict, o.Failure = task.Fail, task.Failure{Attempt: 1, Kind: task.FailureError, Message: "failed"}
	}
	return o
}

// rest ends a part of a step.
func (k *machine) rest() {
	k.compareDump()
	clear(k.m.loose)
}

// resume lets a run go on that has ended.
func (k *machine) resume() {
	if len(k.runs) == 0 || k.m.lazy {
		return
	}
	run := pick(k, k.runs)
	if len(run.aside) > 0 && k.one(2) {
		k.cancelJob(pick(k, run.aside).id)
		k.rest()
	}
	k.resumeRun(run)
}

func (k *machine) resumeRun(run *mrun) {
	k.logf("resume %v", run.id)
	before, _ := run.record()
	state, err := k.b.Resume(k.ctx, run.id)
	k.must(err)
	k.again("resume")
	k.past = append(k.past, pastCall{what: "resume", args: k.n.rec.args, reply: k.n.rec.reply})
	run.times, err = k.b.resumes(k.ctx, 0, run.id)
	k.must(err)
	want := before
	switch {
	case before == task.Running && run.paused:
		run.paused = false
		for _, j := range run.aside {
			if j.state == task.Ready {
				k.m.later = append(k.m.later, j)
			}
		}
		run.aside = nil
		k.m.grown = append(k.m.grown, run)
		k.m.settle(nil)
	case before == task.Failed || before == task.Cancelled:
		k.m.resume(run)
		want, _ = run.record() // it may have ended at once: what failed cannot be run again
	}
	if state != want {
		k.fail("resume of a run that is %v: %v, want %v", before, state, want)
	}
}

// lease returns some lease that was handed out, often one of the newest, or one
// whose job has another owner since.
func (k *machine) lease() task.Lease {
	switch k.below(3) {
	case 0:
		var zombies []task.Lease
		for _, l := range k.leases {
			if k.m.jobs[l.ID].state == task.Running && k.m.owns(l) == nil {
				zombies = append(zombies, l)
			}
		}
		if len(zombies) > 0 {
			return pick(k, zombies)
		}
	case 1:
		return k.leases[len(k.leases)-1-k.below(min(len(k.leases), 4))]
	}
	return pick(k, k.leases)
}

func (k *machine) note() {
	if len(k.leases) == 0 {
		return
	}
	k.noteOf(k.lease())
}

func (k *machine) noteOf(l task.Lease) {
	text := fmt.Sprintf("note %d", len(k.trace))
	n := task.Note{Text: &text}
	if k.one(2) {
		n.Checkpoint = &task.Data{Codec: task.CodecBytes, Bytes: []byte(text)}
	}
	k.logf("note %v of %v/%d, with a checkpoint: %t", l.ID, l.Session, l.Epoch, n.Checkpoint != nil)
	err := k.b.Note(k.ctx, l, n)
	if j := k.fenced(l, err); j != nil {
		k.again("note")
		j.note, j.noted = text, l.Epoch
		if n.Checkpoint != nil {
			j.saved = "b" + text
		}
	}
}

// log lets an attempt log a line, whether its lease is lost or not.
func (k *machine) log() {
	if len(k.leases) == 0 {
		return
	}
	l := k.lease()
	j := k.m.jobs[l.ID]
	k.logf("log of %v by %v/%d", l.ID, l.Session, l.Epoch)
	err := k.b.AppendLog(k.ctx, l, j.logged[l], []task.LogLine{{Message: "line"}})
	if j.gone {
		if !errors.Is(err, task.ErrUnknown) && !errors.Is(err, task.ErrExpired) {
			k.fail("%v was deleted, but logs: %v", l.ID, err)
		}
		k.unchanged("GONE was answered")
		return
	}
	k.must(err)
	k.again("log")
	if j.logged == nil {
		j.logged = map[task.Lease]uint64{}
	}
	j.logged[l]++
	j.lines++
}

// fenced returns the job whose owner l is, and asks that anyone else was refused.
func (k *machine) fenced(l task.Lease, err error) *mjob {
	j := k.m.owns(l)
	if j == nil {
		if !errors.Is(err, task.ErrLeaseLost) {
			k.fail("%v is not the owner's, but: %v", l.ID, err)
		}
		k.unchanged("LOST was answered")
		return nil
	}
	if !errors.Is(err, task.ErrCycle) {
		k.must(err)
	}
	return j
}

func (k *machine) block() {
	if len(k.leases) == 0 {
		return
	}
	l := k.lease()
	var on []task.ID
	for range 1 + k.below(2) {
		on = append(on, k.jobID())
	}
	k.logf("block %v of %v/%d on %v", l.ID, l.Session, l.Epoch, on)
	var waiter task.Job
	waiter.ID, waiter.Lease = l.ID, l
	err := k.b.Block(k.ctx, waiter, on)
	if j := k.fenced(l, err); j != nil {
		if ok := k.m.block(j, on); ok != (err == nil) {
			k.fail("block: %v, want a circle: %t", err, !ok)
		}
		if err == nil {
			_, err := k.b.setEdge(k.ctx, l, edgeOf(on), 0)
			k.must(err)
			k.again("block")
		}
	}
}

// edgeOf is what Block notes, of depth 1.
func edgeOf(on []task.ID) []byte {
	edge := []byte{0, 1}
	for _, id := range on {
		edge = append(edge, id[:]...)
	}
	return edge
}

func (k *machine) unblock() {
	if len(k.leases) == 0 {
		return
	}
	l := k.lease()
	k.logf("unblock %v of %v/%d", l.ID, l.Session, l.Epoch)
	var waiter task.Job
	waiter.ID, waiter.Lease = l.ID, l
	if j := k.fenced(l, k.b.Unblock(k.ctx, waiter)); j != nil {
		k.again("unblock")
		j.waits = nil
	}
}

// watch asks to be told of some ends.
func (k *machine) watch() {
	ids := []task.ID{k.jobID()}
	if len(k.runs) > 0 {
		ids = append(ids, pick(k, k.runs).id)
	}
	k.logf("watch %v", ids)
	args := []any{pick(k, []string{"inbox  1", "inbox  2"})}
	for i := range ids {
		args = append(args, ids[i][:])
	}
	res, err := k.b.eval(k.ctx, k.b.scripts.watch, 0, args...)
	k.must(err)
	k.again("watch")
	letters := map[task.State]byte{task.Succeeded: 'S', task.Failed: 'F', task.Cancelled: 'C', task.Skipped: 'K'}
	for i, item := range res.([]any) {
		want := byte('?')
		if run := k.m.runs[ids[i]]; run != nil {
			state, _ := run.record()
			want = cmp.Or(letters[state], '-')
		} else if j := k.m.jobs[ids[i]]; j != nil && !j.gone {
			want = cmp.Or(letters[j.state], '-')
		}
		if got := item.(string); got[0] != want && !k.m.lazy {
			k.fail("watch %v: %q, want %c", ids[i], got, want)
		}
	}
}

func (k *machine) tick() {
	goOn := k.one(3)
	k.logf("tick (%t)", goOn)
	got, more, err := k.b.tickOnce(k.ctx, 0, goOn)
	k.must(err)
	want, ok := k.m.tick(goOn)
	if got.Released = 0; got != want {
		k.fail("tick: %+v, want %+v (%t)", got, want, ok)
	}
	if !ok {
		k.unchanged("tick answered LATER")
	}
	if more && !k.m.lazy {
		k.fail("tick says that there is more to do: %q", k.dump().items("cont"))
	}
}

// jumps of the clock, ms.
var jumps = []int64{50, 500, 1000, 1500, 1500, 2001, 31_000, 31_000, 3_600_000, 3_600_000, -1000, -3_600_000, -3_600_000}

func (k *machine) jump() {
	by := pick(k, jumps)
	k.logf("clock %+d", by)
	if k.setClock(k.m.now + by); k.below(2) == 1 {
		k.tick()
	}
}

// crash lets a session claim what it can, and all sessions fall silent.
func (k *machine) crash() {
	s := k.session()
	k.exchangeAs(s, 0, s.numbers[0]+1, nil, nil, wish{want: 3, held: k.below(2)})
	k.rest()
	k.logf("clock +31000, and a tick")
	k.setClock(k.m.now + 31_000)
	k.tick()
}

// setBack sets the clock back by an hour, while a session lives and falls silent.
func (k *machine) setBack() {
	k.join()
	for _, by := range []int64{0, -3_600_000, 31_000} {
		k.rest()
		k.logf("clock %+d, and a tick", by)
		k.setClock(k.m.now + by)
		k.tick()
	}
}

func (k *machine) flush() {
	k.logf("script flush")
	k.must(k.n.rdb.ScriptFlush(k.ctx).Err())
}

// replay sends an old call again, as it was.
func (k *machine) replay() {
	if len(k.past) == 0 {
		return
	}
	k.replayCall(k.past[len(k.past)-1-k.below(min(len(k.past), 8))])
}

func (k *machine) replayCall(c pastCall) {
	k.logf("replay of %s no %d of %v", c.what, c.number, c.session)
	args := slices.Clone(c.args)
	for _, s := range k.b.scripts.all() {
		if args[1] == (*s).sha || args[1] == (*s).text {
			args[0], args[1] = "EVAL", (*s).text // whether it was flushed or not
		}
	}
	got, err := k.n.rdb.Do(k.ctx, args...).Result()
	k.must(err)
	parts, _ := got.([]any)
	status := parts[0]
	s := k.m.sessions[c.session]
	want := "OK"
	switch {
	case c.what == "exchange" && s == nil:
		want = "GONE"
	case c.what == "exchange" && c.number < s.numbers[c.fetcher], (c.what == "post" || c.what == "admit") && !k.lastPost(c):
		want = "STALE"
	case c.what == "resume", c.what == "pause", c.what == "redrive", c.what == "remove", c.what == "hold": // it says how they stand now
	case c.what != "exchange":
		if !reflect.DeepEqual(got, c.reply) {
			k.fail("%s, replayed, answers %q, it was %q", c.what, got, c.reply)
		}
	default:
		var still, lost []byte
		for i := range c.claimed {
			// Who never had the answer cannot have given the job back, so it does not
			// matter that it may be the session's under a later epoch.
			id := c.claimed[i].ID
			if j := k.m.jobs[id]; j != nil && j.state == task.Running && j.owner == c.session {
				still = append(still, id[:]...)
			}
		}
		for _, id := range c.lost {
			lost = append(lost, id[:]...)
		}
		if parts[1] != string(lost) || parts[2] != string(still) {
			k.fail("exchange, replayed, answers lost %q, claimed %q; want %q, %q", parts[1], parts[2], lost, still)
		}
	}
	if status != want {
		k.fail("%s, replayed, answers %v, want %s", c.what, status, want)
	}
	k.unchanged("a replay was answered " + want)
}

// lastPost reports whether no post of its kind came after c.
func (k *machine) lastPost(c pastCall) bool {
	for i := len(k.past) - 1; i >= 0; i-- {
		if k.past[i].what == c.what {
			return reflect.DeepEqual(k.past[i].args, c.args)
		}
	}
	return false
}
