package broker

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gomlq/mlq/task"
)

// model says what becomes of jobs by the promises in docs/design.md. It has no
// Redis, no Lua, no bytes and no counters: who waits is a set, who is next is a
// slice, and how many there are is counted anew each time.
type model struct {
	now      int64 // ms, by Redis' clock
	poison   int
	keepDead int64 // ms
	ticked   int64 // when the last tick was, 0 for never

	jobs     map[task.ID]*mjob
	order    []*mjob // all jobs ever posted
	lists    map[string][]*mjob
	sessions map[task.SessionID]*msession // those that live
	longest  int64                        // lease that was asked for
	runs     map[task.ID]*mrun
	unique   map[string]*mjob
	idem     map[string]*mjob
	posted   map[string]int // by queue
	swept    map[string]int
	loose    map[string]int // lists whose first so many were put there in any order
	revoked  map[task.SessionID]map[task.Lease]bool
	lazy     bool            // edges may be followed some time after the end that opens them
	window   int             // how many nodes of a run may have started and not ended
	later    []*mjob         // released by this move, in order
	held     map[string]bool // queues that are paused
	grown    []*mrun         // a map of which has got its children by this move
}

// mjob is a job.
type mjob struct {
	id                  task.ID
	queue, route        string
	lane                byte
	state               task.State
	gone                bool // deleted after its retention
	epoch               uint32
	fails, losses, aone int
	owner               task.SessionID
	suspect             bool // it was claimed to run alone
	waits               []task.ID
	due                 int64
	unique, idem        string
	digest              string // its payload
	failures            int
	result              []byte
	began, ended        int64
	note                string
	noted               uint32                // the epoch of the attempt that said so
	cut                 bool                  // its last attempt was cancelled
	saved               string                // its checkpoint
	lines               int                   // that it has logged
	logged              map[task.Lease]uint64 // by which attempts

	run     *mrun
	node    int
	parents []task.Edge
	atLeast int
	first   byte         // its lane before it was a suspect
	heard   map[int]bool // parents of whose end it has heard
	kids    []int
	over    *mmap // of a map
	up      *mjob // of a child of one
	counted bool  // by its map, as one that has ended
	halted  bool  // since its map had ended
}

type mrun struct {
	id        task.ID
	nodes     []*mjob
	due       [][2]int // lazy: edges from ended parents that were not followed yet
	keep      bool
	failed    bool // by a failure that no child takes
	stopped   bool
	cancelled bool
	paused    bool
	watched   bool
	aside     []*mjob // ready, but in no list, since the run is paused
	ahead     []*mjob // released by this move while there was no place
	line      []*mjob // those that wait for a place among those that have started
	kin       []*mjob // children of maps that have begun
	top       int     // the first number that no node has
	exits     []*mjob // what is posted when it has ended
	exited    bool    // that was done
	times     int     // how often it was resumed
}

type msession struct {
	id        task.SessionID
	queues    []string
	functions []string
	listeners bool
	ttl       int64
	deadline  int64
	numbers   map[int]uint64 // of the last exchange, by fetcher
	diligent  bool           // its exchanges renew its lease
}

func newModel(poison int, keepDead int64) *model {
	return &model{
		poison: poison, keepDead: keepDead, jobs: map[task.ID]*mjob{}, lists: map[string][]*mjob{},
		sessions: map[task.SessionID]*msession{}, runs: map[task.ID]*mrun{}, unique: map[string]*mjob{},
		idem: map[string]*mjob{}, posted: map[string]int{}, swept: map[string]int{}, loose: map[string]int{},
		revoked: map[task.SessionID]map[task.Lease]bool{}, window: 256, held: map[string]bool{},
	}
}

func (j *mjob) list() string { return fmt.Sprintf("%s:%s:%c", j.queue, j.route, j.lane) }

// scoped returns a key of j: what it names is one thing for each function filter.
func (j *mjob) scoped(key string) string { return j.route + " " + key }

func (j *mjob) live() bool { return !j.state.Terminal() }

func (m *model) add(j *mjob) {
	j.first = j.lane
	m.jobs[j.id] = j
	m.order = append(m.order, j)
	m.posted[j.queue]++
}

func (m *model) ready(j *mjob, first bool) {
	j.state = task.Ready
	l := m.lists[j.list()]
	if first {
		m.lists[j.list()] = append([]*mjob{j}, l...)
	} else {
		m.lists[j.list()] = append(slices.Clip(l), j)
	}
}

func (m *model) unlist(j *mjob) {
	m.lists[j.list()] = slices.DeleteFunc(slices.Clone(m.lists[j.list()]), func(o *mjob) bool { return o == j })
}

// post enters one job, or says which was there before it: E, or X if another
// payload holds the idempotency key. A call that was posted before is itself, whoever
// holds its keys now.
func (m *model) post(j *mjob, delay int64) (answer byte, id task.ID) {
	if old := m.jobs[j.id]; old != nil && !old.gone {
		return 'E', j.id
	}
	if old := m.idem[j.scoped(j.idem)]; j.idem != "" && old != nil && !old.gone {
		if old.digest != j.digest {
			return 'X', old.id
		}
		return 'E', old.id
	}
	if old := m.unique[j.scoped(j.unique)]; j.unique != "" && old != nil {
		return 'E', old.id
	}
	m.add(j)
	if j.unique != "" {
		m.unique[j.scoped(j.unique)] = j
	}
	if j.idem != "" {
		m.idem[j.scoped(j.idem)] = j
	}
	if delay > 0 {
		j.state, j.due = task.Scheduled, m.now+delay
	} else {
		m.ready(j, false)
	}
	return 'N', j.id
}

func (m *model) submit(r *mrun) {
	m.runs[r.id] = r
	r.top = len(r.nodes)
	for _, j := range r.nodes {
		m.add(j)
		switch j.state = task.Blocked; {
		case len(j.parents) > 0:
		case r.flying() < m.window:
			m.ready(j, false)
		default:
			r.line = append(r.line, j)
		}
	}
}

// end ends a job. What it means for its run is for settle.
func (m *model) end(j *mjob, s task.State) {
	if j.state == task.Ready {
		m.unlist(j)
	}
	j.state, j.ended, j.waits = s, m.now, nil
	if m.unique[j.scoped(j.unique)] == j {
		delete(m.unique, j.scoped(j.unique))
	}
}

// settle follows the edges from nodes that have ended. All are counted before the edges
// of the first are followed.
func (m *model) settle(work []*mjob) {
	runs, counted := m.grown, 0
	m.grown = nil
	count := func() {
		j := work[counted]
		counted++
		if j.run == nil {
			return
		}
		if !slices.Contains(runs, j.run) {
			runs = append(runs, j.run)
		}
		work = append(work, m.closeMap(j)...)
		if j.up != nil {
			j.counted = true
			j.halted = j.halted || j.state == task.Cancelled && j.up.over.some
			work = append(work, m.judge(j.up)...)
		} else if j.state == task.Failed && !j.taken() {
			if j.run.failed = true; !j.run.keep {
				m.stop(j.run, task.Skipped)
			}
		}
	}
	for counted < len(work) {
		count()
	}
	for at := 0; at < len(work); at++ {
		if at == counted {
			count()
		}
		j := work[at]
		for _, i := range j.kids {
			if m.lazy {
				j.run.due = append(j.run.due, [2]int{j.node, i})
			} else if !j.run.stopped {
				work = append(work, m.follow(j, j.run.nodes[i])...)
			}
		}
	}
	for _, r := range runs {
		m.fill(r)
	}
	m.arrange()
	m.close()
}

// close posts the exit jobs of runs that have ended.
func (m *model) close() {
	for _, r := range m.runs {
		if state, _ := r.record(); len(r.exits) == 0 || r.exited || state == task.Running {
			continue
		}
		r.exited = true
		for i, of := range r.exits {
			j := *of
			j.id = exitID(r.id, m.now, r.times, i)
			m.add(&j)
			m.ready(&j, false)
		}
	}
}

// resume makes jobs again of the nodes of a run that did not succeed. Dead letters
// that were deleted stay failed.
func (m *model) resume(r *mrun) {
	r.stopped, r.cancelled, r.failed, r.paused, r.exited, r.line, r.aside = false, false, false, false, false, nil, nil
	for _, j := range slices.Concat(r.nodes, r.kin) {
		j.heard = nil
		if j.up != nil && j.up.state != task.Blocked {
			j.halted = true // it is not run again, so that its run is not cancelled for it
			continue
		}
		if j.state == task.Succeeded || j.gone {
			continue
		}
		if j.over.expanded() {
			j.over.next, j.over.lined, j.over.cause = 0, true, nothing
			if slices.ContainsFunc(j.over.kids, func(c *mjob) bool { return c.gone }) {
				j.over.cause = silence
			}
			r.ahead = append(r.ahead, j)
		}
		j.forget()
		j.state, j.fails, j.losses, j.aone, j.note, j.cut, j.began, j.ended = task.Blocked, 0, 0, 0, "", false, 0, 0
		j.owner, j.suspect, j.lane, j.counted, j.halted = task.SessionID{}, false, j.first, false, false
		j.epoch++
	}
	var ended, judged []*mjob
	for _, j := range r.nodes {
		switch {
		case j.state == task.Blocked && j.over.expanded():
			judged = append(judged, m.judge(j)...)
		case j.state == task.Blocked && len(j.parents) == 0:
			r.ahead = append(r.ahead, j)
		case j.state == task.Succeeded || j.gone:
			r.failed = r.failed || j.gone && !j.taken()
			ended = append(ended, j)
		}
	}
	window := m.window
	m.window = 0 // nothing starts before the end
	for ; len(ended) > 0; ended = ended[1:] {
		for _, i := range ended[0].kids {
			ended = append(ended, m.follow(ended[0], r.nodes[i])...)
		}
	}
	m.window = window
	m.grown = append(m.grown, r)
	m.settle(judged)
}

// taken reports whether all that depends on j takes its failure.
func (j *mjob) taken() bool {
	for _, i := range j.kids {
		for _, e := range j.run.nodes[i].parents {
			if e.From == j.node && e.Accept != task.AcceptAny {
				return false
			}
		}
	}
	return len(j.kids) > 0
}

// stop ends all nodes of a run that have not ended; never is the state of those that
// have not begun.
func (m *model) stop(r *mrun, never task.State) {
	if r.stopped {
		return
	}
	r.stopped = true
	m.arrange()
	for _, j := range slices.Concat(r.nodes, r.kin) {
		m.halt(j, never)
	}
}

// halt ends a job that has not ended; never is the state of one that has not begun.
func (m *model) halt(j *mjob, never task.State) bool {
	switch {
	case !j.live():
		return false
	case j.state == task.Running:
		m.revoke(j)
		m.end(j, task.Cancelled)
	case j.state == task.Scheduled:
		m.end(j, task.Cancelled)
	default:
		m.end(j, never)
	}
	return true
}

// flying returns how many nodes have started and not ended.
func (r *mrun) flying() (n int) {
	for _, j := range slices.Concat(r.nodes, r.kin) {
		if j.flies() {
			n++
		}
	}
	return n
}

// flies reports whether a node has started and not ended.
func (j *mjob) flies() bool { return j.live() && j.state != task.Blocked && j.state != 0 }

// release starts a node, or puts it in line before those that wait there.
func (m *model) release(j *mjob) {
	if j.run.flying() >= m.window || j.run.paused {
		j.run.ahead = append(j.run.ahead, j)
		return
	}
	j.state = task.Ready
	m.later = append(m.later, j)
}

// fill lets those in line start, while there is room.
func (m *model) fill(r *mrun) {
	r.line, r.ahead = append(r.ahead, r.line...), nil
	for !r.stopped && !r.paused && len(r.line) > 0 && r.flying() < m.window {
		j := r.line[0]
		switch r.line = r.line[1:]; {
		case j.over.expanded():
			m.mint(j)
		case j.live():
			m.release(j)
		}
	}
}

// arrange puts what was released first in its list, in order.
func (m *model) arrange() {
	for _, j := range slices.Backward(m.later) {
		if j.state != task.Ready {
			continue
		}
		if m.ready(j, true); m.loose[j.list()] > 0 {
			m.loose[j.list()]++ // it is before those that may lie in any order
		}
	}
	m.later = nil
}

// follow follows one edge, and returns the child if that has ended by it.
func (m *model) follow(parent, child *mjob) []*mjob {
	if child.state != task.Blocked {
		return nil
	}
	if child.heard == nil {
		child.heard = map[int]bool{}
	}
	before, _ := child.may()
	child.heard[parent.node] = true
	switch ready, never := child.may(); {
	case never:
		m.end(child, task.Skipped)
		return []*mjob{child}
	case ready && !before && !child.over.expanded():
		m.release(child)
	}
	return nil
}

// may says whether a node may start, or never may, by the parents it has heard of.
func (j *mjob) may() (ready, never bool) {
	open, soft, ended, well := 0, 0, 0, 0
	for _, e := range j.parents {
		p := j.run.nodes[e.From]
		succeeded := p.state == task.Succeeded
		if e.Accept.Soft() {
			soft++
		}
		if !j.heard[e.From] {
			if !e.Accept.Soft() {
				open++
			}
			continue
		}
		switch e.Accept {
		case task.AcceptSuccess:
			never = never || !succeeded
		case task.AcceptTrue:
			never = never || !succeeded || string(p.result) != "\xc3"
		case task.AcceptFalse:
			never = never || !succeeded || string(p.result) != "\xc2"
		case task.AcceptAny:
		case task.AcceptSkip:
			never = never || !succeeded && p.state != task.Skipped && j.atLeast == 0
		}
		if e.Accept.Soft() {
			if ended++; succeeded {
				well++
			}
		}
	}
	enough := ended == soft
	if j.atLeast > 0 {
		enough = well >= j.atLeast
		never = never || well+soft-ended < j.atLeast
	}
	return open == 0 && enough && !never, never
}

// owns reports whether a token is the right one.
func (m *model) owns(l task.Lease) *mjob {
	j := m.jobs[l.ID]
	if j == nil || j.gone || j.state != task.Running || j.owner != l.Session || j.epoch != l.Epoch {
		return nil
	}
	return j
}

// back takes a running job from its owner, under a new epoch.
func (j *mjob) back() {
	j.epoch++
	j.owner, j.suspect, j.waits = task.SessionID{}, false, nil
}

// then is a job that follows an outcome.
type then struct {
	index int
	job   *mjob
}

// number takes the number of an exchange. ok is whether it is a new one: the same
// again gets the same answer, and an older one none. After a gap Redis has lost what
// was written last, and the session with it.
func (m *model) number(s *msession, fetcher int, n uint64) (ok, gap bool) {
	switch last := s.numbers[fetcher]; {
	case n > last+1:
		delete(m.sessions, s.id)
		return false, true
	case n <= last:
		return false, false
	}
	s.numbers[fetcher] = n
	return true, false
}

// exchange ends attempts and returns those that were not accepted.
func (m *model) exchange(s *msession, done []task.Outcome, thens []then, late bool) (lost []task.ID) {
	accepted := make([]bool, len(done))
	var tokens []*mjob
	for i := range done {
		j := m.owns(done[i].Lease)
		if j == nil || slices.Contains(tokens, j) {
			lost = append(lost, done[i].Lease.ID)
			continue
		}
		accepted[i] = true
		tokens = append(tokens, j)
	}
	var ended []*mjob
	for i := range done {
		if accepted[i] {
			j := m.jobs[done[i].Lease.ID]
			over := m.verdict(j, &done[i])
			if over {
				ended = append(ended, j)
			}
			accepted[i] = over && done[i].Verdict != task.Expand // else nothing follows
		}
	}
	for _, t := range thens {
		if accepted[t.index] {
			m.post(t.job, 0)
		}
	}
	m.settle(ended)
	if late { // beats renew the lease; an exchange does when they do not
		s.deadline = m.now + s.ttl
	}
	return lost
}

// verdict ends one attempt and reports whether that was the end of the job.
func (m *model) verdict(j *mjob, o *task.Outcome) bool {
	states := map[task.Verdict]task.State{
		task.Succeed: task.Succeeded, task.Fail: task.Failed, task.CancelJob: task.Cancelled, task.SkipJob: task.Skipped,
	}
	switch o.Verdict {
	case task.Retry, task.Postpone:
		if j.back(); o.Verdict == task.Retry {
			j.fails++
			j.failures++
		}
		if o.Delay > 0 {
			j.state, j.due = task.Scheduled, m.now+o.Delay.Milliseconds()
		} else {
			m.ready(j, false)
		}
		return false
	case task.Release:
		j.back()
		m.ready(j, true)
		return false
	case task.Expand:
		return m.expand(j, o.Width)
	case task.Succeed:
		j.result = o.Result.Bytes
	case task.Fail:
		j.failures++
	default:
	}
	m.end(j, states[o.Verdict])
	return true
}

// can reports whether a session has what a route asks for.
func (s *msession) can(j *mjob) bool {
	if !slices.Contains(s.queues, j.queue) {
		return false
	}
	if j.route == "*" {
		return s.listeners
	}
	for f := range strings.SplitSeq(j.route, "+") {
		if !slices.Contains(s.functions, f) {
			return false
		}
	}
	return true
}

// wish is what a session asks for.
type wish struct {
	want, held int
	children   bool
}

// rank says which jobs come first: those of a higher priority, and for who wishes
// for children these before all others.
func (w wish) rank(lane byte) int {
	r := strings.IndexByte("lLnNhH", lane) / 2
	if w.newest(lane) {
		r += 3
	}
	return r
}

// newest reports whether a lane is taken from its end.
func (w wish) newest(lane byte) bool { return w.children && strings.IndexByte("LNH", lane) >= 0 }

// claim gives jobs to a session, or says why it must not have them.
func (m *model) claim(s *msession, w wish, got []task.Job, more, drain bool) string {
	if len(got) > w.want {
		return fmt.Sprintf("got %d jobs, wanted %d", len(got), w.want)
	}
	taken, byList := map[*mjob]bool{}, map[string][]*mjob{}
	for i := range got {
		j := m.jobs[got[i].ID]
		switch {
		case j == nil || j.state != task.Ready || taken[j]:
			return fmt.Sprintf("was given %s", j)
		case j.epoch != got[i].Lease.Epoch || j.fails+1 != got[i].Attempt || j.losses != got[i].Losses:
			return fmt.Sprintf("was given %s as epoch %d, attempt %d, losses %d", j, got[i].Lease.Epoch, got[i].Attempt, got[i].Losses)
		case j.run != nil && j.run.paused:
			return fmt.Sprintf("was given %s of a paused run", j)
		case m.held[j.queue]:
			return fmt.Sprintf("was given %s of a paused queue", j)
		case !s.can(j):
			return fmt.Sprintf("was given %s, which it cannot run", j)
		case j.lane == laneSuspect && (w.held > 0 || len(got) > 1):
			return fmt.Sprintf("was given the suspect %s beside %d others", j, w.held+len(got)-1)
		case (j.lane == laneSuspect) != got[i].Alone:
			return fmt.Sprintf("was given %s as alone: %t", j, got[i].Alone)
		}
		taken[j] = true
		byList[j.list()] = append(byList[j.list()], j)
	}
	for name, js := range byList {
		l := slices.Clone(m.lists[name])
		if w.newest(js[0].lane) {
			slices.Reverse(l)
		}
		if !slices.Equal(l[:len(js)], js) && !m.lazy {
			return fmt.Sprintf("was given %v of list %s, want %v", js, name, l[:len(js)])
		}
	}
	if why := m.fair(s, w, taken, len(got), more, drain); why != "" {
		return why
	}
	for j := range taken {
		m.unlist(j)
		j.state, j.owner, j.began, j.suspect = task.Running, s.id, m.now, j.lane == laneSuspect
	}
	return ""
}

// fair says what is wrong with what a session was not given.
func (m *model) fair(s *msession, w wish, taken map[*mjob]bool, got int, more, drain bool) string {
	lowest, alone := map[string]int{}, false
	for j := range taken {
		if r, ok := lowest[j.queue]; j.lane == laneSuspect {
			alone = true
		} else if !ok || w.rank(j.lane) < r {
			lowest[j.queue] = w.rank(j.lane)
		}
	}
	if drain && (w.held == 0 || got > 0) {
		return fmt.Sprintf("is to drain, though it holds %d and was given %d", w.held, got)
	}
	for _, j := range m.order {
		if j.state != task.Ready || j.gone || taken[j] || j.lane == laneSuspect || !s.can(j) || m.held[j.queue] || j.run != nil && j.run.paused {
			continue
		}
		if r, ok := lowest[j.queue]; ok && w.rank(j.lane) > r {
			return fmt.Sprintf("was given a job of lower rank than %s", j)
		}
		if got < w.want && !more && !drain && !alone {
			return fmt.Sprintf("was given %d of %d and told that there are no more, but there is %s", got, w.want, j)
		}
	}
	return ""
}

func (j *mjob) String() string {
	if j == nil {
		return "an unknown job"
	}
	return fmt.Sprintf("%s job %v of %s, epoch %d", j.state, j.id, j.list(), j.epoch)
}

// revoke lets beats remind the owner of j that it was cancelled.
func (m *model) revoke(j *mjob) {
	if m.revoked[j.owner] == nil {
		m.revoked[j.owner] = map[task.Lease]bool{}
	}
	j.cut = true
	m.revoked[j.owner][task.Lease{ID: j.id, Session: j.owner, Epoch: j.epoch}] = true
}

// cancel ends one job and returns the state it has then, 0 if it is unknown.
func (m *model) cancel(id task.ID) task.State {
	j := m.jobs[id]
	if j == nil || j.gone {
		return 0
	}
	if j.live() {
		if j.state == task.Running {
			m.revoke(j)
		}
		m.end(j, task.Cancelled)
		m.settle([]*mjob{j})
	}
	return j.state
}

// tick does what time brings; false if there was a tick less than a second ago.
func (m *model) tick(goOn bool) (t task.Ticked, ok bool) {
	if ago := m.now - m.ticked; !goOn && m.ticked > 0 && ago >= 0 && ago < 1000 {
		return t, false
	}
	m.ticked = m.now
	t.Woken = m.wake()
	for id, s := range m.sessions {
		s.deadline = min(s.deadline, m.now+m.longest) // the clock may have been set back
		if s.deadline < m.now {
			delete(m.sessions, id)
			t.Sessions++
		}
	}
	var ended []*mjob
	for _, j := range m.order {
		if j.state == task.Running && m.sessions[j.owner] == nil {
			t.Lost++
			if m.lose(j) {
				t.Poisoned++
				ended = append(ended, j)
			}
		}
	}
	m.settle(ended)
	var old []*mjob
	for _, j := range m.order {
		if j.state == task.Failed && !j.gone && j.ended <= m.now-m.keepDead {
			old = append(old, j)
		}
	}
	for _, j := range old {
		j.gone = true
		m.swept[j.queue]++
	}
	t.Swept = len(old)
	return t, true
}

// wake lets those become ready whose time has come, and returns how many.
func (m *model) wake() int {
	var due []*mjob
	for _, j := range m.order {
		if j.state == task.Scheduled && j.due <= m.now {
			due = append(due, j)
		}
	}
	slices.SortFunc(due, func(a, b *mjob) int { return cmp.Or(cmp.Compare(a.due, b.due), bytes.Compare(a.id[:], b.id[:])) })
	for _, j := range due {
		m.ready(j, false)
	}
	return len(due)
}

// lose takes a job back from a session that was lost, and reports whether that was
// its end. The first loss costs nothing; after it the job runs alone, and only what
// is lost while it does is its own fault.
func (m *model) lose(j *mjob) (poisoned bool) {
	if j.suspect && len(j.waits) == 0 {
		j.aone++
	}
	if j.aone >= m.poison {
		j.failures++
		m.end(j, task.Failed)
		return true
	}
	if j.losses > 0 {
		j.lane = laneSuspect
	}
	j.losses++
	j.back()
	m.ready(j, true)
	m.loose[j.list()]++
	return false
}

// block notes what a running job waits for, beside what it waits for already. If
// that closes a circle it is not noted, and block returns false. Twice the same,
// one after the other, is once: the answer may have been lost.
func (m *model) block(j *mjob, on []task.ID) bool {
	before := j.waits
	if n := len(on); len(before) >= n && slices.Equal(before[:n], on) {
		before = before[n:]
	}
	j.waits = slices.Concat(on, before)
	seen := map[task.ID]bool{}
	var leads func(id task.ID) bool
	leads = func(id task.ID) bool {
		if id == j.id {
			return true
		}
		o := m.jobs[id]
		if o == nil {
			return j.run != nil && id == j.run.id
		}
		if seen[id] {
			return false
		}
		seen[id] = true
		if o.state == task.Blocked && j.run != nil && o.atLeast == 0 {
			return slices.ContainsFunc(o.parents, func(e task.Edge) bool { return leads(o.run.nodes[e.From].id) })
		}
		return o.state == task.Running && slices.ContainsFunc(o.waits, leads)
	}
	if slices.ContainsFunc(on, leads) {
		j.waits = before
		return false
	}
	return true
}

// counts counts jobs by queue and the letter of their state.
func (m *model) counts() map[string]int {
	letters := map[task.State]string{
		task.Blocked: "b", task.Scheduled: "s", task.Running: "a",
		task.Succeeded: "S", task.Failed: "F", task.Cancelled: "C", task.Skipped: "K",
	}
	c := map[string]int{}
	for _, j := range m.order {
		if !j.gone && j.state != task.Ready { // that is what is left of P
			c[j.queue+":"+letters[j.state]]++
		}
	}
	for q, n := range m.posted {
		c[q+":P"] = n
	}
	for q, n := range m.swept {
		if n > 0 {
			c[q+":D"] = n
		}
	}
	return c
}

// record returns what is to be read of a run.
func (r *mrun) record() (state task.State, counts map[task.State]int) {
	counts = map[task.State]int{}
	n, halted := 0, 0
	for _, j := range slices.Concat(r.nodes, r.kin) {
		if j.state.Terminal() {
			counts[j.state]++
			n++
		}
		if j.halted && j.state == task.Cancelled {
			halted++
		}
		if never := j.over.never(j); never > 0 && j.state.Terminal() {
			if n += never; j.state == task.Cancelled {
				counts[task.Cancelled] += never
			} else {
				counts[task.Skipped] += never
			}
		}
	}
	switch {
	case n < r.size():
		return task.Running, counts
	case r.failed:
		return task.Failed, counts
	case counts[task.Cancelled] > halted || r.cancelled:
		return task.Cancelled, counts
	}
	return task.Succeeded, counts
}
