package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gomlq/mlq/task"
)

// Limits of lists that are read page by page.
const (
	// DefaultPage is how many records a page has if none are asked for: what fits a screen.
	DefaultPage = 50
	// MaxPage bounds a page: each of its records may have a large payload.
	MaxPage = 500
	// MaxPageBytes is how many bytes of payloads and results a page has before it ends,
	// unless its first record has more.
	MaxPageBytes = 16 << 20
)

// A Cursor is a place in a list that is read page by page: the empty one is its beginning,
// and after the last page its end. It is text that fits a URL, and only for the list that
// it came from.
type Cursor string

// DeadFilter chooses dead letters. The zero value chooses all.
type DeadFilter struct {
	Queue string // only of this queue, if it is not empty
	Task  string // only of this function, if it is not empty
}

// DeadQuery asks for a page of dead letters; see [Broker.DeadLetters].
type DeadQuery struct {
	DeadFilter
	Oldest bool   // begin with the one that died first; else with the last
	After  Cursor // where the page before it has ended
	Limit  int    // how many at most: default [DefaultPage], at most [MaxPage]
}

// RecordPage is a page of records.
type RecordPage struct {
	// Records are in the order of the list. One that cannot be read has its ID, its state
	// and a Fault, and nothing else.
	Records []task.Record
	// Next is where the next page begins; empty after the last.
	Next Cursor
}

// deadPlace is where a dead letter stands among all: by when it died, then by its ID.
type deadPlace struct {
	ms int64
	id task.ID
}

func (a deadPlace) compare(b deadPlace) int {
	return cmp.Or(cmp.Compare(a.ms, b.ms), slices.Compare(a.id[:], b.id[:]))
}

func (a deadPlace) cursor() Cursor { return Cursor(fmt.Sprintf("%d.%v", a.ms, a.id)) }

// deadPlaceOf reads a cursor; nil is the beginning.
func deadPlaceOf(c Cursor) (*deadPlace, error) {
	if c == "" {
		return nil, nil //nolint:nilnil // no place is a place
	}
	ms, text, ok := strings.Cut(string(c), ".")
	n, err := strconv.ParseInt(ms, 10, 64)
	id, err2 := task.ParseID(text)
	if !ok || err != nil || err2 != nil || n < 0 {
		return nil, fmt.Errorf("%w: broker: %.60q is no cursor of dead letters; take Next of the page before, or none", task.ErrInvalid, c)
	}
	return &deadPlace{n, id}, nil
}

// deadLetter is a dead letter without its record.
type deadLetter struct {
	deadPlace
	epoch string // empty if the job cannot be read
}

// deadList is some dead letters in order, and how far the list was looked at.
type deadList struct {
	letters []deadLetter
	seen    deadPlace
	over    bool // there are no more
}

// DeadLetters returns a page of dead letters, those that died last first: each with its
// call, when it died, and the error and stack of each attempt. A call looks at a bounded
// number of them, so that with a filter a page may have fewer records than asked for, or
// none, although Next is not empty. A dead letter that stays is on one page; those that
// come and go meanwhile may be missing.
func (b *Broker) DeadLetters(ctx context.Context, q DeadQuery) (RecordPage, error) {
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return RecordPage{}, err
	}
	after, err := deadPlaceOf(q.After)
	if err != nil {
		return RecordPage{}, err
	}
	list, err := b.deadSome(ctx, q.DeadFilter, !q.Oldest, after, limit)
	if err != nil {
		return RecordPage{}, err
	}
	ids := make([]task.ID, len(list.letters))
	for i, l := range list.letters {
		ids[i] = l.id
	}
	records, read, err := b.readKnown(ctx, ids, task.Failed)
	if err != nil {
		return RecordPage{}, err
	}
	page := RecordPage{Records: deadRecords(list.letters[:read], records)}
	switch {
	case read < len(ids):
		page.Next = list.letters[read-1].cursor()
	case !list.over:
		page.Next = list.seen.cursor()
	}
	return page, nil
}

// deadRecords brings what was read of dead letters into their order. Those that were
// redriven or deleted since they were found are left out.
func deadRecords(ls []deadLetter, records []task.Record) (out []task.Record) {
	byID := make(map[task.ID]*task.Record, len(records))
	for i := range records {
		byID[records[i].ID] = &records[i]
	}
	for _, l := range ls {
		switch r := byID[l.id]; {
		case l.epoch == "":
			out = append(out, unreadable(l.id, task.Failed, errDamaged(l.id, "cannot be read; delete it")))
		case r != nil && r.State == task.Failed:
			out = append(out, *r)
		}
	}
	return out
}

// unreadable is the record of a job that cannot be read.
func unreadable(id task.ID, state task.State, fault error) task.Record {
	r := task.Record{State: state}
	r.ID, r.Fault = id, fault
	return r
}

// pageLimit returns how many records a page may have.
func pageLimit(n int) (int, error) {
	if n < 0 || n > MaxPage {
		return 0, fmt.Errorf("%w: broker: a page of %d records, want 1 to %d, or 0 for %d", task.ErrInvalid, n, MaxPage, DefaultPage)
	}
	return cmp.Or(n, DefaultPage), nil
}

// deadSome returns up to n dead letters of all partitions after a place.
func (b *Broker) deadSome(ctx context.Context, f DeadFilter, newest bool, after *deadPlace, n int) (deadList, error) {
	var mu sync.Mutex
	all := deadList{over: true}
	order := func(x, y deadPlace) int {
		if newest {
			x, y = y, x
		}
		return x.compare(y)
	}
	err := b.each(func(p int) error {
		part, err := b.deadOf(ctx, p, f, newest, after, n)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all.letters = append(all.letters, part.letters...)
		if !part.over && (all.over || order(part.seen, all.seen) < 0) {
			all.over, all.seen = false, part.seen
		}
		return nil
	})
	if err != nil {
		return all, err
	}
	slices.SortFunc(all.letters, func(x, y deadLetter) int { return order(x.deadPlace, y.deadPlace) })
	if !all.over { // past that, a partition may have more
		all.letters = slices.DeleteFunc(all.letters, func(l deadLetter) bool { return order(l.deadPlace, all.seen) > 0 })
	}
	if len(all.letters) > n {
		all.letters = all.letters[:n]
		all.over, all.seen = false, all.letters[n-1].deadPlace
	}
	return all, nil
}

// deadOf returns up to n dead letters of a partition after a place.
func (b *Broker) deadOf(ctx context.Context, p int, f DeadFilter, newest bool, after *deadPlace, n int) (deadList, error) {
	args := []any{0, "", "", f.Queue, f.Task, n}
	if newest {
		args[0] = 1
	}
	if after != nil {
		args[1], args[2] = after.ms, after.id[:]
	}
	a, err := b.ask(ctx, b.scripts.dead, p, args...)
	if err == nil {
		err = statusErr("dead", a.status)
	}
	if err != nil {
		return deadList{}, err
	}
	out := deadList{over: a.num(0) == 1}
	if !out.over {
		if out.seen, err = deadPlaceAt(a.str(1), a.str(2)); err != nil {
			return out, err
		}
	}
	for l := a.list(3); len(l) >= 3; l = l[3:] {
		at, err := deadPlaceAt(asText(l[0]), asText(l[1]))
		if err != nil {
			return out, err
		}
		out.letters = append(out.letters, deadLetter{at, asText(l[2])})
	}
	return out, nil
}

func deadPlaceAt(ms, id string) (deadPlace, error) {
	n, err := strconv.ParseFloat(ms, 64)
	if err != nil || len(id) != 16 {
		return deadPlace{}, fmt.Errorf("broker: dead: %w: %+q died at %+q", task.ErrDamaged, id, ms)
	}
	return deadPlace{int64(n), task.ID([]byte(id))}, nil
}

// readKnown reads jobs, and leaves out those that have gone meanwhile. One that cannot be
// read has the state that it was found in, and a fault. It returns how many of ids it has
// looked at: a page ends when it has many bytes.
func (b *Broker) readKnown(ctx context.Context, ids []task.ID, state task.State) (records []task.Record, read int, err error) {
	bytes := 0
	for read < len(ids) && (read == 0 || bytes < MaxPageBytes) {
		some := ids[read:min(read+readAtOnce, len(ids))]
		got, err := b.Read(ctx, some)
		if err != nil {
			if got, err = b.readEach(ctx, some, state); err != nil {
				return nil, 0, err
			}
		}
		for i := range got {
			bytes += len(got[i].Payload.Bytes) + len(got[i].Result.Bytes)
		}
		records = append(records, got...)
		read += len(some)
	}
	return records, read, nil
}

// readAtOnce is how many records of a page are read before their bytes are counted.
const readAtOnce = 10

// readEach reads jobs one by one.
func (b *Broker) readEach(ctx context.Context, ids []task.ID, state task.State) (records []task.Record, err error) {
	for _, id := range ids {
		got, err := b.Read(ctx, []task.ID{id})
		switch {
		case err == nil:
			records = append(records, got[0])
		case errors.Is(err, task.ErrDamaged):
			records = append(records, unreadable(id, state, err))
		case !errors.Is(err, task.ErrUnknown) && !errors.Is(err, task.ErrExpired):
			return nil, err
		}
	}
	return records, nil
}
