package broker

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/gomlq/mlq/task"
)

// maxLogSend is how many lines are sent, or read, at once: with all their bytes they
// stay below 2 MiB, and mostly far below.
const maxLogSend = 200

// logLine is a [task.LogLine] as it is stored; its number is that of its field.
type logLine struct {
	Time    int64  `msgpack:"t"` // µs since 1970
	Level   int    `msgpack:"l,omitempty"`
	Attempt int    `msgpack:"a"`
	Message string `msgpack:"m"`
	Attrs   string `msgpack:"x,omitempty"`
}

// AppendLog keeps lines that an attempt has logged with its job; their numbers are given
// by the broker. before is how many lines the same attempt has kept before: when a call is
// repeated, none is there twice, unless another attempt of the job has logged meanwhile.
// An attempt that has lost its lease may still say what became of it. Of a job,
// the last [task.MaxLogLines] and [task.MaxLogBytes] are kept. [task.ErrUnknown] if the
// job is gone.
func (b *Broker) AppendLog(ctx context.Context, l task.Lease, before uint64, lines []task.LogLine) error {
	p, err := b.partition(l.ID)
	if err != nil {
		return err
	}
	for len(lines) > 0 {
		some := lines[:min(len(lines), maxLogSend)]
		args := []any{l.ID[:], token(l), before, task.MaxLogLines, task.MaxLogBytes}
		for i := range some {
			line, err := encodeLine(&some[i])
			if err != nil {
				return fmt.Errorf("broker: log: %w", err)
			}
			args = append(args, line)
		}
		a, err := b.ask(ctx, b.scripts.log, p, args...)
		switch {
		case err != nil:
			return err
		case a.status == "GONE":
			return fmt.Errorf("broker: log: %w", b.missing(l.ID))
		}
		if err := statusErr("log", a.status); err != nil {
			return err
		}
		lines, before = lines[len(some):], before+uint64(len(some))
	}
	return nil
}

func encodeLine(l *task.LogLine) ([]byte, error) {
	if n := max(len(l.Message), len(l.Attrs)); n > task.MaxLogLine {
		return nil, fmt.Errorf("%w: a line of %d bytes, want at most %d", task.ErrTooLarge, n, task.MaxLogLine)
	}
	return msgpack.Marshal(&logLine{l.Time.UnixMicro(), int(l.Level), l.Attempt, l.Message, l.Attrs})
}

// Logs returns the next lines that job id has logged after the one with that number, in
// order, a bounded number of them; none if there are none yet, or they have expired. They
// are kept while the job lives, and then for its retention; of a node of a run, from its own
// end on. Where a number is missing, older lines had to make room, so the first of all may
// have a large number. Lines arrive a second or so after they were logged.
func (b *Broker) Logs(ctx context.Context, id task.ID, after uint64) ([]task.LogLine, error) {
	p, err := b.partition(id)
	if err != nil {
		return nil, err
	}
	key := b.prefixes[p] + "log:" + string(id[:])
	for {
		lines, first, err := b.readLog(ctx, id, key, after)
		if err != nil || len(lines) > 0 || first <= after+1 {
			return lines, err
		}
		after = first - 1 // those in between had to make room
	}
}

// readLog reads the lines after a number, and returns the number of the first line that
// is kept at all.
func (b *Broker) readLog(ctx context.Context, id task.ID, key string, after uint64) (lines []task.LogLine, first uint64, err error) {
	fields := []string{"f"}
	for i := range uint64(maxLogSend) {
		fields = append(fields, strconv.FormatUint(after+1+i, 10))
	}
	var got []any
	err = b.retry(ctx, "logs", func() (err error) {
		got, err = b.rdb.HMGet(ctx, key, fields...).Result()
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if text, ok := got[0].(string); ok {
		if first, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, 0, errDamaged(id, "has a log that cannot be read")
		}
	}
	for i, v := range got[1:] {
		text, ok := v.(string)
		if !ok {
			continue
		}
		var l logLine
		if err := decodeMeta(text, &l); err != nil {
			return nil, 0, errDamaged(id, "has a log that cannot be read")
		}
		lines = append(lines, task.LogLine{
			Seq: after + 1 + uint64(i), Time: time.UnixMicro(l.Time), Level: slog.Level(l.Level),
			Attempt: l.Attempt, Message: l.Message, Attrs: l.Attrs,
		})
	}
	return lines, first, nil
}
