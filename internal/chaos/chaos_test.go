package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/reaper"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// stage is a broker with worker processes and jobs.
type stage struct {
	t       *testing.T
	b       *broker.Broker
	q       context.Context
	url, ns string
	total   int       // jobs that are posted in the end
	ids     []task.ID // posted, in order; job i has input i
}

func newStage(t *testing.T, url string, total int) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s := &stage{t: t, url: url, total: total, ns: redistest.Namespace(t)}
	var err error
	if s.b, err = open(ctx, url, s.ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.b.Close() })
	s.q = runtime.NewClient(s.b).With(ctx)
	r, err := reaper.New(s.b, reaper.Config{Every: 100 * time.Millisecond, Logger: silent()})
	if err != nil {
		t.Fatal(err)
	}
	rctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = r.Run(rctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
	return s
}

// post posts all jobs in small batches. A post whose outcome is unknown is
// repeated, which must post nothing twice.
func (s *stage) post() {
	const batch = 20
	for from := 0; from < s.total; from += batch {
		calls := make([]task.Call, 0, batch)
		for i := from; i < min(from+batch, s.total); i++ {
			calls = append(calls, work.Call(i))
		}
		for {
			ids, err := task.PostMany(s.q, calls)
			if err == nil {
				s.ids = append(s.ids, ids...)
				break
			}
			if s.q.Err() != nil || !errors.Is(err, task.ErrUnavailable) {
				s.t.Errorf("post: %v", err)
				return
			}
		}
	}
}

// collect waits for every job and checks its result and its record.
func (s *stage) collect() {
	s.t.Helper()
	for i, id := range s.ids {
		got, err := task.At[worked](s.q, id).Wait(s.q)
		if err != nil {
			s.t.Fatalf("job %d of %d: %v", i, len(s.ids), err)
		}
		if got.Square != i*i {
			s.t.Fatalf("job %d returned %d, want %d", i, got.Square, i*i)
		}
	}
	recs, err := s.b.Read(s.q, s.ids)
	if err != nil {
		s.t.Fatal(err)
	}
	for i, r := range recs {
		got := worked{}
		if err := r.Result.Decode(&got); err != nil {
			s.t.Fatal(err)
		}
		// A stale completion that was accepted would leave another's result.
		if got.Session != r.Worker {
			s.t.Errorf("job %d has the result of session %s, its last owner is %s", i, got.Session, r.Worker)
		}
	}
	s.sound()
}

// sound asks that the records of all jobs are stored, and nothing else.
func (s *stage) sound() {
	s.t.Helper()
	s.stores(len(s.ids), 0)
}

// stores asks that what is stored is as it should be, once all is quiet: so many
// records, so many dead letters, and no live job.
func (s *stage) stores(records, dead int) {
	s.t.Helper()
	var found broker.Findings
	redistest.Eventually(s.t, patience, func() bool {
		var err error
		if found, err = s.b.Fsck(s.q, broker.FsckConfig{}); err != nil {
			s.t.Fatal(err)
		}
		return len(found.Broken) == 0
	}, "the stored state is not sound")
	if found.Records != records || found.Jobs != dead {
		s.t.Errorf("%d records and %d jobs are stored, want %d and %d", found.Records, found.Jobs, records, dead)
	}
}

func TestEveryJobEndsOnceWhileWorkersAreKilled(t *testing.T) {
	t.Parallel()
	s := newStage(t, redistest.Shared(t).URL(), times(3000))
	workers := []*process{startWorker(t, s.url, s.ns), startWorker(t, s.url, s.ns), startWorker(t, s.url, s.ns)}
	var posting sync.WaitGroup
	posting.Go(func() { s.post() })
	for range times(6) {
		i := rand.IntN(len(workers))
		s.untilSomeEnd(20)
		workers[i].kill()
		workers[i] = startWorker(t, s.url, s.ns)
	}
	posting.Wait()
	s.collect()
}

// untilSomeEnd waits until n more jobs have ended, or no more are posted.
func (s *stage) untilSomeEnd(n int) {
	s.t.Helper()
	before := s.succeeded()
	redistest.Eventually(s.t, patience, func() bool {
		now := s.succeeded()
		return now-before >= n || now >= s.total
	}, "no progress after %d jobs", before)
}

func (s *stage) succeeded() int {
	c, err := s.b.Counts(s.q)
	if err != nil {
		s.t.Fatal(err)
	}
	return c[task.Succeeded]
}

func TestAStoppedWorkerThatGoesOnChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, redistest.Shared(t).URL(), times(2000))
	zombie, other := startWorker(t, s.url, s.ns), startWorker(t, s.url, s.ns)
	var posting sync.WaitGroup
	posting.Go(func() { s.post() })
	for range times(2) {
		s.untilSomeEnd(50)
		const both = 2
		redistest.Eventually(t, patience, func() bool { return s.sessions() == both }, "the workers did not join")
		zombie.signal(t, syscall.SIGSTOP)
		redistest.Eventually(t, patience, func() bool { return s.sessions() < both }, "the stopped worker was not taken for lost")
		zombie.signal(t, syscall.SIGCONT)
		redistest.Eventually(t, patience, func() bool { return s.sessions() == both }, "the stopped worker did not come back")
	}
	posting.Wait()
	s.collect()
	other.signal(t, syscall.SIGTERM)
	if err := other.cmd.Wait(); err != nil {
		t.Errorf("a worker that was told to end: %v, want status 0", err)
	}
}

func (s *stage) sessions() int {
	ws, err := s.b.Workers(s.q)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(ws)
}

func TestNothingIsLostWhenARedisThatAlwaysSyncsIsKilled(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.AOF("always"))
	s := newStage(t, srv.URL(), times(2000))
	startWorker(t, s.url, s.ns)
	startWorker(t, s.url, s.ns)
	var posting sync.WaitGroup
	posting.Go(func() { s.post() })
	for range times(3) {
		s.untilSomeEnd(50)
		srv.Kill()
		srv.Restart()
	}
	posting.Wait()
	s.collect()
}

func TestNothingIsStuckWhenRedisForgetsItsLastSecond(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t, redistest.AOF("everysec"))
	s := newStage(t, srv.URL(), times(2000))
	startWorker(t, s.url, s.ns)
	startWorker(t, s.url, s.ns)
	var posting sync.WaitGroup
	posting.Go(func() { s.post() })
	for range times(3) {
		s.untilSomeEnd(50)
		srv.Kill()
		srv.Restart()
	}
	posting.Wait()
	lost := 0
	for i, id := range s.ids {
		_, err := task.At[worked](s.q, id).Wait(s.q)
		if errors.Is(err, task.ErrUnknown) {
			lost++ // acknowledged, and forgotten with the last second
		} else if err != nil {
			t.Fatalf("job %d: %v", i, err)
		}
	}
	s.ids = s.ids[:len(s.ids)-lost]
	s.sound()
	t.Logf("%d of %d acknowledged jobs were forgotten by Redis", lost, s.total)
}
