package broker

import (
	"testing"
	"time"

	"github.com/gomlq/mlq/task"
)

func TestNothingOfAPausedQueueIsClaimed(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		h, ctx := newHand(t, b), t.Context()
		post(t, b, fCalls(20)...)
		running, err := h.claim(ctx, 5)
		must(t, err)
		must(t, b.PauseQueue(ctx, task.DefaultQueue))
		must(t, b.PauseQueue(ctx, task.DefaultQueue)) // once is enough
		post(t, b, fCalls(10)...)
		late := fCall("late")
		late.Spec.Delay = time.Millisecond
		post(t, b, late)
		run, err := b.Submit(ctx, task.Plan{Name: "p", Nodes: []task.Node{{Call: fCall("node")}}})
		must(t, err)
		must(t, h.finish(ctx, running...))
		if jobs, err := h.claim(ctx, 10); len(jobs) > 0 || err != nil {
			t.Errorf("claimed %d jobs of a paused queue, %v", len(jobs), err)
		}
		found, err := b.Fsck(ctx, FsckConfig{})
		if err != nil || len(found.Broken) > 0 {
			t.Errorf("fsck while it is paused: %v, %v", found.Broken, err)
		}
		must(t, b.ResumeQueue(ctx, task.DefaultQueue))
		must(t, b.ResumeQueue(ctx, task.DefaultQueue))
		for left := 27; left > 0; {
			_, err := b.Tick(ctx)
			must(t, err)
			left -= len(h.work(t, succeeded))
		}
		if r, err := b.Run(ctx, run); err != nil || r.State != task.Succeeded {
			t.Errorf("the run is %+v, %v", r, err)
		}
		wantErr(t, "a queue without a name", b.PauseQueue(ctx, ""), task.ErrInvalid)
	})
}

// TestAResumedQueueWakesIdleWorkers: they need not wait until they look by themselves.
func TestAResumedQueueWakesIdleWorkers(t *testing.T) {
	onAll(t, func(t *testing.T, b *Broker) {
		ctx := t.Context()
		bells := make(chan task.Signal, 1000)
		id, err := b.Join(ctx, task.Worker{Queues: []string{"default"}, Functions: []string{"f"}, LeaseTTL: 10 * time.Minute}, func(s task.Signal) { bells <- s })
		must(t, err)
		h := &hand{b: b, id: id, numbers: make([]uint64, b.Partitions())}
		must(t, b.PauseQueue(ctx, "default"))
		job := post(t, b, fCall("x"))[0]
		p := job.Partition()
		for { // a bell may come for the post, and when the inbox is listened to
			_, err := h.exchange(ctx, p, 1)
			must(t, err)
			if b.inbox.live(p, string(id[:])) {
				break
			}
		}
		for len(bells) > 0 {
			<-bells
		}
		_, err = h.exchange(ctx, p, 1)
		must(t, err)
		must(t, b.ResumeQueue(ctx, "default"))
		deadline := time.After(soon)
		for {
			select {
			case s := <-bells:
				if s.Kind != task.SignalBell || s.Partition != p {
					continue
				}
				jobs, err := h.claim(ctx, 1)
				must(t, err)
				if len(jobs) == 1 && jobs[0].ID == job {
					must(t, h.finish(ctx, jobs...))
					return
				}
			case <-deadline:
				t.Fatal("no bell was rung for the queue that goes on")
			}
		}
	})
}
