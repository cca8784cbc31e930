package task

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
)

func isInvalid(err error) bool { return errors.Is(err, ErrInvalid) }

func isPostError(err error) bool {
	_, ok := errors.AsType[*PostError](err)
	return ok
}

// fakePort is a queue that runs nothing: its jobs end as ends says.
type fakePort struct {
	err error // of every method, if not nil

	mu      sync.Mutex
	calls   []Call
	plans   []Plan
	ends    map[ID]Settled
	awaited [][]ID
	read    []ID
	resumed []ID
	ended   []ID // cancelled

	data     map[string]string
	stored   []Storing
	opened   int // readers
	replaced int // how many of them find that their data was replaced
}

func (p *fakePort) Post(_ context.Context, calls []Call) ([]ID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	ids := make([]ID, len(calls))
	for i := range calls {
		if calls[i].ID.IsZero() {
			calls[i].ID = NewID(1, KindLone, 1, 0, uint32(len(p.calls)), 0)
		}
		ids[i] = calls[i].ID
		p.calls = append(p.calls, calls[i])
	}
	return ids, nil
}

func (p *fakePort) Submit(_ context.Context, plan Plan) (RunID, error) {
	p.plans = append(p.plans, plan)
	return NewID(1, KindRun, 1, 0, 0, 0), p.err
}

func (p *fakePort) Await(_ context.Context, ids []ID) ([]Settled, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.awaited = append(p.awaited, slices.Clone(ids))
	ends := make([]Settled, len(ids))
	for i, id := range ids {
		end, ok := p.ends[id]
		if !ok {
			return nil, fmt.Errorf("%w: %v", ErrUnknown, id)
		}
		end.ID = id
		ends[i] = end
	}
	return ends, p.err
}

func (p *fakePort) Read(_ context.Context, ids []ID) ([]Record, error) {
	p.read = append(p.read, ids...)
	rs := make([]Record, len(ids))
	for i, id := range ids {
		rs[i] = Record{Job: Job{Call: Call{ID: id}}, State: Running, Progress: 40}
	}
	return rs, p.err
}

func (p *fakePort) Cancel(_ context.Context, id ID) (State, error) {
	p.ended = append(p.ended, id)
	return Cancelled, p.err
}

func (p *fakePort) Run(_ context.Context, id RunID) (RunRecord, error) {
	return RunRecord{ID: id, State: Running, Nodes: 4, Counts: map[State]int{Succeeded: 1, Ready: 2}}, p.err
}

func (p *fakePort) CreateData(_ context.Context, s Storing) (DataWriter, error) {
	return &fakeWriter{p: p, s: s}, p.err
}

func (p *fakePort) OpenData(_ context.Context, key string) (DataReader, error) {
	p.opened++
	d, ok := p.data[key]
	if !ok && p.err == nil {
		return nil, fmt.Errorf("%w: %q", ErrUnknown, key)
	}
	r := &fakeReader{Reader: strings.NewReader(d)}
	if p.opened <= p.replaced {
		r.err = ErrReplaced
	}
	return r, p.err
}

func (p *fakePort) DeleteData(_ context.Context, key string) error {
	delete(p.data, key)
	return p.err
}

// fakeWriter writes to a fakePort. Its port refuses writes of more than 10 bytes.
type fakeWriter struct {
	strings.Builder
	p       *fakePort
	s       Storing
	aborted bool
}

func (w *fakeWriter) Key() string { return w.s.Key }

func (w *fakeWriter) Abort() { w.aborted = true }

func (w *fakeWriter) Write(b []byte) (int, error) {
	if len(b) > 10 {
		return 0, ErrTooLarge
	}
	return w.Builder.Write(b)
}

func (w *fakeWriter) Close() error {
	if w.p.data == nil {
		w.p.data = map[string]string{}
	}
	w.p.data[w.s.Key] = w.String()
	w.p.stored = append(w.p.stored, w.s)
	return nil
}

type fakeReader struct {
	*strings.Reader
	err error // of every Read
}

func (r *fakeReader) Read(b []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.Reader.Read(b)
}

func (*fakeReader) Close() error { return nil }

func (p *fakePort) Events(context.Context, RunID, uint64) ([]Event, error) { return nil, p.err }

func (p *fakePort) Pause(context.Context, RunID) (State, error) { return Running, p.err }

func (p *fakePort) Resume(_ context.Context, id RunID) (State, error) {
	p.resumed = append(p.resumed, id)
	return Running, p.err
}

// succeed makes jobs end with values.
func (p *fakePort) succeed(t *testing.T, values ...any) []ID {
	t.Helper()
	ids := make([]ID, len(values))
	for i, v := range values {
		d, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = NewID(2, KindLone, 1, 0, uint32(i), 0)
		p.end(ids[i], Settled{State: Succeeded, Result: d})
	}
	return ids
}

func (p *fakePort) end(id ID, s Settled) {
	if p.ends == nil {
		p.ends = make(map[ID]Settled)
	}
	p.ends[id] = s
}

// fakeAttempt is the port of a running job.
type fakeAttempt struct {
	fakePort
	job     Job
	element Data // stored elsewhere
	notes   []Note
	kept    *Data // the last checkpoint
}

func (a *fakeAttempt) Job() Job { return a.job }

func (a *fakeAttempt) Element(context.Context) (Data, error) { return a.element, a.err }

func (a *fakeAttempt) Logger() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (a *fakeAttempt) Note(_ context.Context, n Note) error {
	a.notes = append(a.notes, n)
	if n.Checkpoint != nil && a.err == nil {
		a.kept = n.Checkpoint
	}
	return a.err
}

func (a *fakeAttempt) Checkpoint(context.Context) (Data, bool, error) {
	if a.kept == nil {
		return Data{}, false, a.err
	}
	return *a.kept, true, a.err
}
