package broker

import (
	"strings"
	"testing"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// TestHintsForTheCallersOwnProcess tells of a post and an end whose session and waiter
// are of the calling broker, and of such that are another's.
func TestHintsForTheCallersOwnProcess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		same      bool
		published string
	}{
		{"go along with the answers", true, ""},
		{"are published for others", false, "calls=2,"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			cfg := Config{Namespace: redistest.Namespace(t)}
			poster := open(t, s.URL(), cfg)
			worker := poster
			if !c.same {
				worker = open(t, s.URL(), cfg)
			}
			ctx := t.Context()
			rung := make(chan task.Signal, 10)
			id, err := worker.Join(ctx, task.Worker{
				Name: "w", Queues: []string{"default"}, Functions: []string{"f"}, LeaseTTL: soon,
			}, func(s task.Signal) { rung <- s })
			must(t, err)
			poster.waits.start()
			redistest.Eventually(t, soon, func() bool {
				return poster.inbox.live(0, poster.waits.name) && worker.inbox.live(0, string(id[:]))
			}, "the inboxes are listened to")
			<-rung // of the subscription
			h := &hand{b: worker, id: id, numbers: make([]uint64, 1)}
			jobs, err := h.claim(ctx, 1)
			must(t, err)
			if len(jobs) > 0 {
				t.Fatalf("%d jobs were there before", len(jobs))
			}
			do(t, s, "CONFIG", "RESETSTAT")

			call := fCall("r")
			call.Notify = true
			ids, err := poster.Post(ctx, []task.Call{call})
			must(t, err)
			if bell := <-rung; bell.Kind != task.SignalBell {
				t.Errorf("the signal is %v, want a bell", bell)
			}
			got, err := h.exchange(ctx, 0, 1)
			must(t, err)
			must(t, h.finish(ctx, got.Jobs...))
			ends, err := poster.Await(ctx, ids)
			must(t, err)
			if string(ends[0].Result.Bytes) != "r" {
				t.Errorf("the result is %q", ends[0].Result.Bytes)
			}
			published := parseInfo(do(t, s, "INFO", "commandstats").(string))["cmdstat_publish"]
			if !strings.HasPrefix(published, c.published) || c.published == "" && published != "" {
				t.Errorf("PUBLISH was used: %q, want %q", published, c.published)
			}
		})
	}
}
