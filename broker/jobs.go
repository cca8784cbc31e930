package broker

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// JobQuery asks for a page of jobs; see [Broker.Jobs].
type JobQuery struct {
	State task.State // in which they are; there is no list of all
	Queue string     // only of this queue, if it is not empty
	After Cursor     // where the page before it has ended
	// Limit is after how many records a page ends: default [DefaultPage], at most
	// [MaxPage]. It may have some more, for a step of the search is not divided.
	Limit int
}

// Bounds of a search for jobs.
const (
	scanJobs  = 20  // about how many jobs one step looks at: it reads their payloads
	scanSteps = 100 // of one call
	scanNames = 100 // about how many keys one step looks at; the cursor has the buckets it finds
)

// liveLetters are the states of jobs.lua, and endedLetters those of records.lua.
var (
	liveLetters  = map[task.State]string{task.Blocked: "b", task.Scheduled: "s", task.Ready: "r", task.Running: "a"}
	endedLetters = map[task.State]string{task.Succeeded: "S", task.Cancelled: "C", task.Skipped: "K"}
)

// Jobs returns a page of the jobs in a state. There is no index of them: jobs that have not
// ended, or the records of those that have, are gone through, in no order. A call looks at
// some 2,000 of them, so that a page may have few records, or none, although Next is not
// empty. A job that is in that state all the while is on one page at least; one that moves
// may be missing, and some may be seen twice. Failed jobs are those of [Broker.DeadLetters],
// in its order.
func (b *Broker) Jobs(ctx context.Context, q JobQuery) (RecordPage, error) {
	if q.State == task.Failed {
		return b.DeadLetters(ctx, DeadQuery{DeadFilter: DeadFilter{Queue: q.Queue}, After: q.After, Limit: q.Limit})
	}
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return RecordPage{}, err
	}
	s := search{b: b, q: q, letter: liveLetters[q.State]}
	s.next = s.liveStep
	if letter, ok := endedLetters[q.State]; ok {
		s.letter, s.next = letter, s.endedStep
	}
	if s.letter == "" {
		return RecordPage{}, fmt.Errorf("%w: broker: no jobs are in state %v; ask for one of task.States", task.ErrInvalid, q.State)
	}
	if s.at, err = scanPlaceOf(q.After, len(b.prefixes)); err != nil {
		return RecordPage{}, err
	}
	return s.page(ctx, limit)
}

// search goes through jobs.
type search struct {
	b      *Broker
	q      JobQuery
	letter string
	at     scanPlace
	next   func(ctx context.Context) ([]task.ID, error) // takes a step
}

// page takes steps until a page is full.
func (s *search) page(ctx context.Context, limit int) (RecordPage, error) {
	var page RecordPage
	bytes := 0
	for range scanSteps {
		if len(page.Records) >= limit || bytes >= MaxPageBytes || s.at.partition >= len(s.b.prefixes) {
			break
		}
		ids, err := s.next(ctx)
		if err != nil {
			return RecordPage{}, err
		}
		for len(ids) > 0 {
			records, read, err := s.b.readKnown(ctx, ids, s.q.State)
			if err != nil {
				return RecordPage{}, err
			}
			for _, r := range records {
				if r.State == s.q.State {
					page.Records = append(page.Records, r)
					bytes += len(r.Payload.Bytes) + len(r.Result.Bytes)
				}
			}
			ids = ids[read:]
		}
	}
	if s.at.partition < len(s.b.prefixes) {
		page.Next = s.at.cursor()
	}
	return page, nil
}

// liveStep looks at some live jobs.
func (s *search) liveStep(ctx context.Context) ([]task.ID, error) {
	ids, next, err := s.found(ctx, s.b.scripts.jobs, strconv.FormatUint(s.at.fields, 10), scanJobs, s.letter, s.q.Queue)
	if s.at.fields = next; next == 0 {
		s.at.partition++
	}
	return ids, err
}

// endedStep looks for more buckets, or at some records of one.
func (s *search) endedStep(ctx context.Context) ([]task.ID, error) {
	if len(s.at.buckets) == 0 {
		if s.at.begun && s.at.keys == 0 {
			s.at = scanPlace{partition: s.at.partition + 1}
			return nil, nil
		}
		return nil, s.scan(ctx)
	}
	bucket := s.at.buckets[0]
	ids, next, err := s.found(ctx, s.b.scripts.records, bucket, strconv.FormatUint(s.at.fields, 10), scanJobs, s.letter, s.q.Queue)
	if s.at.fields = next; next == 0 {
		s.at.buckets = s.at.buckets[1:]
	}
	return ids, err
}

// scan looks for buckets among the keys.
func (s *search) scan(ctx context.Context) error {
	prefix := s.b.prefixes[s.at.partition] + "res:"
	c, err := s.b.server(ctx, s.at.partition)
	if err != nil {
		return err
	}
	var names []string
	next := uint64(0)
	err = s.b.retry(ctx, "scan", func() (err error) {
		names, next, err = c.Scan(ctx, s.at.keys, globEscape(prefix)+"*", scanNames).Result()
		return err
	})
	if err != nil {
		return err
	}
	s.at.keys, s.at.begun = next, true
	for _, name := range names {
		if bucket := strings.TrimPrefix(name, prefix); len(bucket) == bucketLen {
			s.at.buckets = append(s.at.buckets, bucket)
		}
	}
	return nil
}

// found asks a script for IDs, and where it has ended.
func (s *search) found(ctx context.Context, what *script, args ...any) (ids []task.ID, next uint64, err error) {
	a, err := s.b.ask(ctx, what, s.at.partition, args...)
	if err == nil {
		err = statusErr(what.name, a.status)
	}
	if err != nil {
		return nil, 0, err
	}
	for _, item := range a.list(1) {
		if id := asText(item); len(id) == 16 {
			ids = append(ids, task.ID([]byte(id)))
		}
	}
	next, err = strconv.ParseUint(a.str(0), 10, 64)
	if err != nil {
		err = fmt.Errorf("broker: %s: %w: the cursor %+q", what.name, task.ErrDamaged, a.str(0))
	}
	return ids, next, err
}

// server returns what a scan of the keys of partition p is sent to: on a cluster its master.
func (b *Broker) server(ctx context.Context, p int) (redis.Cmdable, error) {
	c, ok := b.rdb.(*redis.ClusterClient)
	if !ok {
		return b.rdb, nil
	}
	m, err := c.MasterForKey(ctx, b.prefixes[p])
	if err != nil {
		return nil, fmt.Errorf("broker: scan: %w: %w", task.ErrUnavailable, err)
	}
	return m, nil
}

// scanPlace is how far a search has come.
type scanPlace struct {
	partition int
	fields    uint64   // of a hash: where its scan goes on
	begun     bool     // the scan of the keys
	keys      uint64   // where that goes on
	buckets   []string // those it has found that are not gone through
}

// bucketLen is how long the name of a bucket is.
const bucketLen = 5

func (s scanPlace) cursor() Cursor {
	begun := "-"
	if s.begun {
		begun = "+"
	}
	return Cursor(fmt.Sprintf("%d.%d.%s%d.%x", s.partition, s.fields, begun, s.keys, strings.Join(s.buckets, "")))
}

// scanPlaceOf reads a cursor of a namespace with so many partitions.
func scanPlaceOf(c Cursor, partitions int) (s scanPlace, err error) {
	if c == "" {
		return s, nil
	}
	parts := strings.Split(string(c), ".")
	bad := fmt.Errorf("%w: broker: %.60q is no cursor of jobs; take Next of the page before, or none", task.ErrInvalid, c)
	if len(parts) != 4 || len(parts[2]) < 2 || parts[2][0] != '+' && parts[2][0] != '-' {
		return s, bad
	}
	var errs [4]error
	s.partition, errs[0] = strconv.Atoi(parts[0])
	s.fields, errs[1] = strconv.ParseUint(parts[1], 10, 64)
	s.keys, errs[2] = strconv.ParseUint(parts[2][1:], 10, 64)
	s.begun = parts[2][0] == '+'
	names, err := hex.DecodeString(parts[3])
	errs[3] = err
	if s.partition < 0 || s.partition >= partitions || len(names)%bucketLen != 0 || slices.ContainsFunc(errs[:], func(err error) bool { return err != nil }) {
		return s, bad
	}
	for name := range slices.Chunk(names, bucketLen) {
		s.buckets = append(s.buckets, string(name))
	}
	return s, nil
}
