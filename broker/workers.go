package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

// Running is an attempt that runs.
type Running struct {
	ID        task.ID
	Queue     string    // empty if it has ended meanwhile
	Functions []string  // its function filter; empty means all listeners
	Since     time.Time // when it was claimed, by the broker's clock
}

// WorkerRecord is a worker that has joined, and what it does.
type WorkerRecord struct {
	WorkerInfo
	Running []Running // those that have run for longest first
}

// scanRunning is about how many attempts one call of running.lua looks at.
const scanRunning = 250

// WorkerRecords is [Broker.Workers] with what each of them runs. It reads all attempts that
// run, some at a time; they are not read at the same instant.
func (b *Broker) WorkerRecords(ctx context.Context) ([]WorkerRecord, error) {
	ws, err := b.Workers(ctx)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	runs := map[task.SessionID]map[task.ID]Running{}
	for _, w := range ws {
		runs[w.Session] = map[task.ID]Running{}
	}
	err = b.each(func(p int) error {
		return b.eachRunning(ctx, p, func(s task.SessionID, r Running) {
			mu.Lock()
			defer mu.Unlock()
			if runs[s] != nil { // else it is lost, and others get its jobs
				runs[s][r.ID] = r
			}
		})
	})
	if err != nil {
		return nil, err
	}
	out := make([]WorkerRecord, len(ws))
	for i, w := range ws {
		out[i].WorkerInfo = w
		for _, r := range runs[w.Session] {
			out[i].Running = append(out[i].Running, r)
		}
		slices.SortFunc(out[i].Running, func(x, y Running) int {
			return cmp.Or(x.Since.Compare(y.Since), slices.Compare(x.ID[:], y.ID[:]))
		})
	}
	return out, nil
}

// eachRunning calls f with the attempts that run in partition p, with some perhaps twice.
func (b *Broker) eachRunning(ctx context.Context, p int, f func(task.SessionID, Running)) error {
	for cursor := "0"; ; {
		a, err := b.ask(ctx, b.scripts.running, p, cursor, scanRunning)
		if err == nil {
			err = statusErr("running", a.status)
		}
		if err != nil {
			return err
		}
		for l := a.list(1); len(l) >= 4; l = l[4:] {
			id, s, since := asText(l[0]), asText(l[1]), reader{b: asText(l[2])}
			if len(id) != 16 || len(s) != 8 {
				return fmt.Errorf("broker: workers: %w: %+q runs %+q", task.ErrDamaged, s, id)
			}
			var j task.Job
			setPend(&j, asText(l[3]))
			f(task.SessionID([]byte(s)), Running{task.ID([]byte(id)), j.Spec.Queue, j.Functions, letterTime(since.uint(6))})
		}
		if cursor = a.str(0); cursor == "0" || cursor == "" {
			return nil
		}
	}
}

// dismissed stands among the cancelled attempts of a session that is asked to end.
var dismissed = strings.Repeat("\x00", attemptLen)

// Shutdown asks workers to end: that of a session, in hex, or all of a name. They claim
// nothing more, let their attempts end, and leave; see runtime.Worker.Run. A worker hears of
// it at once, or else by its next beat; it has not ended when Shutdown returns. One whose
// session is lost before that joins again, and was not asked.
//
// Shutdown returns how many it has asked, and [task.ErrUnknown] if there is none. To repeat
// it is safe.
func (b *Broker) Shutdown(ctx context.Context, worker string) (n int, err error) {
	n, err = b.dismiss(ctx, func(w WorkerInfo) bool { return w.Name == worker || w.Session.String() == worker })
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: broker: no worker has the name or session %q; see Workers", task.ErrUnknown, worker)
	}
	return n, err
}

// ShutdownAll asks all workers to end, as [Broker.Shutdown] does, and returns how many.
func (b *Broker) ShutdownAll(ctx context.Context) (n int, err error) {
	return b.dismiss(ctx, func(WorkerInfo) bool { return true })
}

func (b *Broker) dismiss(ctx context.Context, whom func(WorkerInfo) bool) (n int, err error) {
	ws, err := b.Workers(ctx)
	if err != nil {
		return 0, err
	}
	for _, w := range ws {
		if !whom(w) {
			continue
		}
		a, err := b.ask(ctx, b.scripts.dismiss, 0, w.Session[:], dismissed)
		if err == nil {
			err = statusErr("dismiss", a.status)
		}
		switch {
		case err == nil:
			n++
		case !errors.Is(err, task.ErrGone):
			return n, err
		}
	}
	return n, nil
}
