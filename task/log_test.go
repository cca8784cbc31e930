package task

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestKeepLogKeepsLinesWithTheirAttributes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	base := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}).WithAttrs([]slog.Attr{slog.String("worker", "w")})
	var kept []LogLine
	log := slog.New(KeepLog(base, slog.LevelInfo, func(l LogLine) { kept = append(kept, l) }))
	before := time.Now()
	log.Debug("too low")
	log.Info("plain")
	//nolint:sloglint // a key as that of the message is what this is about
	log.Warn("loud", "msg", "not the message", "level", 3, "text", `a "b" msg=""`)
	log.With("run", 7).WithGroup("at").With("page", 8).Error("deep", "line", 9)
	for i, want := range []LogLine{
		{Level: slog.LevelInfo, Message: "plain"},
		{Level: slog.LevelWarn, Message: "loud", Attrs: `msg="not the message" level=3 text="a \"b\" msg=\"\""`},
		{Level: slog.LevelError, Message: "deep", Attrs: "run=7 at.page=8 at.line=9"},
	} {
		if i >= len(kept) {
			t.Fatalf("%d lines are kept, want 3", len(kept))
		}
		got := kept[i]
		if got.Time.Before(before.Add(-time.Second)) || got.Time.After(time.Now()) {
			t.Errorf("line %d is of %v", i, got.Time)
		}
		if got.Time = (time.Time{}); got != want {
			t.Errorf("line %d is %+v, want %+v", i, got, want)
		}
	}
	if s := out.String(); len(kept) != 3 || strings.Count(s, "\n") != 2 || !strings.Contains(s, "msg=loud worker=w") || strings.Contains(s, "plain") {
		t.Errorf("%d lines are kept, want 3; the process's log has\n%s", len(kept), s)
	}
}

func TestKeepLogCutsLongLines(t *testing.T) {
	t.Parallel()
	var kept LogLine
	log := slog.New(KeepLog(slog.DiscardHandler, slog.LevelDebug, func(l LogLine) { kept = l }))
	//nolint:sloglint // a long message
	log.Debug(strings.Repeat("m", 2*MaxLogLine), "a", strings.Repeat("v", 2*MaxLogLine))
	if len(kept.Message) != MaxLogLine || len(kept.Attrs) != MaxLogLine {
		t.Errorf("kept %d bytes of the message and %d of the attributes, want %d each", len(kept.Message), len(kept.Attrs), MaxLogLine)
	}
}

func TestKeepLogIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	log := slog.New(KeepLog(slog.DiscardHandler, slog.LevelInfo, func(l LogLine) {
		mu.Lock()
		defer mu.Unlock()
		seen[l.Message+" "+l.Attrs]++
	}))
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		wg.Go(func() {
			l := log.With("by", name)
			for range 100 {
				l.Info("line", "again", name)
			}
		})
	}
	wg.Wait()
	for _, name := range []string{"a", "b", "c"} {
		if n := seen["line by="+name+" again="+name]; n != 100 {
			t.Errorf("%s was kept %d times as it was logged, want 100: %v", name, n, seen)
		}
	}
}
