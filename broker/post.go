package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

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
	ids   []task.ID     // answers, one for each item
	err   error         // of the whole request
	errs  []error       // of single items, nil if there are none
	done  chan struct{} // gets a token
}

func newPostRequest() *postRequest { return &postRequest{done: make(chan struct{}, 1)} }

// answer makes room for the answers.
func (r *postRequest) answer(err error) {
	r.err, r.ids = err, slices.Grow(r.ids[:0], len(r.items))[:len(r.items)]
}

// free forgets what the request was about.
func (r *postRequest) free() {
	clear(r.items)
	r.items, r.err, r.errs = r.items[:0], nil, nil
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
	rs, _ := requestPool.Get().(*requests)
	home := int(b.next.Add(1)) % len(b.prefixes)
	n, size := 0, 0
	for n < len(calls) && n < maxPost && (n == 0 || size < maxPostBytes) {
		it, err := b.prepareIn(&rs.buf, &calls[n], nil, home)
		if err != nil {
			if n == 0 {
				rs.free()
				return 0, &task.PostError{First: 0, Err: err}
			}
			break // post what comes before it, then fail
		}
		it.index = n
		size += len(it.value)
		rs.add(it)
		n++
	}
	return n, b.send(ctx, rs, ids)
}

// careful reports whether all of r is to be looked up first: a request is stored in
// order, so that one careful item makes all of them so.
func (r *postRequest) careful() bool {
	return slices.ContainsFunc(r.items, func(it item) bool { return it.careful() })
}

// requests are what a caller posts at once, by partition: one, most of the time. They
// are used again and again.
type requests struct {
	list []*postRequest // in use are the first n
	n    int
	buf  []byte // their stored jobs
}

var requestPool = sync.Pool{New: func() any { return new(requests) }}

// Larger ones are not kept for the next post.
const (
	keptRequests = 4
	keptBytes    = 128 << 10
)

func (rs *requests) add(it item) {
	p := it.id.Partition()
	at := slices.IndexFunc(rs.list[:rs.n], func(r *postRequest) bool { return r.items[0].id.Partition() == p })
	if at < 0 {
		if at = rs.n; at == len(rs.list) {
			rs.list = append(rs.list, newPostRequest())
		}
		rs.n++
	}
	rs.list[at].items = append(rs.list[at].items, it)
}

// free keeps rs for the next post: nobody may have it any more.
func (rs *requests) free() {
	for _, r := range rs.list[:rs.n] {
		r.free()
	}
	if rs.n, rs.buf = 0, rs.buf[:0]; len(rs.list) <= keptRequests && cap(rs.buf) <= keptBytes {
		requestPool.Put(rs)
	}
}

// send flushes requests and collects their answers.
func (b *Broker) send(ctx context.Context, rs *requests, ids []task.ID) error {
	bad := task.PostError{First: -1}
	fail := func(i int, err error) {
		if bad.First < 0 || i < bad.First {
			bad.First, bad.Err = i, err
		}
	}
	flushed := true
	for _, r := range rs.list[:rs.n] {
		p := r.items[0].id.Partition()
		if err := b.poster(p, r).do(ctx, r); err != nil {
			flushed = false // it may be later
			fail(r.items[0].index, fmt.Errorf("broker: post: %w", err))
			continue
		}
		if r.err != nil {
			fail(r.items[0].index, r.err)
			continue
		}
		for k := range r.items {
			it := &r.items[k]
			ids[it.index] = r.ids[k]
			if it.known {
				b.waits.disarm(it.id) // that job's end is not sent to us
			}
			if k < len(r.errs) && r.errs[k] != nil {
				fail(it.index, r.errs[k])
			}
		}
	}
	if flushed {
		rs.free()
	}
	if bad.First >= 0 {
		return &task.PostError{First: bad.First, Err: bad.Err}
	}
	return nil
}

// prepare gives c its ID, if it has none, and encodes it. home is the partition
// of a job that may lie anywhere.
func (b *Broker) prepare(c *task.Call, home int) (item, error) {
	return b.prepareIn(new([]byte), c, nil, home)
}

// prepareIn is prepare; the stored job is appended to buf. n is nil unless it is a node.
func (b *Broker) prepareIn(buf *[]byte, c *task.Call, n *planned, home int) (item, error) {
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
	from := len(*buf)
	out, err := appendJob(*buf, c, n, it.pend, inbox)
	if err != nil {
		return item{}, err
	}
	*buf, it.value = out, out[from:len(out):len(out)]
	return it, nil
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
func (b *Broker) newPoster(p int, s func() *script, layout func(args []any, rs []*postRequest) []any) *combiner[*postRequest] {
	name := randomName()
	var number uint64
	var args []any // of one flush after the other
	return newCombiner(b, maxPost, (*postRequest).size, func(ctx context.Context, rs []*postRequest) {
		number++
		args = layout(append(args[:0], name, number), rs)
		a, err := b.ask(ctx, s(), p, args...)
		clear(args)
		if err == nil {
			err = statusErr("post", a.status)
		}
		text := a.str(0)
		for _, r := range rs {
			r.answer(err)
			text = r.settle(text)
			r.done <- struct{}{}
		}
		b.inbox.deliver(p, a.list(0))
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

// postArgs lays out the arguments of post.lua, after poster and number: list by list,
// since one command stores all of a list.
func (b *Broker) postArgs(args []any, rs []*postRequest) []any {
	var one [1]*item
	items := one[:0]
	for _, r := range rs {
		items = slices.Grow(items, len(r.items))
		for k := range r.items {
			items = append(items, &r.items[k])
		}
	}
	slices.SortStableFunc(items, func(x, y *item) int { return strings.Compare(x.pend, y.pend) })
	args = append(args, b.inbox.hears(), nil)
	at, lists := len(args)-1, 0
	for i := 0; i < len(items); lists++ {
		pend, count := items[i].pend, len(args)+1
		args = append(args, pend, nil)
		from := i
		for ; i < len(items) && items[i].pend == pend; i++ {
			args = append(args, items[i].id[:], items[i].value)
		}
		args[count] = i - from
	}
	args[at] = lists
	return args
}

// admitArgs lays out the arguments of admit.lua, after poster and number.
func admitArgs(args []any, rs []*postRequest) []any {
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
