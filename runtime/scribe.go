package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomlq/mlq/task"
)

// NoLogs is the [Config.LogLevel] with which nothing that a job logs is kept.
const NoLogs = slog.Level(math.MaxInt)

// How lines go to the broker: a function that logs never waits for it.
const (
	logPace    = time.Second // between sends, while nothing is in a hurry
	hurryBytes = 64 << 10    // waiting lines of one attempt that are sent at once
	maxWaiting = 4 << 20     // bytes of waiting lines of a worker: past that they are dropped
	lineBytes  = 100         // that a line takes besides its texts
)

// scribe keeps what jobs log until the broker has it. Its methods are safe for
// concurrent use.
type scribe struct {
	b    Logs
	log  *slog.Logger // takes what becomes of the lines
	some chan struct{}
	now  chan struct{} // has a token if lines are to be sent at once

	mu    sync.Mutex
	dirty []*diary // with lines that wait, in order
	bytes int      // of waiting lines
	over  bool     // nothing is sent any more

	lost atomic.Int64 // lines that could not be kept
	told int64        // of them; only send looks at it
}

// diary is what one attempt has logged. The lock of the scribe guards it.
type diary struct {
	lease task.Lease
	lines []task.LogLine // that wait
	bytes int            // of them
	sent  uint64         // lines before them
	lost  int            // lines behind them
}

func newScribe(b Logs, log *slog.Logger) *scribe {
	return &scribe{b: b, log: log, some: make(chan struct{}, 1), now: make(chan struct{}, 1)}
}

// add takes a line of an attempt.
func (s *scribe) add(d *diary, l task.LogLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(l.Message) + len(l.Attrs) + lineBytes
	if s.over || s.bytes+n > maxWaiting || len(d.lines) >= task.MaxLogLines {
		s.lost.Add(1)
		d.lost++
		return
	}
	if len(d.lines) == 0 {
		s.dirty = append(s.dirty, d)
		poke(s.some)
	}
	d.lines = append(d.lines, l)
	d.bytes += n
	s.bytes += n
	if d.bytes >= hurryBytes || s.bytes >= maxWaiting/2 {
		poke(s.now)
	}
}

// ended says that an attempt has logged its last line, most likely.
func (s *scribe) ended(d *diary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(d.lines) > 0 {
		poke(s.now)
	}
}

// begin sends lines from now on, until rest is called, which sends what is left.
func (s *scribe) begin(calls context.Context) (rest func()) {
	ctx, stop := context.WithCancel(calls)
	var wg sync.WaitGroup
	wg.Go(func() { s.run(ctx) })
	return func() {
		stop()
		wg.Wait()
		s.close(calls)
	}
}

// run sends lines until ctx ends.
func (s *scribe) run(ctx context.Context) {
	t := time.NewTimer(logPace)
	defer t.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-s.some:
		}
		t.Reset(logPace)
		select {
		case <-ctx.Done():
			return
		case <-s.now:
		case <-t.C:
		}
		if err := s.send(ctx); err != nil {
			t.Reset(logPace)
			select {
			case <-ctx.Done():
			case <-t.C:
			}
		}
	}
}

// close sends what is left, and drops what cannot be sent in time.
func (s *scribe) close(calls context.Context) {
	ctx, cancel := context.WithTimeout(calls, flushTimeout)
	defer cancel()
	_ = s.send(ctx) // which has logged it
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, d := range s.dirty {
		s.lost.Add(int64(len(d.lines)))
	}
	s.dirty = nil
	s.tell(nil)
}

// send sends all lines that wait. The error is that of a broker that cannot be reached:
// then the rest waits on.
func (s *scribe) send(ctx context.Context) error {
	for {
		d, lines := s.take()
		if d == nil {
			s.tell(nil)
			return nil
		}
		err := s.b.AppendLog(ctx, d.lease, d.sent, lines)
		again := errors.Is(err, task.ErrUnavailable) && !errors.Is(err, task.ErrClosed) || err != nil && ctx.Err() != nil
		s.settle(d, len(lines), err, again)
		if err != nil {
			s.tell(err)
		}
		if again {
			return err
		}
	}
}

// take returns the lines of one attempt, nil if none wait. They are still d's.
func (s *scribe) take() (*diary, []task.LogLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dirty) == 0 {
		return nil, nil
	}
	d := s.dirty[0]
	if d.lost > 0 {
		last := d.lines[len(d.lines)-1]
		last.Level, last.Message, last.Attrs = slog.LevelWarn, fmt.Sprintf("%d lines after these could not be kept", d.lost), ""
		d.lines = append(d.lines, last)
		d.lost = 0
	}
	return d, d.lines
}

// settle strikes n lines of d off, unless they are to be sent again.
func (s *scribe) settle(d *diary, n int, err error, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty = s.dirty[1:]
	if !again {
		d.sent += uint64(n)
		d.lines = d.lines[n:]
		if err != nil {
			s.lost.Add(int64(n))
		}
		s.bytes -= d.bytes
		d.bytes = sizeOf(d.lines)
		s.bytes += d.bytes
	}
	if len(d.lines) == 0 {
		d.lines = nil
		return
	}
	s.dirty = append(s.dirty, d)
	poke(s.some)
}

func sizeOf(lines []task.LogLine) (n int) {
	for i := range lines {
		n += len(lines[i].Message) + len(lines[i].Attrs) + lineBytes
	}
	return n
}

// tell logs that lines were lost since it did so last.
func (s *scribe) tell(err error) {
	lost := s.lost.Load()
	if lost == s.told {
		return
	}
	args := []any{"lines", lost - s.told}
	if err != nil {
		args = append(args, "error", err)
	}
	s.log.Warn("lines that jobs have logged could not be kept with them", args...)
	s.told = lost
}
