package broker

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/gomlq/mlq/task"
)

// maxEventSteps is how many entries of a run's stream are read at once: each has what one
// script has done to the run, a few hundred events at most.
const maxEventSteps = 100

// eventStates are the letters of events; see lua/lib/run.lua.
var eventStates = map[byte]task.State{
	'r': task.Ready, 'a': task.Running, 'w': task.Scheduled, 'b': task.Blocked, 'm': task.Blocked,
	'S': task.Succeeded, 'F': task.Failed, 'C': task.Cancelled, 'K': task.Skipped, 'X': task.Running,
}

// eventLen is how long an event is: a letter and the number of a node, or ofRun.
const (
	eventLen = 4
	ofRun    = "\xff\xff\xff"
)

// Events implements [task.Port]: it returns the next events of a run after the one with
// that number, in order: what some hundred steps of the run have said. There are none if
// nothing has happened since, or the plan did not ask for events. Of a run, the latest
// 10,000 steps are kept, or some more.
func (b *Broker) Events(ctx context.Context, id task.RunID, after uint64) ([]task.Event, error) {
	p, err := b.partition(id)
	if err != nil {
		return nil, err
	}
	var es []task.Event
	err = b.retry(ctx, "events", func() error {
		// An entry bears the number of its last event.
		entries, err := b.rdb.XRangeN(ctx, b.prefixes[p]+"events:"+string(id[:]), strconv.FormatUint(after+1, 10), "+", maxEventSteps).Result()
		if err != nil {
			return err
		}
		es = es[:0]
		for _, e := range entries {
			if es, err = appendEvents(es, e.ID, e.Values, after); err != nil {
				return err
			}
		}
		return nil
	})
	return es, err
}

// appendEvents takes an entry apart and appends its events after number after.
func appendEvents(es []task.Event, entry string, values map[string]any, after uint64) ([]task.Event, error) {
	number, _, _ := strings.Cut(entry, "-")
	last, err := strconv.ParseUint(number, 10, 64)
	at, _ := values["t"].(string)
	said, _ := values["s"].(string)
	ms, err2 := strconv.ParseUint(at, 10, 64)
	n := uint64(len(said) / eventLen)
	if err != nil || err2 != nil || len(said)%eventLen != 0 || n == 0 || n > last {
		return es, fmt.Errorf("broker: events: %w: entry %q has %q", task.ErrDamaged, entry, said)
	}
	for seq := last - n + 1; seq <= last; seq++ {
		e := task.Event{Seq: seq, At: letterTime(ms), Node: place(said[1:]), State: eventStates[said[0]]}
		if said[1:eventLen] == ofRun {
			e.Node, e.Stopping = -1, said[0] == 'X'
		}
		if said = said[eventLen:]; seq > after {
			es = append(es, e)
		}
	}
	return es, nil
}
