package task

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// VersionHeader is the header in which the version of a payload travels; a payload of
// version 0 has none. Only [Version] is meant to set it.
const VersionHeader = "mlq-version"

// NewerDelay is how long a job waits whose payload is newer than the worker that has
// claimed it: long enough that many of them cost next to nothing, short enough that
// they are run soon after the first newer worker has come.
const NewerDelay = 30 * time.Second

// MaxVersion bounds [Version]: each one below it takes an [Upgrade], or [OldestVersion].
const MaxVersion = 10_000

// Version says that the task's input is of version n, 0 to 10,000. Default 0. Raise it
// when a change of the input's type is such that old payloads would be misread, and
// give the worker an [Upgrade] from each version before. What msgpack reads anyhow, as
// a field more or less, needs no version.
//
// A job whose payload is newer than the worker that has claimed it is put back for
// [NewerDelay], without an attempt spent, until a newer worker has it; the worker
// complains once. So workers and producers may be renewed in any order.
func Version(n int) DefineOption { return defineOnly(func(d *definition) { d.version = n }) }

// OldestVersion says that no payload older than version n is about any more, so that
// it needs no [Upgrade]: a job with one fails for good. Default 0.
func OldestVersion(n int) DefineOption { return defineOnly(func(d *definition) { d.oldest = n }) }

// Upgrade turns a payload of version from into one of the next version; its types are
// those of the two. An older payload passes all of them, step by step, on its way to the
// function; middleware is given it as it was posted. An error of fn is the attempt's.
// Where a step is missing, or does not fit the next one, no worker can be made.
func Upgrade[Old, New any](from int, fn func(Old) (New, error)) DefineOption {
	u := upgrade{from: from, takes: reflect.TypeFor[Old](), makes: reflect.TypeFor[New](), absent: fn == nil}
	u.take = func(ctx Context, payload Data) (any, error) { return take[Old](ctx, payload) }
	u.step = func(old any) (any, error) {
		v, _ := old.(Old) // of that type, as check has found, or a nil interface
		return fn(v)
	}
	return defineOnly(func(d *definition) { d.upgrades = append(d.upgrades, u) })
}

// Aliases are names that the task had before: a worker also runs the jobs that were
// posted under one. Keys and records of such a job stay with the name it was posted
// under. A name that is another task's on the same worker is refused.
func Aliases(names ...string) DefineOption {
	return defineOnly(func(d *definition) { d.aliases = append(d.aliases, names...) })
}

// upgrade is one step from a version to the next.
type upgrade struct {
	from   int
	takes  reflect.Type
	makes  reflect.Type
	absent bool                             // there is no function
	take   func(Context, Data) (any, error) // decodes an old payload
	step   func(any) (any, error)
}

// work is what only workers heed of a definition.
type work struct {
	use      []Middleware
	aliases  []string
	version  int
	oldest   int
	upgrades []upgrade
}

// check reports what is wrong for producers too.
func (w *work) check(name string) error {
	var errs []error
	for i, alias := range w.aliases {
		if err := CheckName("task", alias); err != nil {
			errs = append(errs, fmt.Errorf("alias: %w", err))
		} else if alias == name || slices.Contains(w.aliases[:i], alias) {
			errs = append(errs, fmt.Errorf("%w: the alias %q is the task's name, or given twice", ErrInvalid, alias))
		}
	}
	if w.version < 0 || w.version > MaxVersion {
		errs = append(errs, fmt.Errorf("%w: Version is %d, want 0 to %d", ErrInvalid, w.version, MaxVersion))
	}
	if w.oldest < 0 || w.oldest > max(w.version, 0) {
		errs = append(errs, fmt.Errorf("%w: OldestVersion is %d, want 0 to %d, the Version", ErrInvalid, w.oldest, max(w.version, 0)))
	}
	return errors.Join(errs...)
}

// chain sorts the steps, and reports all that is wrong with them for an input of type in.
func (w *work) chain(in reflect.Type) ([]upgrade, error) {
	steps := slices.Clone(w.upgrades)
	slices.SortStableFunc(steps, func(a, b upgrade) int { return a.from - b.from })
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
	}
	for i, u := range steps {
		switch {
		case u.from < w.oldest || u.from >= w.version:
			bad("Upgrade from version %d, want %d to %d: from OldestVersion to below Version", u.from, w.oldest, w.version-1)
		case i > 0 && steps[i-1].from == u.from:
			bad("Upgrade from version %d is given twice", u.from)
		case u.absent:
			bad("Upgrade from version %d: its function is nil", u.from)
		}
		want := in
		if u.from < w.version-1 {
			if i+1 == len(steps) || steps[i+1].from != u.from+1 {
				continue // it is missing
			}
			want = steps[i+1].takes
		}
		if u.makes != want {
			bad("Upgrade from version %d makes a %v, but version %d is a %v", u.from, u.makes, u.from+1, want)
		}
	}
	if missing := w.missing(steps); len(missing) > 0 {
		more := ""
		if n := len(missing) - maxNamed; n > 0 {
			missing, more = missing[:maxNamed], fmt.Sprintf(" and %d more", n)
		}
		bad("there is no Upgrade from version %v%s; add them, or say with task.OldestVersion that no such payload is about", missing, more)
	}
	return steps, errors.Join(errs...)
}

// maxNamed bounds how many missing versions an error names.
const maxNamed = 8

// missing returns the versions without a step.
func (w *work) missing(steps []upgrade) (vs []int) {
	for v := max(w.oldest, 0); v < w.version && w.version <= MaxVersion; v++ {
		if !slices.ContainsFunc(steps, func(u upgrade) bool { return u.from == v }) {
			vs = append(vs, v)
		}
	}
	return vs
}

// versioned returns t with its chain of upgrades.
func (t Task[In, Out]) versioned() Task[In, Out] {
	if t.work == nil {
		return t
	}
	steps, err := t.work.chain(reflect.TypeFor[In]())
	if err != nil {
		t.err = errors.Join(t.err, fmt.Errorf("task %q: %w", t.name, err))
	}
	t.steps = steps
	return t
}

// input returns the function's input, of whatever version the payload is.
func (t Task[In, Out]) input(ctx Context, payload Data) (In, error) {
	var zero In
	v, err := versionOf(ctx.Job().Spec.Headers)
	switch {
	case err != nil:
		return zero, err
	case v == t.work.version:
		return take[In](ctx, payload)
	case v > t.work.version:
		t.complain(ctx, v)
		return zero, Snooze(NewerDelay)
	case v < t.work.oldest:
		return zero, fmt.Errorf("%w: the payload is of version %d, and the oldest that this worker knows is %d", ErrInvalid, v, t.work.oldest)
	}
	steps := t.steps[v-t.work.oldest:]
	in, err := steps[0].take(ctx, payload)
	if err != nil {
		return zero, err
	}
	for _, u := range steps {
		if in, err = u.step(in); err != nil {
			return zero, &upgradeError{task: t.name, from: u.from, err: err}
		}
	}
	out, _ := in.(In) // of that type, as chain has found, or a nil interface
	return out, nil
}

// upgradeError: an [Upgrade] has failed. What it wraps decides what becomes of the job.
type upgradeError struct {
	task string
	from int
	err  error
}

func (e *upgradeError) Error() string {
	return fmt.Sprintf("task %q: upgrade of the payload from version %d: %v", e.task, e.from, e.err)
}

func (e *upgradeError) Unwrap() error { return e.err }

// complain logs that a payload is too new, once for each version.
func (t Task[In, Out]) complain(ctx Context, v int) {
	for {
		known := t.newest.Load()
		if int64(v) <= known {
			return
		}
		if t.newest.CompareAndSwap(known, int64(v)) {
			break
		}
	}
	ctx.Logger().Warn("a payload is newer than this worker; such jobs wait for a newer worker",
		"version", v, "known", t.work.version, "delay", NewerDelay)
}

func versionOf(headers map[string]string) (int, error) {
	text, ok := headers[VersionHeader]
	if !ok {
		return 0, nil
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 0 || v > MaxVersion {
		return 0, fmt.Errorf("%w: the header %s is %.20q, want 0 to %d", ErrInvalid, VersionHeader, text, MaxVersion)
	}
	return v, nil
}
