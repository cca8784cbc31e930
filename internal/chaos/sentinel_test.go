package chaos

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// TestNothingIsStuckWhenSentinelsMoveThePrimary posts jobs and waits for them while the
// primary changes. What the former primary took after the new one had gone its own way
// is lost, as it must be; who asks for it learns so, and posts it again.
func TestNothingIsStuckWhenSentinelsMoveThePrimary(t *testing.T) {
	t.Parallel()
	srv := redistest.Sentinel(t)
	addrs := srv.Addrs()
	u := url.URL{Scheme: "redis+sentinel", Host: addrs[0], Path: "/0", RawQuery: "master_name=" + redistest.Primary + "&addr=" + strings.Join(addrs[1:], "&addr=")}
	s := newStage(t, u.String(), 0)
	startWorker(t, s.url, s.ns)
	startWorker(t, s.url, s.ns)
	var ended, lost, over atomic.Int64
	var mu sync.Mutex // of s.ids
	var posting sync.WaitGroup
	for range 2 {
		posting.Go(func() {
			for over.Load() == 0 && !t.Failed() {
				mu.Lock()
				from := len(s.ids)
				s.ids = append(s.ids, make([]task.ID, 5)...)
				mu.Unlock()
				for i := from; i < from+5; i++ {
					id := s.settle(work.Call(i), &lost)
					mu.Lock()
					s.ids[i] = id
					mu.Unlock()
					ended.Add(1)
				}
			}
		})
	}
	for range times(3) {
		before := ended.Load()
		redistest.Eventually(t, patience, func() bool { return ended.Load() >= before+100 || t.Failed() }, "no progress after %d jobs", before)
		srv.Failover()
	}
	over.Store(1)
	posting.Wait()
	for i, id := range s.ids { // the end of a job may be lost as well
		if _, err := task.At[worked](s.q, id).Wait(s.q); errors.Is(err, task.ErrUnknown) {
			lost.Add(1)
			s.ids[i] = s.settle(work.Call(i), &lost)
		}
	}
	s.collect()
	t.Logf("%d of %d acknowledged jobs were lost with a former primary", lost.Load(), len(s.ids))
}

// settle posts c, again whenever it is lost, until it has ended, and returns the job.
func (s *stage) settle(c task.Call, lost *atomic.Int64) task.ID {
	for s.q.Err() == nil {
		calls := []task.Call{c}
		ids, err := task.PostMany(s.q, calls)
		for errors.Is(err, task.ErrUnavailable) && s.q.Err() == nil {
			ids, err = task.PostMany(s.q, calls) // the same one
		}
		if err != nil {
			s.t.Errorf("post: %v", err)
			break
		}
		if _, err = task.At[worked](s.q, ids[0]).Wait(s.q); err == nil {
			return ids[0]
		}
		if !errors.Is(err, task.ErrUnknown) {
			s.t.Errorf("wait: %v", err)
			break
		}
		lost.Add(1)
	}
	return task.ID{}
}
