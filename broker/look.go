package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlq/mlq/task"
)

// lookRequest asks how some jobs of one partition stand.
type lookRequest struct {
	ids  []task.ID
	err  error
	done chan struct{}
}

func (r *lookRequest) finished() <-chan struct{} { return r.done }

func lookSize(r *lookRequest) int { return len(r.ids) }

// look settles the entries of those ids that have ended, and asks to be told of
// the others. Concurrent looks share round trips.
func (b *Broker) look(ctx context.Context, ids []task.ID) error {
	groups, err := b.byPartition(ids)
	if err != nil {
		return err
	}
	for p, places := range groups {
		for len(places) > 0 {
			n := min(len(places), maxLook)
			r := &lookRequest{done: make(chan struct{})}
			for _, i := range places[:n] {
				r.ids = append(r.ids, ids[i])
			}
			if err := b.lookers[p].do(ctx, r); err != nil {
				return fmt.Errorf("broker: wait: %w", err)
			}
			if r.err != nil {
				return r.err
			}
			places = places[n:]
		}
	}
	return nil
}

// lookAt returns what flushes looks at partition p.
func (b *Broker) lookAt(p int) func(context.Context, []*lookRequest) {
	return func(ctx context.Context, rs []*lookRequest) {
		var ids []task.ID
		for _, r := range rs {
			ids = append(ids, r.ids...)
		}
		var err error
		for len(ids) > 0 && err == nil { // an answer is bounded in bytes, and may leave some out
			ids, err = b.watch(ctx, p, ids)
		}
		for _, r := range rs {
			r.err = err
			close(r.done)
		}
	}
}

// watch asks how ids stand, takes the answers, and returns those that were left out.
func (b *Broker) watch(ctx context.Context, p int, ids []task.ID) (left []task.ID, err error) {
	args := make([]any, 0, 1+len(ids))
	args = append(args, b.waits.name)
	for i := range ids {
		args = append(args, ids[i][:])
	}
	res, err := b.eval(ctx, b.scripts.watch, p, args...)
	if err != nil {
		return nil, err
	}
	list, _ := res.([]any)
	if len(list) != len(ids) || list[0] == "+" {
		return nil, fmt.Errorf("broker: watch: %w: %d answers for %d questions", task.ErrDamaged, len(list), len(ids))
	}
	for i, id := range ids {
		s, _ := list[i].(string)
		if s == "+" {
			return ids[i:], nil
		}
		b.waits.seen(id, s)
	}
	return nil, nil
}

// seen takes one answer of watch.lua.
func (h *waitHub) seen(id task.ID, s string) {
	switch {
	case s == "" || s[0] == '?':
		h.settle(waitEntry{id: id, err: h.b.missing(id)})
	case s[0] == '-':
	case s[0] == 'F' && id.Kind() != task.KindRun:
		past, err := decodeHistory(s[1:])
		h.settle(waitEntry{id: id, end: &task.Settled{ID: id, State: task.Failed, Failure: past.last.Failure}, err: err})
	default:
		h.settle(waitEntry{id: id, state: s[0], tail: s[1:]})
	}
}

// missing says why nothing is known of id.
func (b *Broker) missing(id task.ID) error {
	keep := id.Class().Duration()
	if keep != task.Forever && id.Kind() != task.KindDerived && b.now().Sub(id.Time()) > keep {
		return fmt.Errorf("%w: %v", task.ErrExpired, id)
	}
	return fmt.Errorf("%w: %v", task.ErrUnknown, id)
}

// endStates maps the state letters of records.
var endStates = map[byte]task.State{'S': task.Succeeded, 'F': task.Failed, 'C': task.Cancelled, 'K': task.Skipped}

// settledTail makes an end of a state letter and a tail.
func settledTail(id task.ID, state byte, tail string) (task.Settled, error) {
	d, m, err := decodeTail(tail)
	if err != nil || endStates[state] == 0 {
		return task.Settled{}, errDamaged(id, fmt.Sprintf("has an end that cannot be read (state %q): %v", state, err))
	}
	return task.Settled{ID: id, State: endStates[state], Result: d, Failure: m.Failure}, nil
}

// letterTime reads six bytes of milliseconds; zero is no time.
func letterTime(ms uint64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}
