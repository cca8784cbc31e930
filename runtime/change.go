package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gomlq/mlq/task"
)

// removedPause is how long a job goes back for that the worker was given for a function
// which it has not any more: long enough for the broker to know it.
const removedPause = time.Second

// Add lets the worker run jobs of hs too, from now on; Run may have begun or not. Names
// are unique on a worker: one that it has must be removed first. All faults of hs are
// reported at once, each wrapping [task.ErrInvalid], and then nothing was added.
//
// Any other error is the broker's: the worker has the functions, and the broker is told of
// them with a later heartbeat. The queues of the worker stay as they are. Add and Remove
// are safe for concurrent use.
func (w *Worker) Add(ctx context.Context, hs ...task.Handler) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	r := w.functions.Load().clone()
	var errs []error
	for i, h := range hs {
		if err := r.add(h); err != nil {
			errs = append(errs, fmt.Errorf("runtime: handler %d: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, h := range hs {
		if q := h.Defaults().Queue; q != "" && !slices.Contains(w.cfg.Queues, q) {
			w.log.Warn("a task was added whose queue this worker does not serve", "task", h.Name(), "queue", q)
		}
	}
	return w.change(ctx, r)
}

// Remove lets the worker run no more jobs of the tasks with these names. Attempts under
// way go on; a job that comes all the same, since it was asked for before, goes back
// uncharged. Other workers are not concerned. A name that the worker has not is an error
// that wraps [task.ErrInvalid], and then nothing was removed. Other errors are as those of
// [Worker.Add].
func (w *Worker) Remove(ctx context.Context, names ...string) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	r := w.functions.Load().clone()
	var errs []error
	for _, name := range names {
		errs = append(errs, r.remove(name))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return w.change(ctx, r)
}

// change gives the worker the functions of r, and tells the broker. The caller has the
// lock.
func (w *Worker) change(ctx context.Context, r *registry) error {
	w.functions.Store(r)
	s := w.pool.current()
	if s == nil {
		return nil // who joins says it
	}
	return w.rejoin(ctx, s)
}

// open begins session s, and says what the worker has learned since it joined.
func (w *Worker) open(ctx context.Context, s *session) {
	w.changing.Lock()
	defer w.changing.Unlock()
	w.pool.open(s)
	if s.can == w.functions.Load() {
		return
	}
	if err := w.rejoin(ctx, s); err != nil {
		w.complaints.about(ctx, "rejoin", err)
	}
}

// rejoin tells the broker what session s can do now. The caller has the lock.
func (w *Worker) rejoin(ctx context.Context, s *session) error {
	s.can = w.functions.Load()
	err := w.b.Rejoin(ctx, s.id, w.self(s.can))
	if errors.Is(err, task.ErrGone) {
		return nil // the next beat finds that out, and who joins anew says it
	}
	w.pool.ask(s)
	if err != nil {
		return fmt.Errorf("runtime: tell the broker of the functions: %w", err)
	}
	return nil
}

// clone returns a registry that can be changed.
func (r *registry) clone() *registry {
	c := *r
	c.names, c.listeners = slices.Clone(r.names), slices.Clone(r.listeners)
	c.named, c.removed = maps.Clone(r.named), maps.Clone(r.removed)
	return &c
}

// remove takes a task off.
func (r *registry) remove(name string) error {
	hs := r.named[name]
	if hs == nil {
		return fmt.Errorf("%w: %w", task.ErrInvalid, r.unknown(name))
	}
	h := hs[0]
	if h.Name() != name {
		return fmt.Errorf("%w: runtime: %q is an alias of task %q; remove that", task.ErrInvalid, name, h.Name())
	}
	if r.removed == nil {
		r.removed = map[string]bool{}
	}
	for _, n := range append([]string{name}, h.Aliases()...) {
		delete(r.named, n)
		r.removed[n] = true
		r.names = slices.DeleteFunc(r.names, func(o string) bool { return o == n })
	}
	r.removed[""] = r.removed[""] || h.Listens()
	r.listeners = slices.DeleteFunc(r.listeners, func(o task.Handler) bool { return o.Name() == name })
	return nil
}
