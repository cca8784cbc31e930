package broker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/gomlq/mlq/task"
)

// Bounds of one flush of posts.
const (
	maxPost      = 500     // jobs: some 2 ms of Redis' time
	maxPostBytes = 1 << 20 // of stored jobs, unless a single one is larger
)

// item is one job on its way into Redis.
type item struct {
	index  int // in the caller's slice
	id     task.ID
	value  []byte
	pend   string
	delay  int64 // ms
	again  bool  // the ID may have been posted before
	known  bool  // the answer: there was such a job before
	unique string
	idem   string // digest of the key
	digest string // of functions and payload, where there is an idempotency key
}

// careful reports whether the job must be looked up before it is stored.
func (it *item) careful() bool {
	return it.again || it.delay > 0 || it.unique != "" || it.idem != ""
}

// postRequest is some items of one caller for one partition.
type postRequest struct {
	items []item
	ids   []task.ID // answers, one for each item
	err   error     // of the whole request
	errs  []error   // of single items, nil if there are none
	done  chan struct{}

	oneItem [1]item // the first of items
	oneID   [1]task.ID
}

// newPostRequest returns a request with its first item.
func newPostRequest(it item) *postRequest {
	r := &postRequest{done: make(chan struct{})}
	r.oneItem[0] = it
	r.items = r.oneItem[:]
	return r
}

// answer makes room for the answers.
func (r *postRequest) answer(err error) {
	if r.err, r.ids = err, r.oneID[:]; len(r.items) > 1 {
		r.ids = make([]task.ID, len(r.items))
	}
}

// size is the number of r's items, or more if they are large.
func (r *postRequest) size() int {
	bytes := 0
	for i := range r.items {
		bytes += len(r.items[i].value)
	}
	return max(len(r.items), bytes/(maxPostBytes/maxPost))
}

func (r *postRequest) finished() <-chan struct{} { return r.done }

// Post implements [task.Port]: it stores calls, and returns and writes into calls
// their IDs. Concurrent posts share round trips. Calls are stored in order;
// large batches go in parts of 500.
func (b *Broker) Post(ctx context.Context, calls []task.Call) ([]task.ID, error) {
	ids := make([]task.ID, len(calls))
	for i := range calls {
		if calls[i].Err() != nil {
			return nil, fmt.Errorf("call %d: %w", i, calls[i].Err()) // nothing is posted
		}
	}
	for from := 0; from < len(calls); {
		n, err := b.postSome(ctx, calls[from:], ids[from:])
		if err != nil {
			if pe, ok := errors.AsType[*task.PostError](err); ok {
				pe.First += from
				return ids[:pe.First], pe
			}
			return ids[:from], &task.PostError{First: from, Err: err}
		}
		from += n
	}
	return ids, nil
}

// postSome posts the first calls, as many as fit one flush, and returns how many.
func (b *Broker) postSome(ctx context.Context, calls []task.Call, ids []task.ID) (int, error) {
	var requests requests
	home := int(b.next.Add(1)) % len(b.prefixes)
	n, size := 0, 0
	for n < len(calls) && n < maxPost && (n == 0 || size < maxPostBytes) {
		it, err := b.prepare(&calls[n], home)
		if err != nil {
			if n == 0 {
				return 0, &task.PostError{First: 0, Err: err}
			}
			break // post what comes before it, then fail
		}
		it.index = n
		size += len(it.value)
		requests.add(it)
		n++
	}
	return n, b.send(ctx, requests, ids)
}

// careful reports whether all of r is to be looked up first: a request is stored in
// order, so that one careful item makes all of them so.
func (r *postRequest) careful() bool {
	return slices.ContainsFunc(r.items, func(it item) bool { return it.careful() })
}

// requests are what a caller posts, by partition: one, most of the time.
type requests struct {
	first *postRequest
	more  map[int]*postRequest
}

func (rs *requests) add(it item) {
	p := it.id.Partition()
	r := rs.first
	switch {
	case r == nil:
		rs.first = newPostRequest(it)
		return
	case r.items[0].id.Partition() == p:
	case rs.more[p] == nil:
		if rs.more == nil {
			rs.more = make(map[int]*postRequest)
		}
		rs.more[p] = newPostRequest(it)
		return
	default:
		r = rs.more[p]
	}
	r.items = append(r.items, it)
}

func (rs *requests) all() iter.Seq[*postRequest] {
	return func(yield func(*postRequest) bool) {
		if rs.first == nil || !yield(rs.first) {
			return
		}
		for _, r := range rs.more {
			if !yield(r) {
				return
			}
		}
	}
}

// send flushes requests and collects their answers.
func (b *Broker) send(ctx context.Context, rs requests, ids []task.ID) error {
	bad := &task.PostError{First: -1}
	fail := func(i int, err error) {
		if bad.First < 0 || i < bad.First {
			bad.First, bad.Err = i, err
		}
	}
	for r := range rs.all() {
		p := r.items[0].id.Partition()
		if err := b.poster(p, r).do(ctx, r); err != nil {
			fail(r.items[0].index, fmt.Errorf("broker: post: %w", err))
			continue
		}
		if r.err != nil {
			fail(r.items[0].index, r.err)
			continue
		}
		for k, it := range r.items {
			ids[it.index] = r.ids[k]
			if it.known {
				b.waits.disarm(it.id) // that job's end is not sent to us
			}
			if k < len(r.errs) && r.errs[k] != nil {
				fail(it.index, r.errs[k])
			}
		}
	}
	if bad.First >= 0 {
		return bad
	}
	return nil
}

// prepare gives c its ID, if it has none, and encodes it. home is the partition
// of a job that may lie anywhere.
func (b *Broker) prepare(c *task.Call, home int) (item, error) {
	if err := c.Spec.Validate(); err != nil {
		return item{}, err
	}
	if len(c.Payload.Bytes) > b.cfg.MaxPayload {
		return item{}, fmt.Errorf("%w: the payload has %d bytes, MaxPayload is %d; store it elsewhere and send its name", task.ErrTooLarge, len(c.Payload.Bytes), b.cfg.MaxPayload)
	}
	if err := checkFilter(c.Functions); err != nil {
		return item{}, err
	}
	again := !c.ID.IsZero()
	if !again || c.ID.Partition() == task.NoPartition {
		b.place(c, home)
	}
	if _, err := b.partition(c.ID); err != nil {
		return item{}, err
	}
	it := item{id: c.ID, again: again, unique: scoped(c, c.Spec.UniqueKey), pend: pendName(c), delay: c.Spec.Delay.Milliseconds()}
	if c.Spec.Delay > 0 {
		it.delay = max(it.delay, 1)
	}
	if c.Spec.IdempotencyKey != "" {
		it.idem, it.digest = idemKey(c), callDigest(c)
	}
	inbox := ""
	if c.Notify {
		inbox = b.waits.arm(c.ID)
	}
	var err error
	it.value, err = encodeJob(c, nil, it.pend, inbox)
	return it, err
}

// place chooses the partition of c, and makes its ID if it has none. Keys decide
// where their jobs lie, so that one script sees all posts of a key; derived IDs
// decide for themselves, so that a retried attempt finds them again.
func (b *Broker) place(c *task.Call, home int) {
	p := home
	switch {
	case c.Spec.UniqueKey != "":
		p = spread([]byte(scoped(c, c.Spec.UniqueKey)), len(b.prefixes))
	case c.Spec.IdempotencyKey != "":
		p = spread([]byte(scoped(c, c.Spec.IdempotencyKey)), len(b.prefixes))
	case !c.ID.IsZero():
		p = spread(c.ID[:14], len(b.prefixes))
	}
	if c.ID.IsZero() {
		c.ID = b.ids.lone(b.now(), task.ClassFor(c.Spec.Retention), p)
		return
	}
	c.ID = c.ID.WithPartition(p)
}

func checkFilter(functions []string) error {
	if len(functions) > task.MaxFilter {
		return fmt.Errorf("%w: a filter of %d functions, want at most %d", task.ErrInvalid, len(functions), task.MaxFilter)
	}
	for _, f := range functions {
		if err := task.CheckName("function", f); err != nil {
			return err
		}
	}
	return nil
}

// poster returns what posts r to partition p.
func (b *Broker) poster(p int, r *postRequest) *combiner[*postRequest] {
	if r.careful() {
		return b.admitter[p]
	}
	return b.posters[p]
}

// newPoster returns what posts to partition p by a script. Its flushes are numbered,
// so that one whose answer was lost is not applied twice.
func (b *Broker) newPoster(p int, s func() *script, layout func(poster string, number uint64, rs []*postRequest) []any) *combiner[*postRequest] {
	name := randomName()
	var number atomic.Uint64
	return newCombiner(b, maxPost, (*postRequest).size, func(ctx context.Context, rs []*postRequest) {
		a, err := b.ask(ctx, s(), p, layout(name, number.Add(1), rs)...)
		if err == nil {
			err = statusErr("post", a.status)
		}
		text := a.str(0)
		for _, r := range rs {
			r.answer(err)
			text = r.settle(text)
			close(r.done)
		}
	})
}

// settle takes the answers to r off text; there are none if r is plain.
func (r *postRequest) settle(text string) (rest string) {
	careful := r.careful()
	for k := range r.items {
		it := &r.items[k]
		r.ids[k] = it.id
		if r.err != nil || !careful {
			continue
		}
		if len(text) < 17 {
			r.err = fmt.Errorf("broker: post: %w: the reply is cut short", task.ErrDamaged)
			return text
		}
		r.ids[k] = task.ID([]byte(text[1:17]))
		it.known = text[0] != 'N'
		if text[0] == 'X' {
			if r.errs == nil {
				r.errs = make([]error, len(r.items))
			}
			r.errs[k] = fmt.Errorf("%w: it belongs to job %v", task.ErrConflict, r.ids[k])
		}
		text = text[17:]
	}
	return text
}

// postArgs lays out the arguments of post.lua: list by list, since one command
// stores all of a list.
func postArgs(poster string, number uint64, rs []*postRequest) []any {
	if len(rs) == 1 && len(rs[0].items) == 1 {
		it := &rs[0].items[0]
		return []any{poster, number, 1, it.pend, 1, it.id[:], it.value}
	}
	var pends []string
	lists := make(map[string][]*item, 1)
	total := 3
	for _, r := range rs {
		for k := range r.items {
			it := &r.items[k]
			if lists[it.pend] == nil {
				pends = append(pends, it.pend)
				total += 2
			}
			lists[it.pend] = append(lists[it.pend], it)
			total += 2
		}
	}
	args := make([]any, 0, total)
	args = append(args, poster, number, len(pends))
	for _, pend := range pends {
		args = append(args, pend, len(lists[pend]))
		for _, it := range lists[pend] {
			args = append(args, it.id[:], it.value)
		}
	}
	return args
}

// admitArgs lays out the arguments of admit.lua.
func admitArgs(poster string, number uint64, rs []*postRequest) []any {
	args := []any{poster, number}
	for _, r := range rs {
		for k := range r.items {
			it, again := &r.items[k], 0
			if it.again {
				again = 1
			}
			args = append(args, it.id[:], it.value, it.pend, it.delay, again, it.unique, it.idem, it.digest)
		}
	}
	return args
}
