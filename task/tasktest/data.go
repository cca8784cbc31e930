package tasktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gomlq/mlq/task"
)

// MaxStored bounds what a function may store under one key, in bytes: what a broker
// takes unless it is told otherwise.
const MaxStored = 64 << 20

// SetData lets data lie under a key, as another job would have left it.
func (r *Recorder) SetData(key string, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.data[key] = slices.Clone(data)
}

// Data returns what lies under a key, nil and false if nothing does.
func (r *Recorder) Data(key string) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, ok := r.data[key]
	return slices.Clone(d), ok
}

// Stored returns under which keys the function has stored data, and for how long, in
// order. Nothing expires in a test.
func (r *Recorder) Stored() []task.Storing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.stored)
}

// CreateData implements [task.Port].
func (a *attempt) CreateData(ctx context.Context, s task.Storing) (task.DataWriter, error) {
	if err := errors.Join(ctx.Err(), s.Validate()); err != nil {
		return nil, err
	}
	return &dataWriter{ctx: ctx, r: a.r, s: s}, nil
}

// dataWriter is a [task.DataWriter].
type dataWriter struct {
	ctx context.Context //nolint:containedctx // io.Writer has none
	r   *Recorder
	s   task.Storing
	buf bytes.Buffer
	err error // why nothing more can be written
}

func (w *dataWriter) Key() string { return w.s.Key }

func (w *dataWriter) Write(p []byte) (int, error) {
	if w.err == nil && w.buf.Len()+len(p) > MaxStored {
		w.err = fmt.Errorf("tasktest: store %q: %w: more than %d bytes", w.s.Key, task.ErrTooLarge, MaxStored)
	}
	if w.err != nil {
		return 0, w.err
	}
	return w.buf.Write(p)
}

func (w *dataWriter) Close() error {
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err != nil {
		return w.err
	}
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	w.r.data[w.s.Key] = w.buf.Bytes()
	w.r.stored = append(w.r.stored, w.s)
	w.err = errors.New("tasktest: the writer was closed")
	return nil
}

func (w *dataWriter) Abort() {
	if w.err == nil {
		w.err = errors.New("tasktest: the writer was aborted")
	}
}

// OpenData implements [task.Port].
func (a *attempt) OpenData(ctx context.Context, key string) (task.DataReader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.r.mu.Lock()
	defer a.r.mu.Unlock()
	d, ok := a.r.data[key]
	if !ok {
		return nil, fmt.Errorf("%w: there is no data under the key %q; give it with Recorder.SetData", task.ErrUnknown, key)
	}
	return dataReader{bytes.NewReader(d)}, nil
}

// dataReader is a [task.DataReader]; Size is that of bytes.Reader.
type dataReader struct{ *bytes.Reader }

func (dataReader) Close() error { return nil }

// DeleteData implements [task.Port].
func (a *attempt) DeleteData(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.r.mu.Lock()
	defer a.r.mu.Unlock()
	delete(a.r.data, key)
	return nil
}
