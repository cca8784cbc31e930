package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gomlq/mlq/task"
)

// verdictLetters are the verdicts as exchange.lua takes them.
var verdictLetters = map[task.Verdict]byte{
	task.Succeed: 'S', task.Fail: 'F', task.CancelJob: 'C', task.SkipJob: 'K',
	task.Retry: 'R', task.Postpone: 'Z', task.Release: 'L', task.Expand: 'E',
}

// Exchange ends attempts of a session and gives it more jobs, in one step. It is
// safe to repeat an exchange unchanged, and necessary after any error but
// [task.ErrGone]: its answer may have been lost. A [*task.OutcomeError] names an
// outcome that cannot be sent; nothing was.
func (b *Broker) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	var out task.Exchanged
	s, err := b.session(x.Session)
	if err != nil {
		return out, err
	}
	if err := b.checkExchange(&x); err != nil {
		return out, err
	}
	args, err := b.exchangeArgs(s, &x)
	if err != nil {
		return out, err
	}
	a, err := b.ask(ctx, b.scripts.exchange, x.Partition, args...)
	if err == nil {
		err = statusErr("exchange", a.status)
	}
	if errors.Is(err, task.ErrGone) {
		b.forget(x.Session)
	}
	if err != nil {
		return out, err
	}
	for ids := a.str(0); len(ids) >= 16; ids = ids[16:] {
		out.Lost = append(out.Lost, task.ID([]byte(ids[:16])))
	}
	for _, f := range a.str(3) {
		out.More = out.More || f == 'M'
		out.Drain = out.Drain || f == 'D'
	}
	out.Next = time.Duration(a.num(4)) * time.Millisecond
	out.Jobs, err = b.decodeClaims(x.Into[:0], x.Session, a.str(1), a.str(2))
	if mail := a.list(5); len(out.Jobs) == 0 {
		b.inbox.deliver(x.Partition, mail)
	} else if len(mail) > 0 {
		// The caller starts the jobs first: else those who are told would run before
		// them, and fewer had ended by the next exchange.
		b.spawn(func() { b.inbox.deliver(x.Partition, mail) })
	}
	return out, err
}

func (b *Broker) checkExchange(x *task.Exchange) error {
	switch {
	case x.Partition < 0 || x.Partition >= len(b.prefixes):
		return fmt.Errorf("%w: broker: exchange with partition %d of %d", task.ErrInvalid, x.Partition, len(b.prefixes))
	case x.Fetcher < 0 || x.Fetcher >= task.MaxFetchers:
		return fmt.Errorf("%w: broker: fetcher %d, want 0 to %d", task.ErrInvalid, x.Fetcher, task.MaxFetchers-1)
	case x.Number == 0:
		return fmt.Errorf("%w: broker: exchanges are numbered from 1", task.ErrInvalid)
	case len(x.Done) > task.MaxDone || x.Want < 0 || x.Want > task.MaxWant || x.Held < 0:
		return fmt.Errorf("%w: broker: exchange of %d outcomes for %d jobs, at most %d and %d", task.ErrInvalid, len(x.Done), x.Want, task.MaxDone, task.MaxWant)
	}
	return nil
}

// exchangeArgs lays out the arguments of exchange.lua.
func (b *Broker) exchangeArgs(s *session, x *task.Exchange) ([]any, error) {
	children := 0
	if x.Children {
		children = 1
	}
	heads := make([]byte, 0, headLen*len(x.Done))
	args := make([]any, 0, 12+len(x.Done))
	fetcher := x.Session[:]
	if x.Fetcher > 0 {
		fetcher = append(slices.Clip(fetcher), byte(x.Fetcher))
	}
	args = append(args, fetcher, x.Number, x.Want, x.Held, children, s.late(),
		s.queues, s.functions, s.listeners, s.group, b.inbox.hears(), nil)
	for i := range x.Done {
		head, tail, err := b.encodeOutcome(heads, x.Partition, &x.Done[i])
		if err != nil {
			return nil, &task.OutcomeError{Index: i, Err: err}
		}
		heads, args = head, append(args, tail)
	}
	args[11] = heads
	for i := range x.Done {
		var err error
		if args, err = b.appendThen(args, x.Partition, i, &x.Done[i]); err != nil {
			return nil, &task.OutcomeError{Index: i, Err: err}
		}
	}
	return args, nil
}

// headLen is how long the head of an outcome is.
const headLen = 34

// encodeOutcome appends the head of o to buf, and returns that and o's tail.
func (b *Broker) encodeOutcome(buf []byte, p int, o *task.Outcome) (head, tail []byte, err error) {
	letter, ok := verdictLetters[o.Verdict]
	switch {
	case !ok:
		return nil, nil, fmt.Errorf("%w: verdict %v", task.ErrInvalid, o.Verdict)
	case o.Lease.ID.Partition() != p:
		return nil, nil, fmt.Errorf("%w: %v is not of partition %d", task.ErrInvalid, o.Lease.ID, p)
	case len(o.Result.Bytes) > b.cfg.MaxResult:
		return nil, nil, fmt.Errorf("%w: the result has %d bytes, MaxResult is %d; store it elsewhere and return its name", task.ErrTooLarge, len(o.Result.Bytes), b.cfg.MaxResult)
	case o.Delay < 0 || o.Delay > task.MaxDelay:
		return nil, nil, fmt.Errorf("%w: a delay of %v, want 0 to %v", task.ErrInvalid, o.Delay, task.MaxDelay)
	case len(o.Then) > task.MaxThen:
		return nil, nil, fmt.Errorf("%w: %d calls to follow, want at most %d", task.ErrTooLarge, len(o.Then), task.MaxThen)
	}
	if o.Verdict == task.Expand {
		if o.Width == nil {
			return nil, nil, fmt.Errorf("%w: Expand without a Width", task.ErrInvalid)
		}
		tail = expandTail(o.Width)
	} else if tail, err = encodeTail(o); err != nil {
		return nil, nil, err
	}
	head = append(buf, o.Lease.ID[:]...) //nolint:gocritic // buf has room for all heads
	head = append(head, o.Lease.Session[:]...)
	e, ms := o.Lease.Epoch, uint64(o.Delay.Milliseconds())
	head = append(head, byte(e>>16), byte(e>>8), byte(e), letter)
	return append(head, byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms)), tail, nil
}

// appendThen appends the calls that follow o. They are new, and enter the
// partition of the job that they follow.
func (b *Broker) appendThen(args []any, p, index int, o *task.Outcome) ([]any, error) {
	for i := range o.Then {
		c := &o.Then[i]
		if c.Err() != nil {
			return nil, c.Err()
		}
		if c.Spec.Delay != 0 || c.Spec.UniqueKey != "" || c.Spec.IdempotencyKey != "" {
			return nil, fmt.Errorf("%w: a call that follows an outcome takes no delay and no keys", task.ErrInvalid)
		}
		if c.ID.IsZero() {
			c.ID = b.ids.lone(b.now(), task.ClassFor(c.Spec.Retention), p)
		}
		c.ID = c.ID.WithPartition(p)
		it, err := b.prepare(c, p)
		if err != nil {
			return nil, err
		}
		args = append(args, index+1, c.ID[:], it.pend, it.value)
	}
	return args, nil
}

// decodeClaims takes apart the jobs of an answer and appends them to jobs. A job that cannot be read, or comes
// too late, has a Fault, with which its worker lets it end.
func (b *Broker) decodeClaims(jobs []task.Job, s task.SessionID, ids, blob string) ([]task.Job, error) {
	jobs = slices.Grow(jobs, len(ids)/16)
	for ; len(ids) >= 16; ids = ids[16:] {
		v, rest, ok := splitJob(blob)
		if !ok {
			return jobs, fmt.Errorf("broker: exchange: %w: the answer is cut short", task.ErrDamaged)
		}
		blob = rest
		j, _, err := decodeJob(task.ID([]byte(ids[:16])), v)
		if err == nil && !j.Spec.Deadline.IsZero() && b.now().After(j.Spec.Deadline) {
			err = &task.Ruling{Verdict: task.SkipJob, Err: task.ErrLate}
		}
		j.Lease.Session, j.Fault = s, err
		jobs = append(jobs, j)
	}
	return jobs, nil
}
