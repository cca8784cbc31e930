package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// HeldKeyError is returned for a dead letter that cannot be a job again: meanwhile its
// unique key has been taken by another. It wraps [task.ErrConflict].
type HeldKeyError struct {
	ID     task.ID // the dead letter
	Holder task.ID // the live job that holds the key
}

func (e *HeldKeyError) Error() string {
	return fmt.Sprintf("broker: dead letter %v: its unique key is held by job %v; wait for that job's end, or cancel it", e.ID, e.Holder)
}

// Unwrap returns [task.ErrConflict].
func (e *HeldKeyError) Unwrap() error { return task.ErrConflict }

// maxLetters is how many dead letters one script moves.
const maxLetters = 128

// Redrive lets a dead letter be a job again, with all its attempts, and returns the state
// that it has then: Ready. What is kept of the attempts that it has had stays. A node of a
// run is run again by [Broker.Resume], together with all else of its run that did not
// succeed; of a large run it may still be Failed for a second or so.
//
// It returns [task.ErrInvalid] for what is no dead letter, and for a node whose run has
// succeeded without it: see [Broker.Repost]; a [*HeldKeyError] if another job has taken its
// unique key; [task.ErrUnavailable] for a node of a run that goes on: wait for its end. To
// repeat it after an error is safe.
func (b *Broker) Redrive(ctx context.Context, id task.ID) (task.State, error) {
	l, err := b.letter(ctx, id)
	if err != nil {
		return 0, err
	}
	if id.Kind() == task.KindNode {
		if err := b.redriveRun(ctx, id); err != nil {
			return 0, err
		}
		got, err := b.Read(ctx, []task.ID{id})
		if err != nil {
			return 0, err
		}
		return got[0].State, nil
	}
	errs, err := b.redrive(ctx, id.Partition(), []deadLetter{l})
	if err := errors.Join(err, errors.Join(errs...)); err != nil {
		return 0, err
	}
	return task.Ready, nil
}

// letter finds a dead letter.
func (b *Broker) letter(ctx context.Context, id task.ID) (deadLetter, error) {
	r, err := b.deadRecord(ctx, id)
	return deadLetter{deadPlace{r.Finished.UnixMilli(), id}, epochBytes(r.Lease.Epoch)}, err
}

func (b *Broker) deadRecord(ctx context.Context, id task.ID) (task.Record, error) {
	if id.Kind() == task.KindRun {
		return task.Record{}, fmt.Errorf("%w: broker: %v is a run, and no dead letter; resume it", task.ErrInvalid, id)
	}
	got, err := b.Read(ctx, []task.ID{id})
	if err != nil {
		return task.Record{}, err
	}
	if got[0].State != task.Failed {
		return task.Record{}, fmt.Errorf("%w: broker: job %v is %v, and no dead letter", task.ErrInvalid, id, got[0].State)
	}
	return got[0], nil
}

// redriveRun lets the run of a dead letter go on.
func (b *Broker) redriveRun(ctx context.Context, node task.ID) error {
	run, err := b.Run(ctx, node.Run())
	if err != nil {
		return fmt.Errorf("broker: dead letter %v is a node of a run that is gone; post it again by itself: %w", node, err)
	}
	switch run.State {
	case task.Running:
		return fmt.Errorf("broker: dead letter %v: %w: run %v goes on; wait for its end", node, task.ErrUnavailable, run.ID)
	case task.Succeeded:
		return fmt.Errorf("%w: broker: dead letter %v: run %v has succeeded without it; post it again by itself", task.ErrInvalid, node, run.ID)
	default:
		_, err = b.Resume(ctx, run.ID)
		return err
	}
}

// redrive lets dead letters of partition p, none of which is a node, be jobs again. It
// returns for each why it was refused, nil if it was not.
func (b *Broker) redrive(ctx context.Context, p int, ls []deadLetter) ([]error, error) {
	a, err := b.ask(ctx, b.scripts.redrive, p, letterArgs(ls)...)
	if err == nil {
		err = statusErr("redrive", a.status)
	}
	text := a.str(0)
	if err == nil && len(text) != 17*len(ls) {
		err = fmt.Errorf("broker: redrive: %w: %d bytes of answers for %d dead letters", task.ErrDamaged, len(text), len(ls))
	}
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(ls))
	for i, l := range ls {
		switch answer := text[17*i:]; answer[0] {
		case 'R':
		case 'U':
			errs[i] = &HeldKeyError{ID: l.id, Holder: task.ID([]byte(answer[1:17]))}
		default:
			errs[i] = errNoLetter(l.id)
		}
	}
	return errs, nil
}

func errNoLetter(id task.ID) error {
	return fmt.Errorf("%w: broker: job %v is no dead letter any more", task.ErrInvalid, id)
}

func letterArgs(ls []deadLetter) []any {
	args := make([]any, len(ls))
	for i, l := range ls {
		args[i] = string(l.id[:]) + l.epoch
	}
	return args
}

// RedriveAll redrives all dead letters that f chooses, the oldest first, but for those that
// die while it does: see [Broker.Redrive]. It returns how many it has redriven. Those that
// are refused are passed over, and the error names some of them; after another error it has
// stopped. To repeat it is safe. It takes a short step for each hundred, however many
// there are.
func (b *Broker) RedriveAll(ctx context.Context, f DeadFilter) (n int, err error) {
	runs := map[task.RunID]error{}
	return b.eachDead(ctx, f, func(p int, ls []deadLetter) ([]error, error) {
		errs := make([]error, len(ls))
		var lone []deadLetter
		var places []int
		for i, l := range ls {
			if l.epoch == "" {
				errs[i] = errDamaged(l.id, "cannot be read; delete it")
				continue
			}
			if l.id.Kind() != task.KindNode {
				lone, places = append(lone, l), append(places, i)
				continue
			}
			err, ok := runs[l.id.Run()]
			if !ok {
				err = b.redriveRun(ctx, l.id)
				runs[l.id.Run()] = err
			}
			errs[i] = err
		}
		if len(lone) == 0 {
			return errs, nil
		}
		refused, err := b.redrive(ctx, p, lone)
		for i, e := range refused {
			errs[places[i]] = e
		}
		return errs, err
	})
}

// DeleteDead deletes a dead letter for good. It returns [task.ErrInvalid] for what is no
// dead letter, and [task.ErrUnavailable] for a node of a run that goes on: wait for its
// end, or cancel it. If that run is resumed later, the node stays failed.
func (b *Broker) DeleteDead(ctx context.Context, id task.ID) error {
	l, err := b.letter(ctx, id)
	if errors.Is(err, task.ErrDamaged) || errors.Is(err, task.ErrUnknown) {
		// It is listed all the same, if it cannot be read: that may be why it is to go.
		listed, err2 := b.listedDead(ctx, id)
		if err2 != nil {
			return err2
		}
		if listed {
			l, err = deadLetter{deadPlace: deadPlace{id: id}}, nil
		}
	}
	if err != nil {
		return err
	}
	errs, err := b.remove(ctx, id.Partition(), []deadLetter{l})
	return errors.Join(err, errors.Join(errs...))
}

// listedDead reports whether id is in the list of dead letters.
func (b *Broker) listedDead(ctx context.Context, id task.ID) (bool, error) {
	p, err := b.partition(id)
	if err != nil {
		return false, err
	}
	err = b.retry(ctx, "dead", func() error { return b.rdb.ZScore(ctx, b.prefixes[p]+"dead", string(id[:])).Err() })
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, err
}

// DeleteAllDead deletes all dead letters that f chooses, but for those that die while it
// does: see [Broker.DeleteDead]. It returns how many it has deleted; the error is as that of
// [Broker.RedriveAll].
func (b *Broker) DeleteAllDead(ctx context.Context, f DeadFilter) (n int, err error) {
	return b.eachDead(ctx, f, func(p int, ls []deadLetter) ([]error, error) { return b.remove(ctx, p, ls) })
}

// remove deletes dead letters of partition p. It returns for each why it was refused, nil
// if it was not.
func (b *Broker) remove(ctx context.Context, p int, ls []deadLetter) ([]error, error) {
	a, err := b.ask(ctx, b.scripts.remove, p, letterArgs(ls)...)
	if err == nil {
		err = statusErr("remove", a.status)
	}
	text := a.str(0)
	if err == nil && len(text) != len(ls) {
		err = fmt.Errorf("broker: remove: %w: %d answers for %d dead letters", task.ErrDamaged, len(text), len(ls))
	}
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(ls))
	for i, l := range ls {
		switch text[i] {
		case 'D':
		case 'W':
			errs[i] = errNeeded(l.id)
		default:
			errs[i] = errNoLetter(l.id)
		}
	}
	return errs, nil
}

func errNeeded(id task.ID) error {
	return fmt.Errorf("broker: dead letter %v: %w: its run %v goes on and may need it; wait for the run's end, or cancel it", id, task.ErrUnavailable, id.Run())
}

// maxRefusals is how many refusals one error names.
const maxRefusals = 8

// eachDead calls f with all dead letters that filter chooses, the oldest first, some of one
// partition at a time. It returns how many f did not refuse.
func (b *Broker) eachDead(ctx context.Context, filter DeadFilter, f func(p int, ls []deadLetter) ([]error, error)) (n int, err error) {
	last, err := b.deadSome(ctx, DeadFilter{}, true, nil, 1)
	if err != nil || len(last.letters) == 0 {
		return 0, err
	}
	var refusals []error
	refused := 0
	for p := range b.prefixes {
		var after *deadPlace
		for over := false; !over; {
			list, err := b.deadOf(ctx, p, filter, false, after, maxLetters)
			if err != nil {
				return n, err
			}
			after, over = &list.seen, list.over
			due := slices.DeleteFunc(list.letters, func(l deadLetter) bool { return l.compare(last.letters[0].deadPlace) > 0 })
			over = over || len(due) < len(list.letters) // those died since
			if len(due) == 0 {
				continue
			}
			errs, err := f(p, due)
			if err != nil {
				return n, err
			}
			for _, e := range errs {
				if e == nil {
					n++
				} else if refused++; refused <= maxRefusals {
					refusals = append(refusals, e)
				}
			}
		}
	}
	if refused > maxRefusals {
		refusals = append(refusals, fmt.Errorf("broker: and %d more dead letters were refused", refused-maxRefusals))
	}
	return n, errors.Join(refusals...)
}

// RepostConfig says what becomes of a dead letter that is posted again.
type RepostConfig struct {
	// Keep the dead letter. It keeps its idempotency key then, and the new job has none.
	Keep bool
}

// Repost posts what a dead letter was as a new job: the same functions and options but for
// the delay, and another payload, encoded as the task wants it. The dead letter is deleted
// in the same step, unless it is to be kept. A node of a run becomes a job by itself, of
// which its run learns nothing.
//
// It returns the errors of [Broker.Redrive] and [Broker.DeleteDead], those of a post, and
// [task.ErrInvalid] for the job of a map or a child of one: resume its run. After
// [task.ErrUnavailable] the job may have been posted, and then a second Repost says that
// there is no such dead letter, unless it was kept.
func (b *Broker) Repost(ctx context.Context, id task.ID, payload task.Data, cfg RepostConfig) (task.ID, error) {
	r, err := b.deadRecord(ctx, id)
	if err != nil {
		return task.ID{}, err
	}
	if r.Map != nil {
		return task.ID{}, fmt.Errorf("%w: broker: dead letter %v is part of a map, and no job by itself; resume its run %v", task.ErrInvalid, id, id.Run())
	}
	p, c := id.Partition(), r.Call
	c.ID, c.Payload, c.Notify, c.Spec.Delay = b.ids.lone(b.now(), id.Class(), p), payload, false, 0
	if cfg.Keep {
		c.Spec.IdempotencyKey = ""
	}
	it, err := b.prepare(&c, p)
	if err != nil {
		return task.ID{}, err
	}
	return b.repost(ctx, id, r.Lease.Epoch, it, cfg.Keep)
}

// repost posts it in the place of a dead letter.
func (b *Broker) repost(ctx context.Context, id task.ID, epoch uint32, it item, keep bool) (task.ID, error) {
	kept := 0
	if keep {
		kept = 1
	}
	a, err := b.ask(ctx, b.scripts.repost, id.Partition(), id[:], epochBytes(epoch), it.id[:], it.value, it.pend, it.unique, it.idem, it.digest, kept)
	if err == nil {
		err = statusErr("repost", a.status)
	}
	if err != nil {
		return task.ID{}, err
	}
	return b.reposted(id, a.str(0))
}

// reposted reads the answer of repost.lua.
func (b *Broker) reposted(id task.ID, answer string) (task.ID, error) {
	if len(answer) != 17 {
		return task.ID{}, fmt.Errorf("broker: repost: %w: the reply has %d bytes", task.ErrDamaged, len(answer))
	}
	other := task.ID([]byte(answer[1:]))
	switch answer[0] {
	case 'N':
		return other, nil
	case 'U':
		return task.ID{}, &HeldKeyError{ID: id, Holder: other}
	case 'W':
		return task.ID{}, errNeeded(id)
	default:
		return task.ID{}, errNoLetter(id)
	}
}
