package broker

import (
	"encoding/binary"

	"github.com/gomlq/mlq/task"
)

// exitID returns the ID of exit job i of a run that ends at ms. times is how often it was
// resumed before: each end has exit jobs of its own.
func exitID(run task.RunID, ms int64, times, i int) task.ID {
	id := task.NewID(ms, task.KindDerived, run.Class(), 0, uint32(times*task.MaxExits+i), uint16(run.Partition()))
	id[7] |= run[7] & 0x3F
	copy(id[8:11], run[8:11])
	return id
}

// layExits adds what is posted when the run has ended; see lua/lib/exits.lua.
func (b *Broker) layExits(l *layout, plan *task.Plan) error {
	for i := range plan.OnExit {
		c := plan.OnExit[i]
		c.ID, c.Parent = exitID(l.id, l.id.Time().UnixMilli(), 0, i), l.id
		it, err := b.prepareIn(new([]byte), &c, nil, l.id.Partition())
		if err != nil {
			return err
		}
		if err := b.weigh(l, len(it.value)); err != nil {
			return err
		}
		v := append(binary.BigEndian.AppendUint16(nil, uint16(len(it.pend))), it.pend...)
		l.field("x"+string([]byte{byte(i)}), append(v, it.value...))
	}
	if n := len(plan.OnExit); n > 0 {
		l.field("xs", n)
	}
	return nil
}

// exitsOf returns the IDs of n exit jobs, of which first is the first one's.
func exitsOf(first string, n int) []task.ID {
	if len(first) != len(task.ID{}) {
		return nil
	}
	id := task.ID([]byte(first))
	out := make([]task.ID, n)
	for i := range out {
		at := id.Number() + i
		out[i] = id
		out[i][11], out[i][12], out[i][13] = byte(at>>16), byte(at>>8), byte(at)
	}
	return out
}
