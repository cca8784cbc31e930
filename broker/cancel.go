package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// Cancel implements [task.Port]: it ends a job or a run as cancelled, and returns the
// state it has then. Once it has returned, nothing of it starts any more; the nodes of
// a large run end within seconds, some at each tick.
func (b *Broker) Cancel(ctx context.Context, id task.ID) (task.State, error) {
	p, err := b.partition(id)
	if err != nil {
		return 0, err
	}
	letters, err := b.cancelJobs(ctx, p, []task.ID{id})
	if err != nil {
		return 0, err
	}
	if letters[0] == '?' {
		return 0, b.missing(id)
	}
	if id.Kind() == task.KindRun {
		err = b.sweepRun(ctx, p, id)
	}
	return endStates[letters[0]], err
}

// maxSweeps is how many steps of the sweep of a cancelled run are done at once, some
// 100 nodes each; the rest is left to ticks.
const maxSweeps = 100

// sweepRun ends the nodes of a run that was stopped, so that who has cancelled it sees
// them ended, unless they are very many.
func (b *Broker) sweepRun(ctx context.Context, p int, id task.RunID) error {
	for range maxSweeps {
		run, err := b.Run(ctx, id)
		if err != nil || run.State != task.Running {
			return err
		}
		if _, _, err := b.tickOnce(ctx, p, true); err != nil {
			return err
		}
	}
	return nil
}

// cancelJobs cancels at most 128 jobs of partition p and returns the
// letters of the states that they have then.
func (b *Broker) cancelJobs(ctx context.Context, p int, ids []task.ID) (string, error) {
	args := make([]any, len(ids))
	for i := range ids {
		args[i] = ids[i][:]
	}
	a, err := b.ask(ctx, b.scripts.cancel, p, args...)
	if err == nil {
		err = statusErr("cancel", a.status)
	}
	if err == nil && len(a.str(0)) != len(ids) {
		err = fmt.Errorf("broker: cancel: %w: %d answers for %d questions", task.ErrDamaged, len(a.str(0)), len(ids))
	}
	return a.str(0), err
}

// Resume implements [task.Port]: a run that has failed or was cancelled goes on from
// where it was, and one that is paused goes on. It returns the state that the run has then: Running, or another if
// there was nothing to resume; [task.ErrUnavailable] while a run is still being stopped,
// which takes a large one some seconds. Nodes that did not succeed are run again, each with all
// its attempts; those whose dead letter was deleted stay failed.
func (b *Broker) Resume(ctx context.Context, id task.RunID) (task.State, error) {
	p, err := b.partition(id)
	if err != nil {
		return 0, err
	}
	times, err := b.resumes(ctx, p, id)
	if err != nil {
		return 0, err
	}
	a, err := b.ask(ctx, b.scripts.resume, p, id[:], times+1)
	if err == nil {
		err = statusErr("resume", a.status)
	}
	if err != nil {
		return 0, err
	}
	if a.str(0) == "w" {
		return 0, fmt.Errorf("broker: resume: %w: run %v is still being stopped; wait for its end", task.ErrUnavailable, id)
	}
	if state := runStates[a.str(0)]; state != 0 {
		return state, nil
	}
	return 0, b.missing(id)
}

// Pause implements [task.Port]: nothing new of a run starts until it is resumed; what
// runs goes on. It returns the state that the run has: Running, or the one it has ended with.
// A deadline of the run holds meanwhile.
func (b *Broker) Pause(ctx context.Context, id task.RunID) (task.State, error) {
	p, err := b.partition(id)
	if err != nil {
		return 0, err
	}
	times, err := b.resumes(ctx, p, id)
	if err != nil {
		return 0, err
	}
	a, err := b.ask(ctx, b.scripts.pause, p, id[:], times)
	if err == nil {
		err = statusErr("pause", a.status)
	}
	if err != nil {
		return 0, err
	}
	if state := runStates[a.str(0)]; state != 0 {
		return state, nil
	}
	return 0, b.missing(id)
}

// resumes returns how often a run was resumed.
func (b *Broker) resumes(ctx context.Context, p int, id task.RunID) (times int, err error) {
	err = b.retry(ctx, "resume", func() (err error) {
		times, err = b.rdb.HGet(ctx, b.prefixes[p]+"run:"+string(id[:]), "again").Int()
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		return err
	})
	return times, err
}

// runStates maps the states of runs.
var runStates = map[string]task.State{"a": task.Running, "r": task.Running, "S": task.Succeeded, "F": task.Failed, "C": task.Cancelled}

// Run returns what is kept of a run.
func (b *Broker) Run(ctx context.Context, id task.RunID) (task.RunRecord, error) {
	p, err := b.partition(id)
	if err != nil {
		return task.RunRecord{}, err
	}
	var got []any
	err = b.retry(ctx, "run", func() (err error) {
		got, err = b.rdb.HMGet(ctx, b.prefixes[p]+"run:"+string(id[:]), "name", "state", "n", "begun", "end", "S", "F", "C", "K", "paused", "e", "xs", "xe").Result()
		return err
	})
	if err != nil {
		return task.RunRecord{}, err
	}
	s := make([]string, len(got))
	for i := range got {
		s[i], _ = got[i].(string)
	}
	if runStates[s[1]] == 0 { // nothing is seen of one that has not come whole
		return task.RunRecord{}, b.missing(id)
	}
	n := func(i int) int { v, _ := strconv.Atoi(s[i]); return v }
	r := task.RunRecord{
		ID: id, Name: s[0], State: runStates[s[1]], Nodes: n(2),
		Paused: s[9] != "", Watched: s[10] != "",
		Started: letterTime(uint64(n(3))), Finished: letterTime(uint64(n(4))),
		Counts: map[task.State]int{task.Succeeded: n(5), task.Failed: n(6), task.Cancelled: n(7), task.Skipped: n(8)},
		Exits:  exitsOf(s[12], n(11)),
	}
	return r, nil
}
