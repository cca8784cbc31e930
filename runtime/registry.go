package runtime

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlq/mlq/task"
)

// registry has the task functions of a worker.
type registry struct {
	names     []string                  // in order of registration
	named     map[string][]task.Handler // lists of one
	listeners []task.Handler
	slots     int             // of the worker
	removed   map[string]bool // names that it had, and "" if it had listeners
}

// newRegistry reports every fault of hs at once. slots is how many the worker has.
func newRegistry(hs []task.Handler, slots int) (*registry, error) {
	r := &registry{slots: slots, named: make(map[string][]task.Handler, len(hs))}
	var errs []error
	if len(hs) == 0 {
		errs = append(errs, errors.New("runtime: a worker needs at least one task; pass what task.Define or Handle returned"))
	}
	for i, h := range hs {
		if err := r.add(h); err != nil {
			errs = append(errs, fmt.Errorf("runtime: handler %d: %w", i, err))
		}
	}
	return r, errors.Join(errs...)
}

func (r *registry) add(h task.Handler) error {
	if h == nil {
		return fmt.Errorf("%w: it is nil", task.ErrInvalid)
	}
	name := h.Name()
	if err := h.Err(); err != nil {
		return err
	}
	if err := task.CheckName("task", name); err != nil {
		return err
	}
	names := append([]string{name}, h.Aliases()...)
	for i, n := range names {
		switch {
		case r.named[n] == nil:
		case i > 0 || r.named[n][0].Name() != n:
			return fmt.Errorf("%w: %q is an alias of a task, and the name or an alias of another; names are unique on a worker", task.ErrInvalid, n)
		default:
			return fmt.Errorf("%w: task %q is given twice; names are unique on a worker", task.ErrInvalid, n)
		}
	}
	h = h.ForWorker(r.slots)
	r.names = append(r.names, names...)
	for _, n := range names {
		r.named[n] = []task.Handler{h}
	}
	if h.Listens() {
		r.listeners = append(r.listeners, h)
	}
	return nil
}

// find returns the functions that a job with this filter runs, in order: all
// that it names, or all listeners if it names none. The error is an
// [*unknownError].
func (r *registry) find(filter []string) ([]task.Handler, error) {
	switch len(filter) {
	case 0:
		if len(r.listeners) == 0 {
			return nil, &unknownError{removed: r.removed[""]}
		}
		return r.listeners, nil
	case 1:
		if hs := r.named[filter[0]]; hs != nil {
			return hs, nil
		}
		return nil, r.unknown(filter[0])
	}
	hs := make([]task.Handler, 0, len(filter))
	for _, name := range filter {
		h := r.named[name]
		if h == nil {
			return nil, r.unknown(name)
		}
		hs = append(hs, h...)
	}
	return hs, nil
}

func (r *registry) unknown(name string) error {
	return &unknownError{name: name, meant: task.Nearest(name, slices.Clone(r.names)), removed: r.removed[name]}
}

// all returns the functions in order of registration.
func (r *registry) all() []task.Handler {
	var out []task.Handler
	for _, name := range r.names {
		out = append(out, r.named[name]...)
	}
	return out
}
