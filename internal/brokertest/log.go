package brokertest

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gomlq/mlq/task"
)

var logStories = stories{
	"LinesAreReadAsTheyWereLogged":        logRead,
	"LinesAreReadPageByPage":              logPaged,
	"TheOldestLinesMakeRoom":              logCapped,
	"LongLinesMakeRoomSooner":             logCappedByBytes,
	"ARepeatedCallKeepsNoLineTwice":       logRepeated,
	"LinesOfAllAttemptsAreInOneLog":       logAttempts,
	"TheLogIsThereAfterTheEnd":            logEnded,
	"ALateLineIsKeptWithTheRecord":        logLate,
	"ALineOfAJobThatIsNotThereIsRefused":  logUnknown,
	"AResumedNodeGoesOnWithItsLog":        logResumed,
	"TheLogOfARunningJobIsNotOfItsFellow": logApart,
}

// lines returns lines with those messages.
func lines(messages ...string) []task.LogLine {
	ls := make([]task.LogLine, len(messages))
	for i, m := range messages {
		ls[i] = task.LogLine{Message: m, Attempt: 1, Time: time.Now()}
	}
	return ls
}

func (s *stage) logs(j task.Job, before int, ls ...task.LogLine) {
	s.Helper()
	if err := s.b.AppendLog(s.ctx, j.Lease, uint64(before), ls); err != nil {
		s.Fatalf("AppendLog: %v", err)
	}
}

// log returns all lines of a job after one, and how many calls it took.
func (s *stage) log(id task.ID, after uint64) (all []task.LogLine, calls int) {
	s.Helper()
	for {
		ls, err := s.b.Logs(s.ctx, id, after)
		if err != nil {
			s.Fatalf("Logs after %d: %v", after, err)
		}
		if len(ls) == 0 {
			return all, calls
		}
		for _, l := range ls {
			if l.Seq <= after {
				s.Fatalf("line %d comes after %d", l.Seq, after)
			}
			after = l.Seq
		}
		all = append(all, ls...)
		calls++
	}
}

// wantLog fails the test unless those are the messages of a job.
func (s *stage) wantLog(id task.ID, want ...string) {
	s.Helper()
	got, _ := s.log(id, 0)
	var messages []string
	for _, l := range got {
		messages = append(messages, l.Message)
	}
	wantEqual(s, fmt.Sprintf("the log of %v", id), messages, want)
}

func logRead(s *stage) {
	_, js := s.running(1)
	s.wantLog(js[0].ID)
	at := time.UnixMicro(time.Now().UnixMicro()) // they are kept to the microsecond
	want := []task.LogLine{
		{Seq: 1, Time: at, Level: slog.LevelInfo, Attempt: 1, Message: "begun", Attrs: "rows=7"},
		{Seq: 2, Time: at.Add(time.Millisecond), Level: slog.LevelError, Attempt: 2, Message: "bad\nline \x00\xff", Attrs: ""},
		{Seq: 3, Time: at, Level: slog.LevelDebug - 3, Attempt: 3},
	}
	s.logs(js[0], 0, want...)
	got, _ := s.log(js[0].ID, 0)
	if len(got) != len(want) {
		s.Fatalf("there are %d lines, want %d", len(got), len(want))
	}
	for i := range want {
		if !got[i].Time.Equal(want[i].Time) {
			s.Errorf("line %d is of %v, want %v", i, got[i].Time, want[i].Time)
		}
		if got[i].Time = want[i].Time; got[i] != want[i] {
			s.Errorf("line %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	if got, _ := s.log(js[0].ID, 2); len(got) != 1 || got[0].Seq != 3 {
		s.Errorf("after line 2 come %+v", got)
	}
}

func logPaged(s *stage) {
	_, js := s.running(1)
	var want []string
	for i := range 450 {
		want = append(want, fmt.Sprint("line ", i))
	}
	s.logs(js[0], 0, lines(want...)...)
	s.wantLog(js[0].ID, want...)
	if _, calls := s.log(js[0].ID, 0); calls < 2 {
		s.Errorf("%d lines came in one answer", len(want))
	}
}

func logCapped(s *stage) {
	_, js := s.running(1)
	const more = 123
	var all []string
	for i := range task.MaxLogLines + more {
		all = append(all, fmt.Sprint(i))
	}
	for i := 0; i < len(all); i += 100 {
		s.logs(js[0], i, lines(all[i:min(i+100, len(all))]...)...)
	}
	s.wantLog(js[0].ID, all[more:]...)
	got, _ := s.log(js[0].ID, 0)
	if first := got[0].Seq; first != more+1 {
		s.Errorf("the first line that is left has number %d, want %d", first, more+1)
	}
}

func logCappedByBytes(s *stage) {
	_, js := s.running(1)
	long := strings.Repeat("x", task.MaxLogLine)
	for i := range 3 * task.MaxLogBytes / task.MaxLogLine / 2 {
		s.logs(js[0], i, lines(long)...)
	}
	got, _ := s.log(js[0].ID, 0)
	if n := len(got) * task.MaxLogLine; n > task.MaxLogBytes || n < task.MaxLogBytes*9/10 {
		s.Errorf("%d bytes of lines are left, want almost %d", n, task.MaxLogBytes)
	}
	err := s.b.AppendLog(s.ctx, js[0].Lease, 0, lines(long+"x"))
	s.wantErr(err, task.ErrTooLarge, "a line of a byte too many")
}

func logRepeated(s *stage) {
	_, js := s.running(1)
	for range 2 {
		s.logs(js[0], 0, lines("a", "b")...)
	}
	for range 2 {
		s.logs(js[0], 2, lines("c")...)
	}
	s.logs(js[0], 2, lines("c", "d")...) // half of it has come
	s.logs(js[0], 1, lines("b")...)
	s.logs(js[0], 4, lines("e")...)
	s.wantLog(js[0].ID, "a", "b", "c", "d", "e")
}

func logAttempts(s *stage) {
	w, js := s.running(1)
	s.logs(js[0], 0, lines("first")...)
	w.end(outcome(js[0], task.Release, ""))
	again := w.one()
	s.logs(again, 0, lines("second")...)
	s.logs(js[0], 1, lines("last words of the first")...)
	s.wantLog(again.ID, "first", "second", "last words of the first")
}

func logEnded(s *stage) {
	w, js := s.running(3)
	for _, j := range js {
		s.logs(j, 0, lines("a", "b")...)
	}
	w.end(success(js[0], ""), outcome(js[1], task.Fail, "x"))
	s.cancel(js[2].ID)
	for _, j := range js {
		s.wantLog(j.ID, "a", "b")
	}
}

func logLate(s *stage) {
	w, js := s.running(2)
	s.logs(js[0], 0, lines("before")...)
	w.succeed(js...)
	s.logs(js[0], 1, lines("late")...)
	s.logs(js[1], 0, lines("only late")...)
	s.wantLog(js[0].ID, "before", "late")
	s.wantLog(js[1].ID, "only late")
}

func logUnknown(s *stage) {
	j := task.Job{}
	j.Lease.ID = s.in(0, call("f", ""))[0].ID
	err := s.b.AppendLog(s.ctx, j.Lease, 0, lines("x"))
	s.wantErr(err, task.ErrUnknown, "AppendLog of a job that was never posted")
	s.wantLog(j.Lease.ID)
}

func logResumed(s *stage) {
	id := s.submit(task.Plan{Name: "p", Nodes: []task.Node{{Call: call("f", "a")}}})
	w := s.join()
	j := w.one()
	s.logs(j, 0, lines("before")...)
	s.cancel(id)
	s.tick("the run is cancelled", func() bool { return s.run(id).State == task.Cancelled })
	if _, err := s.b.Resume(s.ctx, id); err != nil {
		s.Fatalf("Resume: %v", err)
	}
	again := w.later(1)[0]
	s.wantLog(j.ID, "before")
	s.logs(again, 0, lines("after")...)
	w.succeed(again)
	s.wantLog(j.ID, "before", "after")
}

func logApart(s *stage) {
	_, js := s.running(2)
	s.logs(js[0], 0, lines("one")...)
	s.logs(js[1], 0, lines("two")...)
	s.wantLog(js[0].ID, "one")
	s.wantLog(js[1].ID, "two")
}
