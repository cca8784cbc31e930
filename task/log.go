package task

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Limits of what is kept of a job's log: it is there to say what became of one job, not
// instead of the process's log, which has all lines.
const (
	MaxLogLines = 1000      // of one job; the oldest make room
	MaxLogBytes = 256 << 10 // of one job, likewise
	MaxLogLine  = 4 << 10   // bytes of a line's message, and of its attributes; longer ones are cut
)

// LogLine is a line that a job has logged.
type LogLine struct {
	Seq     uint64     // from 1, without gaps but for lines that were dropped
	Time    time.Time  // by the worker's clock
	Level   slog.Level // as it was logged
	Attempt int        // which attempt of the job has logged it, from 1
	Message string     // at most MaxLogLine bytes
	Attrs   string     // as slog's text handler writes them: rows=7 at.page=8; at most MaxLogLine bytes
}

// KeepLog returns a handler that gives keep each line whose level is min or higher, and
// gives base all that base wants. It is for those who implement an [Attempt]: keep sets
// what it knows better, and must not block. It is called by the goroutines that log, also
// at once.
func KeepLog(base slog.Handler, min slog.Leveler, keep func(LogLine)) slog.Handler {
	p := &page{keep: keep, min: min}
	return &keeper{base: base, attrs: slog.NewTextHandler(&p.buf, &slog.HandlerOptions{Level: min}), page: p}
}

// page is where the attributes of a line are written to.
type page struct {
	keep func(LogLine)
	min  slog.Leveler
	mu   sync.Mutex
	buf  bytes.Buffer
}

// keeper is what KeepLog returns.
type keeper struct {
	base  slog.Handler
	attrs slog.Handler // writes to page
	page  *page        // of all that were made of one
}

func (k *keeper) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= k.page.min.Level() || k.base.Enabled(ctx, l)
}

func (k *keeper) Handle(ctx context.Context, r slog.Record) (err error) {
	if k.base.Enabled(ctx, r.Level) {
		err = k.base.Handle(ctx, r.Clone())
	}
	if r.Level >= k.page.min.Level() {
		k.page.keep(k.line(ctx, r))
	}
	return err
}

// line makes a line of r.
func (k *keeper) line(ctx context.Context, r slog.Record) LogLine {
	l := LogLine{Time: r.Time, Level: r.Level, Message: clip(r.Message, MaxLogLine)}
	if l.Time.IsZero() {
		l.Time = time.Now()
	}
	r.Time, r.Message = time.Time{}, "" // only the attributes are wanted
	k.page.mu.Lock()
	defer k.page.mu.Unlock()
	k.page.buf.Reset()
	if err := k.attrs.Handle(ctx, r); err == nil {
		_, attrs, _ := strings.Cut(strings.TrimSuffix(k.page.buf.String(), "\n"), ` msg=""`)
		l.Attrs = clip(strings.TrimPrefix(attrs, " "), MaxLogLine)
	}
	return l
}

func (k *keeper) WithAttrs(as []slog.Attr) slog.Handler {
	return &keeper{k.base.WithAttrs(as), k.attrs.WithAttrs(as), k.page}
}

func (k *keeper) WithGroup(name string) slog.Handler {
	return &keeper{k.base.WithGroup(name), k.attrs.WithGroup(name), k.page}
}
