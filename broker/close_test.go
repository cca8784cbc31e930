package broker

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// TestCloseEndsAllGoroutines is not parallel: it counts the goroutines of the process.
func TestCloseEndsAllGoroutines(t *testing.T) {
	cluster := redistest.Cluster(t)
	for name, url := range map[string]string{
		"Redis":    redistest.Shared(t).URL(),
		"Cluster":  clusterURL(cluster),
		"Embedded": "embedded://",
		"Local":    "local://" + t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			ctx := t.Context()
			b, err := Open(ctx, url, quietly(t, Config{}))
			must(t, err)
			h := newHand(t, b)
			must(t, load(ctx, b, h))
			c := fCall("waits")
			c.Notify = true
			ids, err := b.Post(ctx, []task.Call{c})
			must(t, err)
			waits := make(chan error, 2)
			for range 2 {
				go func() { // ends with the broker
					_, err := b.Await(ctx, ids)
					waits <- err
				}()
			}
			redistest.Eventually(t, soon, func() bool {
				b.waits.mu.Lock()
				defer b.waits.mu.Unlock()
				e := b.waits.entries[ids[0]]
				return e != nil && e.refs == 2
			}, "both wait")
			began := time.Now()
			for range 3 {
				must(t, b.Close())
			}
			if took := time.Since(began); took > soon/2 {
				t.Errorf("Close took %v", took)
			}
			for range 2 {
				wantErr(t, "Await of a broker that is closed", <-waits, task.ErrUnavailable, task.ErrClosed)
			}
			_, err = post1(ctx, b)
			wantErr(t, "Post after Close", err, task.ErrUnavailable, task.ErrClosed)
			_, err = b.Await(ctx, ids)
			wantErr(t, "Await after Close", err, task.ErrUnavailable, task.ErrClosed)
			_, err = b.Read(ctx, ids)
			wantErr(t, "Read after Close", err, task.ErrUnavailable, task.ErrClosed)
			_, err = b.Tick(ctx)
			wantErr(t, "Tick after Close", err, task.ErrUnavailable, task.ErrClosed)
			_, err = joinHand(ctx, b)
			wantErr(t, "Join after Close", err, task.ErrUnavailable, task.ErrClosed)
			if err := goleak.Find(before); err != nil {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

func TestCloseWhileCallsAreUnderWayEndsThem(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		b, err := Open(t.Context(), redistest.Shared(t).URL(), quietly(t, Config{RetryFor: soon}))
		must(t, err)
		var wg sync.WaitGroup
		for n := range 16 {
			wg.Go(func() {
				for {
					c := fCall("")
					c.Notify = n%2 == 0
					ids, err := b.Post(t.Context(), []task.Call{c})
					if err == nil {
						ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
						_, err = b.Await(ctx, ids)
						cancel()
					}
					if b.life.Err() != nil {
						if err != nil {
							return
						}
					}
				}
			})
		}
		pause := time.NewTimer(time.Duration(i) * time.Millisecond)
		<-pause.C
		must(t, b.Close())
		wg.Wait()
	}
}

func TestWaitsEndThoughSubscriptionsAreKilled(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL(), Config{})
	h := newHand(t, b)
	const n = 200
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			c := fCall(fmt.Sprint(i))
			c.Notify = i%2 == 0
			ids, err := b.Post(t.Context(), []task.Call{c})
			if err != nil {
				t.Errorf("Post: %v", err)
				return
			}
			ends, err := b.Await(t.Context(), ids)
			if err != nil || string(ends[0].Result.Bytes) != fmt.Sprint(i) {
				t.Errorf("wait %d: %+v, %v", i, ends, err)
			}
		})
	}
	done, kills := 0, 0
	redistest.Eventually(t, soon, func() bool {
		killed, err := s.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub")
		must(t, err)
		if killed.(int64) > 0 {
			kills++
		}
		jobs, err := h.claim(t.Context(), 3)
		must(t, err)
		must(t, h.finish(t.Context(), jobs...))
		done += len(jobs)
		return done == n
	}, "all jobs are run")
	wg.Wait()
	if kills == 0 {
		t.Error("no subscription was killed")
	}
	t.Logf("subscriptions were killed %d times", kills)
}

func TestAThousandWaitsUseFewConnections(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL(), Config{})
	ids, err := b.Post(t.Context(), fCalls(1000))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() { _, _ = b.Await(ctx, []task.ID{id}) })
	}
	redistest.Eventually(t, soon, func() bool {
		b.waits.mu.Lock()
		defer b.waits.mu.Unlock()
		return len(b.waits.entries) == len(ids)
	}, "all wait")
	clients, err := strconv.Atoi(parseInfo(do(t, s, "INFO", "clients").(string))["connected_clients"])
	must(t, err)
	const most = poolSize + 2 // the subscription, and the test's own
	if clients > most {
		t.Errorf("%d waits use %d connections, want at most %d", len(ids), clients, most)
	}
	t.Logf("%d waits use %d connections", len(ids), clients)
	cancel()
	wg.Wait()
}
