package brokertest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// worker is a session that is driven by hand: nothing beats, claims or reports
// but the story.
type worker struct {
	s       *stage
	id      task.SessionID
	numbers []uint64 // of the last exchange, by partition
	held    map[task.ID]bool
	signals chan task.Signal
}

// join opens a session on the default queue with the functions f and g, whose
// lease is long.
func (s *stage) join() *worker {
	s.Helper()
	return s.joinAs(task.Worker{Functions: []string{"f", "g"}, LeaseTTL: long})
}

// joinFor is join with another lease.
func (s *stage) joinFor(lease time.Duration) *worker {
	s.Helper()
	return s.joinAs(task.Worker{Functions: []string{"f", "g"}, LeaseTTL: lease})
}

// joinAs opens a session of a worker; on the default queue unless w says another.
func (s *stage) joinAs(w task.Worker) *worker {
	s.Helper()
	if w.Queues == nil {
		w.Queues = []string{task.DefaultQueue}
	}
	w.Name = s.Name()
	out := &worker{
		s: s, numbers: make([]uint64, s.b.Partitions()), held: map[task.ID]bool{},
		signals: make(chan task.Signal, 10_000),
	}
	id, err := s.b.Join(s.ctx, w, func(sig task.Signal) {
		select {
		case out.signals <- sig:
		default: // signal must not block; nobody reads this many
		}
	})
	if err != nil {
		s.Fatalf("Join %+v: %v", w, err)
	}
	out.id = id
	return out
}

// next fills in what only the session knows of its next exchange.
func (w *worker) next(p int, x task.Exchange) task.Exchange {
	w.numbers[p]++
	x.Session, x.Partition, x.Number = w.id, p, w.numbers[p]
	held := maps.Clone(w.held)
	for i := range x.Done {
		delete(held, x.Done[i].Lease.ID)
	}
	x.Held = len(held)
	return x
}

// try makes an exchange, and keeps the books if it went well.
func (w *worker) try(x task.Exchange) (task.Exchanged, error) {
	got, err := w.s.b.Exchange(w.s.ctx, x)
	if err == nil {
		for i := range x.Done {
			delete(w.held, x.Done[i].Lease.ID)
		}
		for i := range got.Jobs {
			w.held[got.Jobs[i].ID] = true
		}
	}
	return got, err
}

// exchange makes the session's next exchange with partition p.
func (w *worker) exchange(p int, x task.Exchange) task.Exchanged {
	w.s.Helper()
	got, err := w.try(w.next(p, x))
	if err != nil {
		w.s.Fatalf("Exchange with partition %d: %v", p, err)
	}
	if len(got.Jobs) > x.Want {
		w.s.Fatalf("Exchange gave %d jobs, wanted %d", len(got.Jobs), x.Want)
	}
	return got
}

// claim asks all partitions, in turn, for n jobs together, until there are so
// many or no partition has more for this session.
func (w *worker) claim(n int) []task.Job {
	w.s.Helper()
	var jobs []task.Job
	for p := range w.numbers {
		for more := true; more && len(jobs) < n; {
			got := w.exchange(p, task.Exchange{Want: min(n-len(jobs), task.MaxWant)})
			jobs = append(jobs, got.Jobs...)
			more = got.More && !got.Drain
		}
	}
	return jobs
}

// take claims exactly n jobs.
func (w *worker) take(n int) []task.Job {
	w.s.Helper()
	var jobs []task.Job
	redistest.Eventually(w.s.T, patience, func() bool {
		jobs = append(jobs, w.claim(n-len(jobs))...)
		return len(jobs) == n
	}, "the worker gets %d jobs; it has %d", n, lazy(func() any { return len(jobs) }))
	return jobs
}

// one claims one job.
func (w *worker) one() task.Job {
	w.s.Helper()
	return w.take(1)[0]
}

// later claims n jobs whose time has yet to come: when it has, a tick or a claim
// makes them ready.
func (w *worker) later(n int) []task.Job {
	w.s.Helper()
	var jobs []task.Job
	redistest.Eventually(w.s.T, patience, func() bool {
		if _, err := w.s.b.Tick(w.s.ctx); err != nil {
			w.s.Fatalf("Tick: %v", err)
		}
		jobs = append(jobs, w.claim(n-len(jobs))...)
		return len(jobs) == n
	}, "%d jobs become ready and are claimed", n)
	return jobs
}

// idle fails the test if there is a job for the session.
func (w *worker) idle(why string) {
	w.s.Helper()
	if jobs := w.claim(1); len(jobs) > 0 {
		w.s.Errorf("the worker got job %v (%q), though %s", jobs[0].ID, jobs[0].Payload.Bytes, why)
	}
}

// report ends attempts, and returns those that were lost.
func (w *worker) report(outcomes ...task.Outcome) (lost []task.ID) {
	w.s.Helper()
	for len(outcomes) > 0 {
		p := outcomes[0].Lease.ID.Partition()
		var now, later []task.Outcome
		for _, o := range outcomes {
			if o.Lease.ID.Partition() == p && len(now) < task.MaxDone {
				now = append(now, o)
			} else {
				later = append(later, o)
			}
		}
		lost = append(lost, w.exchange(p, task.Exchange{Done: now}).Lost...)
		outcomes = later
	}
	return lost
}

// end ends attempts that are still the session's.
func (w *worker) end(outcomes ...task.Outcome) {
	w.s.Helper()
	if lost := w.report(outcomes...); len(lost) > 0 {
		w.s.Fatalf("the outcomes of %v were refused as lost", lost)
	}
}

// succeed ends attempts with their payloads as results.
func (w *worker) succeed(jobs ...task.Job) {
	w.s.Helper()
	outcomes := make([]task.Outcome, len(jobs))
	for i, j := range jobs {
		outcomes[i] = success(j, string(j.Payload.Bytes))
	}
	w.end(outcomes...)
}

// leave ends the session without a word about what it holds.
func (w *worker) leave() {
	w.s.Helper()
	if err := w.s.b.Leave(w.s.ctx, w.id); err != nil {
		w.s.Fatalf("Leave: %v", err)
	}
}

// hears waits for a signal of the kind, about the job that cause returns unless that
// is zero. Signals are
// hints and may be lost, the first ones in particular: what cause does is done
// again until one is heard.
func (w *worker) hears(kind task.SignalKind, cause func() task.ID) {
	w.s.Helper()
	redistest.Eventually(w.s.T, patience, func() bool {
		for len(w.signals) > 0 {
			<-w.signals
		}
		id := cause()
		timeout := time.After(time.Second)
		for {
			select {
			case sig := <-w.signals:
				if sig.Kind == kind && (id.IsZero() || sig.Lease.ID == id) {
					return true
				}
			case <-timeout:
				return false
			}
		}
	}, "the session hears signal %q", kind)
}

// success is the outcome of an attempt that returned text.
func success(j task.Job, text string) task.Outcome {
	return task.Outcome{Lease: j.Lease, Verdict: task.Succeed, Result: task.Data{Codec: task.CodecBytes, Bytes: []byte(text)}}
}

// outcome is that of an attempt that ended with an error.
func outcome(j task.Job, v task.Verdict, message string) task.Outcome {
	o := task.Outcome{Lease: j.Lease, Verdict: v}
	if message != "" {
		o.Failure = task.Failure{Attempt: j.Attempt, Kind: task.FailureError, Message: message, At: time.Now()}
	}
	return o
}

// lazy formats what a value is by then.
type lazy func() any

func (l lazy) String() string { return fmt.Sprint(l()) }

// payloads returns the payloads of jobs as texts.
func payloads(jobs []task.Job) []string {
	out := make([]string, len(jobs))
	for i := range jobs {
		out[i] = string(jobs[i].Payload.Bytes)
	}
	return out
}

// ids returns the IDs of jobs.
func ids(jobs []task.Job) []task.ID {
	out := make([]task.ID, len(jobs))
	for i := range jobs {
		out[i] = jobs[i].ID
	}
	return out
}

// wantEqual fails the test unless two lists are equal.
func wantEqual[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
