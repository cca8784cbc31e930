package sealed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gomlq/mlq/task"
)

// Broker is what a client, a worker and a reaper need of a broker: see package runtime,
// which says what the methods do.
type Broker interface {
	task.Port
	Join(ctx context.Context, w task.Worker, signal func(task.Signal)) (task.SessionID, error)
	Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error)
	Beat(ctx context.Context, s task.SessionID) (revoked []task.Lease, err error)
	Rejoin(ctx context.Context, s task.SessionID, w task.Worker) error
	Checkpoint(ctx context.Context, id task.ID) (task.Data, bool, error)
	AppendLog(ctx context.Context, l task.Lease, before uint64, lines []task.LogLine) error
	Leave(ctx context.Context, s task.SessionID) error
	Note(ctx context.Context, l task.Lease, n task.Note) error
	Partitions() int
	Spread(ctx context.Context, l task.Lease, elements [][]byte) (chunk int, err error)
	Element(ctx context.Context, j task.Job) (task.Data, error)
	Tick(ctx context.Context) (task.Ticked, error)
	Block(ctx context.Context, waiter task.Job, on []task.ID) error
	Unblock(ctx context.Context, waiter task.Job) error
}

// Queue is a broker that keeps nothing in plain. It is safe for concurrent use, and is
// closed by closing the broker that it was made of.
type Queue struct {
	Broker
	box *box
}

// Wrap returns b as a [Queue]. It reports every fault of c at once; the error wraps
// [task.ErrInvalid].
func Wrap(b Broker, c Config) (*Queue, error) {
	if b == nil {
		return nil, fmt.Errorf("sealed: %w: the broker is nil; open one with broker.Open", task.ErrInvalid)
	}
	x, err := newBox(c)
	if err != nil {
		return nil, err
	}
	return &Queue{b, x}, nil
}

// What data are bound to.
func ofCall(functions []string) string { return "payload\x00" + strings.Join(functions, "+") }
func ofList(functions []string) string { return "list\x00" + strings.Join(functions, "+") }
func ofJob(id task.ID) string          { return "result\x00" + string(id[:]) }
func ofSaved(id task.ID) string        { return "checkpoint\x00" + string(id[:]) }
func ofElement(m task.ID, i int) string {
	return fmt.Sprintf("element\x00%s%d", m[:], i)
}

// call returns c as it is stored, sealed with the key of that number.
func (q *Queue) call(c task.Call, number int) task.Call {
	c.Payload = q.box.seal(c.Payload, ofCall(c.Functions), number, c.Spec.IdempotencyKey != "")
	return c
}

// Post implements [task.Port].
func (q *Queue) Post(ctx context.Context, calls []task.Call) ([]task.ID, error) {
	sent := make([]task.Call, len(calls))
	for i := range calls {
		sent[i] = q.call(calls[i], 0)
	}
	var tried map[int]int // which key a call was sealed with, if not the first
	for {
		ids, err := q.Broker.Post(ctx, sent)
		for i := range sent {
			calls[i].ID = sent[i].ID
		}
		pe, ok := errors.AsType[*task.PostError](err)
		if !ok || !errors.Is(pe.Err, task.ErrConflict) || pe.First < 0 || pe.First >= len(calls) {
			return ids, err
		}
		// It may be the same call, sealed before the last rotation.
		i := pe.First
		number := tried[i] + 1
		if calls[i].Spec.IdempotencyKey == "" || number >= len(q.box.keys) {
			return ids, err
		}
		if tried == nil {
			tried = make(map[int]int)
		}
		tried[i] = number
		sent[i] = q.call(calls[i], number)
	}
}

// Submit implements [task.Port].
func (q *Queue) Submit(ctx context.Context, p task.Plan) (task.RunID, error) {
	p.Nodes, p.OnExit = slices.Clone(p.Nodes), slices.Clone(p.OnExit)
	for i := range p.OnExit {
		p.OnExit[i] = q.call(p.OnExit[i], 0)
	}
	for i := range p.Nodes {
		n := &p.Nodes[i]
		n.Call = q.call(n.Call, 0)
		if n.Map == nil {
			continue
		}
		m := *n.Map
		m.Over, _ = each(m.Over, func(v []byte) ([]byte, error) { return q.box.sealItem(v, ofList(n.Functions)), nil })
		n.Map = &m
	}
	return q.Broker.Submit(ctx, p)
}

// each returns l with other values.
func each(l task.List, f func([]byte) ([]byte, error)) (task.List, error) {
	var errs []error
	if l.Form == task.ListValue {
		v, err := f(l.Value)
		l.Value, errs = v, append(errs, err)
	}
	l.Of = slices.Clone(l.Of)
	for i := range l.Of {
		var err error
		l.Of[i], err = each(l.Of[i], f)
		errs = append(errs, err)
	}
	return l, errors.Join(errs...)
}

// Await implements [task.Port].
func (q *Queue) Await(ctx context.Context, ids []task.ID) ([]task.Settled, error) {
	ends, err := q.Broker.Await(ctx, ids)
	if err != nil {
		return ends, err
	}
	for i := range ends {
		if ends[i].Result, err = q.result(ends[i].ID, ends[i].Result); err != nil {
			return nil, q.ruled(fmt.Errorf("result of job %v: %w", ends[i].ID, err))
		}
	}
	return ends, nil
}

// Read implements [task.Port]. What cannot be opened stays as it is: the rest of the
// record is of use without it.
func (q *Queue) Read(ctx context.Context, ids []task.ID) ([]task.Record, error) {
	rs, err := q.Broker.Read(ctx, ids)
	for i := range rs {
		r := &rs[i]
		_ = q.job(&r.Job)
		if d, err := q.result(r.ID, r.Result); err == nil {
			r.Result = d
		}
	}
	return rs, err
}

// result opens the result of job id.
func (q *Queue) result(id task.ID, d task.Data) (task.Data, error) {
	if isBool(d) {
		return d, nil
	}
	return q.box.open(d, ofJob(id))
}

// isBool reports whether d is true or false: the broker decides by them whether a node
// runs, so they are not sealed.
func isBool(d task.Data) bool {
	return d.Codec == task.CodecMsgpack && len(d.Bytes) == 1 && (d.Bytes[0] == 0xc2 || d.Bytes[0] == 0xc3)
}

// Exchange seals the results of attempts, and opens the jobs that come. One that cannot
// be opened has a Fault.
func (q *Queue) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	x.Done = slices.Clone(x.Done) // it is repeated as it is
	for i := range x.Done {
		o := &x.Done[i]
		if !isBool(o.Result) {
			o.Result = q.box.seal(o.Result, ofJob(o.Lease.ID), 0, false)
		}
		o.Note = q.note(o.Lease.ID, o.Note)
		o.Then = slices.Clone(o.Then)
		for k := range o.Then {
			o.Then[k] = q.call(o.Then[k], 0)
		}
	}
	got, err := q.Broker.Exchange(ctx, x)
	for i := range got.Jobs {
		j := &got.Jobs[i]
		if err := q.job(j); err != nil && j.Fault == nil {
			j.Fault = q.postponed(err)
		}
	}
	return got, err
}

// note returns n with its checkpoint sealed.
func (q *Queue) note(id task.ID, n task.Note) task.Note {
	if n.Checkpoint != nil {
		d := q.box.seal(*n.Checkpoint, ofSaved(id), 0, false)
		n.Checkpoint = &d
	}
	return n
}

// Note seals a checkpoint, and nothing else that an attempt says of itself.
func (q *Queue) Note(ctx context.Context, l task.Lease, n task.Note) error {
	return q.Broker.Note(ctx, l, q.note(l.ID, n))
}

// Checkpoint opens the latest checkpoint of a job.
func (q *Queue) Checkpoint(ctx context.Context, id task.ID) (task.Data, bool, error) {
	d, ok, err := q.Broker.Checkpoint(ctx, id)
	if err != nil || !ok {
		return d, ok, err
	}
	d, err = q.box.open(d, ofSaved(id))
	return d, ok, q.ruled(err)
}

// job opens what j carries.
func (q *Queue) job(j *task.Job) error {
	var errs [3]error
	if d, err := q.box.open(j.Payload, ofCall(j.Functions)); err != nil {
		errs[0] = err
	} else {
		j.Payload = d
	}
	if j.Map != nil {
		m := *j.Map
		m.Over, errs[1] = each(m.Over, func(v []byte) ([]byte, error) { return q.box.openItem(v, ofList(j.Functions)) })
		j.Map = &m
	}
	if e := j.Element; e != nil && j.Map != nil && e.Value.Codec == task.CodecMsgpack {
		opened := *e
		opened.Value.Bytes, errs[2] = q.box.openItem(e.Value.Bytes, q.place(j))
		j.Element = &opened
	}
	return errors.Join(errs[:]...)
}

// place says what the element is bound to that j is for.
func (q *Queue) place(j *task.Job) string {
	return ofElement(j.ID.Run().Node(j.Map.Node), j.Element.Index)
}

// Spread seals the elements of a list.
func (q *Queue) Spread(ctx context.Context, l task.Lease, elements [][]byte) (int, error) {
	out := make([][]byte, len(elements))
	for i, e := range elements {
		out[i] = q.box.sealItem(e, ofElement(l.ID, i))
	}
	return q.Broker.Spread(ctx, l, out)
}

// Element opens the element that j is for.
func (q *Queue) Element(ctx context.Context, j task.Job) (task.Data, error) {
	d, err := q.Broker.Element(ctx, j)
	if err != nil || d.Codec != task.CodecMsgpack {
		return d, err
	}
	if d.Bytes, err = q.box.openItem(d.Bytes, q.place(&j)); err != nil {
		return task.Data{}, q.ruled(fmt.Errorf("element %d: %w", j.Element.Index, err))
	}
	return d, nil
}

// postponed is what becomes of a job that could not be opened.
func (q *Queue) postponed(err error) error {
	if ke, ok := errors.AsType[*KeyError](err); ok {
		q.complain(ke)
		return task.Snooze(KeyDelay)
	}
	return err
}

// ruled lets the job wait that has got err, and returns it, if a key is missing.
func (q *Queue) ruled(err error) error {
	ke, ok := errors.AsType[*KeyError](err)
	if !ok {
		return err
	}
	q.complain(ke)
	return &task.Ruling{Verdict: task.Postpone, Delay: KeyDelay, Err: err}
}

// complain logs that a key is missing, once.
func (q *Queue) complain(e *KeyError) {
	if _, known := q.box.missed.LoadOrStore(e.Key, true); !known {
		q.box.cfg.Logger.Warn("a key is missing; jobs that need it wait for a worker that has it", "key", e.Key, "delay", KeyDelay)
	}
}
