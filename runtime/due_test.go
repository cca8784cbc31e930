package runtime

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gomlq/mlq/internal/timetable"
	"github.com/gomlq/mlq/task"
)

// TestDueIsWhatThePolicySaysOfTheTimesThatHaveCome holds due against all times, one by
// one, and their policies as docs/schedules.md words them.
func TestDueIsWhatThePolicySaysOfTheTimesThatHaveCome(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := task.Schedule{
			Name: "s", Cron: rapid.SampledFrom([]string{"", "* * * * * *", "*/5 * * * *", "30 * * * *", "0 4 * * *"}).Draw(rt, "cron"),
			Jitter:  time.Duration(rapid.Int64Range(0, 900).Draw(rt, "jitter")) * time.Millisecond,
			CatchUp: rapid.SampledFrom([]task.CatchUp{task.CatchUpSkip, task.CatchUpOne, task.CatchUpAll}).Draw(rt, "policy"),
		}
		if s.Cron == "" {
			s.Every = time.Duration(rapid.Int64Range(1000, 7_200_000).Draw(rt, "every")) * time.Millisecond
		}
		table, err := timetable.New(s)
		if err != nil {
			rt.Fatal(err)
		}
		mark := time.UnixMilli(1_750_000_000_000 + rapid.Int64Range(0, 100_000_000).Draw(rt, "mark")).UTC()
		now := mark.Add(time.Duration(rapid.Int64Range(0, 10_000_000).Draw(rt, "since")) * time.Millisecond)
		var come []time.Time
		at := table.Next(mark)
		for ; !at.Add(table.Jitter(at)).After(now); at = table.Next(at) {
			come = append(come, at)
		}
		var want []time.Time
		var wantPass time.Time
		if n := len(come); n > 0 {
			switch last := come[n-1]; {
			case s.CatchUp == task.CatchUpAll:
				want = come[max(0, n-task.MaxCatchUp):]
			case s.CatchUp == task.CatchUpSkip && now.Sub(last.Add(table.Jitter(last))) > task.MissedAfter:
				wantPass = last
			default:
				want = come[n-1:]
			}
		}
		fires, pass, next := due(table, s.CatchUp, mark, now)
		if !slices.EqualFunc(fires, want, time.Time.Equal) || !pass.Equal(wantPass) {
			rt.Errorf("fires %v, passes over %v; want %v, and %v", fires, pass, want, wantPass)
		}
		if !next.Equal(at.Add(table.Jitter(at))) {
			rt.Errorf("the next is %v, want %v with its jitter", next, at)
		}
		if len(fires) > 0 { // and then nothing is left
			if again, pass, _ := due(table, s.CatchUp, fires[len(fires)-1], now); len(again) > 0 || !pass.IsZero() {
				rt.Errorf("after all were fired: %v, %v", again, pass)
			}
		}
	})
}
