package runtime

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

// fake is a broker in memory that keeps the promises a worker relies on:
// sessions, numbered exchanges, leases fenced by session and epoch, bells.
type fake struct {
	awaitLag      time.Duration // slept before a look at jobs that are waited for
	mu            sync.Mutex
	rtt           time.Duration          // slept in each call, twice: there and back
	fault         func(op string) outage // asked at each call; nil for none
	maxResult     int                    // bytes; 0 for no limit
	partitions    int
	seq           uint64
	jobs          map[task.ID]*fakeJob
	pend          [][]task.ID // by partition, the next one first
	sessions      map[task.SessionID]*fakeSession
	edges         map[task.ID][]task.ID
	calls         map[string]int
	exchanges     []task.Exchange // as they came, Done copied
	notes         []task.Note
	logs          map[task.Lease][]task.LogLine
	logErr        error
	problems      []string // what a worker must not do
	unlessBlocked []string // problems, unless an attempt was blocked
	onExchange    func(x task.Exchange, got *task.Exchanged)
}

// outage is what befalls a call.
type outage int

const (
	fine    outage = iota
	refused        // not done
	lost           // done, but the answer is lost
	closed         // not done, and nothing will be: the broker was closed
)

type fakeJob struct {
	task.Job
	state    task.State
	due      time.Time
	owner    task.SessionID
	settled  task.Settled
	done     chan struct{} // closed when terminal
	outcomes []task.Outcome
	fails    []task.Failure
	kept     *task.Data // its last checkpoint
}

type fakeSession struct {
	worker  task.Worker
	signal  func(task.Signal)
	last    map[int]uint64
	sent    map[int][]task.Lease
	answer  map[int]task.Exchanged
	idle    map[int]bool
	revoked []task.Lease
}

func newFake() *fake {
	return &fake{
		partitions: 1, jobs: map[task.ID]*fakeJob{}, pend: make([][]task.ID, 16),
		sessions: map[task.SessionID]*fakeSession{}, edges: map[task.ID][]task.ID{}, calls: map[string]int{},
	}
}

// call counts a call and lets its fault happen: do is what it does.
func (f *fake) call(ctx context.Context, op string, do func() error) error {
	f.mu.Lock()
	f.calls[op]++
	o := fine
	if f.fault != nil {
		o = f.fault(op)
	}
	f.mu.Unlock()
	if f.rtt > 0 && !sleep(ctx, f.rtt) {
		return fmt.Errorf("%w: %w", task.ErrUnavailable, ctx.Err())
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	switch o {
	case refused:
		return task.ErrUnavailable
	case closed:
		return fmt.Errorf("%w: %w", task.ErrUnavailable, task.ErrClosed)
	default:
	}
	f.mu.Lock()
	err := do()
	f.mu.Unlock()
	if f.rtt > 0 && !sleep(ctx, f.rtt) || o == lost {
		return task.ErrUnavailable
	}
	return err
}

func (f *fake) problemf(format string, args ...any) {
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
}

func (f *fake) Spread(context.Context, task.Lease, [][]byte) (int, error) {
	return 0, fmt.Errorf("%w: the fake has no maps", task.ErrInvalid)
}

func (f *fake) Element(context.Context, task.Job) (task.Data, error) {
	return task.Data{}, fmt.Errorf("%w: the fake has no maps", task.ErrInvalid)
}

func (f *fake) Partitions() int { return f.partitions }

func (f *fake) Post(ctx context.Context, calls []task.Call) ([]task.ID, error) {
	ids := make([]task.ID, len(calls))
	var rings []func()
	err := f.call(ctx, "post", func() error {
		for i := range calls {
			c := &calls[i]
			if c.ID.IsZero() {
				f.seq++
				c.ID = task.NewID(0, task.KindLone, 0, 0, uint32(f.seq), uint16(f.seq)%uint16(f.partitions))
			}
			if c.ID.Partition() == task.NoPartition {
				c.ID = c.ID.WithPartition(int(c.ID[13]) % f.partitions)
			}
			ids[i] = c.ID
			rings = append(rings, f.store(*c))
		}
		return nil
	})
	for _, ring := range rings {
		ring()
	}
	return ids, err
}

// store makes a call a job, once, and returns the bell to ring.
func (f *fake) store(c task.Call) func() {
	if f.jobs[c.ID] != nil {
		return func() {}
	}
	j := &fakeJob{Job: task.Job{Call: c, Posted: time.Now()}, state: task.Ready, done: make(chan struct{})}
	f.jobs[c.ID] = j
	return f.ready(j, false)
}

// ready puts j in line, and returns the bell to ring.
func (f *fake) ready(j *fakeJob, first bool) func() {
	j.state, j.owner = task.Ready, task.SessionID{}
	p := j.ID.Partition()
	if first {
		f.pend[p] = slices.Insert(f.pend[p], 0, j.ID)
	} else {
		f.pend[p] = append(f.pend[p], j.ID)
	}
	return f.ring(p)
}

func (f *fake) ring(p int) func() {
	for _, s := range f.sessions {
		if s.idle[p] {
			s.idle[p] = false
			return func() { s.signal(task.Signal{Kind: task.SignalBell, Partition: p}) }
		}
	}
	return func() {}
}

func (f *fake) Submit(context.Context, task.Plan) (task.RunID, error) {
	return task.RunID{}, errors.New("fake: no runs")
}

func (f *fake) Read(_ context.Context, ids []task.ID) ([]task.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]task.Record, len(ids))
	for i, id := range ids {
		j := f.jobs[id]
		if j == nil {
			return nil, task.ErrUnknown
		}
		out[i] = task.Record{Job: j.Job, State: j.state, Failures: slices.Clone(j.fails), Result: j.settled.Result}
	}
	return out, nil
}

func (f *fake) Await(ctx context.Context, ids []task.ID) ([]task.Settled, error) {
	f.mu.Lock()
	f.calls["await"]++
	js := make([]*fakeJob, len(ids))
	for i, id := range ids {
		if js[i] = f.jobs[id]; js[i] == nil {
			f.mu.Unlock()
			return nil, task.ErrUnknown
		}
	}
	lag := f.awaitLag
	f.mu.Unlock()
	if lag > 0 && !sleep(ctx, lag) {
		return nil, ctx.Err()
	}
	out := make([]task.Settled, len(ids))
	for i, j := range js {
		select {
		case <-j.done:
			out[i] = j.settled
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return out, nil
}

func (f *fake) Cancel(_ context.Context, id task.ID) (task.State, error) {
	f.mu.Lock()
	j := f.jobs[id]
	if j == nil {
		f.mu.Unlock()
		return 0, task.ErrUnknown
	}
	state := j.state
	var lease task.Lease
	signal := func(task.Signal) {}
	if !state.Terminal() {
		if s := f.sessions[j.owner]; s != nil {
			signal = s.signal
			lease = task.Lease{ID: id, Session: j.owner, Epoch: j.Lease.Epoch}
			s.revoked = append(s.revoked, lease)
		}
		f.finish(j, task.Cancelled, task.Outcome{})
		state = j.state
	}
	f.mu.Unlock()
	signal(task.Signal{Kind: task.SignalRevoked, Lease: lease})
	return state, nil
}

func (f *fake) CreateData(context.Context, task.Storing) (task.DataWriter, error) {
	return nil, fmt.Errorf("%w: the fake stores nothing", task.ErrInvalid)
}

func (f *fake) OpenData(context.Context, string) (task.DataReader, error) {
	return nil, task.ErrUnknown
}

func (f *fake) DeleteData(context.Context, string) error { return nil }

func (f *fake) Run(context.Context, task.RunID) (task.RunRecord, error) {
	return task.RunRecord{State: task.Running}, nil
}

func (f *fake) Resume(context.Context, task.RunID) (task.State, error) { return task.Running, nil }

func (f *fake) Events(context.Context, task.RunID, uint64) ([]task.Event, error) { return nil, nil }

func (f *fake) Pause(context.Context, task.RunID) (task.State, error) { return task.Running, nil }

func (f *fake) finish(j *fakeJob, s task.State, o task.Outcome) {
	j.state, j.owner = s, task.SessionID{}
	j.settled = task.Settled{ID: j.ID, State: s, Result: o.Result, Failure: o.Failure}
	j.Lease.Epoch++
	close(j.done)
}

func (f *fake) Join(ctx context.Context, w task.Worker, signal func(task.Signal)) (task.SessionID, error) {
	var id task.SessionID
	err := f.call(ctx, "join", func() error {
		f.seq++
		binary.BigEndian.PutUint64(id[:], f.seq)
		f.sessions[id] = &fakeSession{
			worker: w, signal: signal, last: map[int]uint64{}, sent: map[int][]task.Lease{},
			answer: map[int]task.Exchanged{}, idle: map[int]bool{},
		}
		return nil
	})
	return id, err
}

func (f *fake) Beat(ctx context.Context, id task.SessionID) ([]task.Lease, error) {
	var revoked []task.Lease
	err := f.call(ctx, "beat", func() error {
		s := f.sessions[id]
		if s == nil {
			return task.ErrGone
		}
		revoked = append(revoked, s.revoked...)
		return nil
	})
	return revoked, err
}

func (f *fake) Rejoin(ctx context.Context, id task.SessionID, w task.Worker) error {
	return f.call(ctx, "rejoin", func() error {
		s := f.sessions[id]
		if s == nil {
			return task.ErrGone
		}
		s.worker = w
		return nil
	})
}

func (f *fake) Leave(ctx context.Context, id task.SessionID) error {
	var rings []func()
	err := f.call(ctx, "leave", func() error {
		rings = f.expel(id)
		return nil
	})
	for _, ring := range rings {
		ring()
	}
	return err
}

// expel ends a session and requeues what it holds.
func (f *fake) expel(id task.SessionID) (rings []func()) {
	delete(f.sessions, id)
	for _, j := range f.jobs {
		if j.owner == id && j.state == task.Running {
			j.Lease.Epoch++
			j.Losses++
			rings = append(rings, f.ready(j, true))
		}
	}
	return rings
}

func (f *fake) Note(ctx context.Context, l task.Lease, n task.Note) error {
	return f.call(ctx, "note", func() error {
		if j := f.jobs[l.ID]; j == nil || j.owner != l.Session || j.Lease.Epoch != l.Epoch {
			return task.ErrLeaseLost
		}
		f.notes = append(f.notes, n)
		if n.Checkpoint != nil {
			f.jobs[l.ID].kept = n.Checkpoint
		}
		return nil
	})
}

func (f *fake) AppendLog(ctx context.Context, l task.Lease, before uint64, lines []task.LogLine) error {
	return f.call(ctx, "log", func() error {
		if f.logErr != nil {
			return f.logErr
		}
		if f.logs == nil {
			f.logs = map[task.Lease][]task.LogLine{}
		}
		if n := uint64(len(f.logs[l])); before > n {
			f.problemf("%d lines were kept of %v, not %d", n, l.ID, before)
		}
		f.logs[l] = append(f.logs[l][:before], lines...)
		return nil
	})
}

func (f *fake) Checkpoint(ctx context.Context, id task.ID) (d task.Data, ok bool, err error) {
	err = f.call(ctx, "checkpoint", func() error {
		if kept := f.jobs[id].kept; kept != nil {
			d, ok = *kept, true
		}
		return nil
	})
	return d, ok, err
}

func (f *fake) Tick(ctx context.Context) (task.Ticked, error) {
	var t task.Ticked
	var rings []func()
	err := f.call(ctx, "tick", func() error {
		for _, j := range f.jobs {
			if j.state == task.Scheduled && !j.due.After(time.Now()) {
				t.Woken++
				rings = append(rings, f.ready(j, false))
			}
		}
		return nil
	})
	for _, ring := range rings {
		ring()
	}
	return t, err
}

func (f *fake) Block(ctx context.Context, waiter task.Job, on []task.ID) error {
	return f.call(ctx, "block", func() error {
		for _, id := range on {
			if f.reaches(id, waiter.ID) {
				return task.ErrCycle
			}
		}
		f.edges[waiter.ID] = append(f.edges[waiter.ID], on...)
		return nil
	})
}

func (f *fake) reaches(from, to task.ID) bool {
	return from == to || slices.ContainsFunc(f.edges[from], func(id task.ID) bool { return f.reaches(id, to) })
}

func (f *fake) Unblock(ctx context.Context, waiter task.Job) error {
	return f.call(ctx, "unblock", func() error {
		delete(f.edges, waiter.ID)
		return nil
	})
}
