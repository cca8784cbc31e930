package show

import (
	"fmt"
	"io"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/cwriter"
	"github.com/vbauerster/mpb/v8/decor"
)

// A Bar shows how many jobs have ended: as a bar on a terminal, elsewhere as a
// line at the beginning and for each quarter that is reached. It is safe for
// concurrent use.
type Bar struct {
	mu    sync.Mutex
	ended int
	total int
	show  func(ended, total int)
	done  func()
}

// Bar begins to show what becomes of total jobs. Done must be called at the end,
// whether all have ended or not.
func (s *Screen) Bar(what string, total int) *Bar {
	b := &Bar{total: total, show: lines(s.Err, what), done: func() {}}
	if cwriter.New(s.Err).IsTerminal() {
		bars := mpb.New(mpb.WithOutput(s.Err), mpb.WithWidth(72))
		s.bars.Store(bars)
		bar := bars.New(0, mpb.BarStyle(), // a total that may change is not told here
			mpb.PrependDecorators(decor.Name(what+" "), decor.CountersNoUnit("%2d/%d jobs ")),
			mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)))
		b.show = func(ended, total int) {
			bar.SetTotal(int64(total), false)
			bar.SetCurrent(int64(ended))
		}
		b.done = func() {
			bar.Abort(false) // it stays as it is
			bars.Wait()
			s.bars.Store(nil)
		}
	}
	b.show(0, total)
	return b
}

// Step says that one more has ended.
func (b *Bar) Step() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended++
	b.show(b.ended, b.total)
}

// Set says how many have ended, of how many: a run has more nodes once a map has its list.
func (b *Bar) Set(ended, total int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended, b.total = ended, total
	b.show(b.ended, b.total)
}

// Done ends the bar.
func (b *Bar) Done() { b.done() }

// lines returns what shows progress as lines.
func lines(w io.Writer, what string) func(ended, total int) {
	told, of := -1, 0
	return func(ended, total int) {
		if total != of {
			told, of = -1, total
		}
		if quarter := 4 * ended / total; quarter > told {
			fmt.Fprintf(w, "%s: %d of %d jobs (%d %%)\n", what, ended, total, 100*ended/total)
			told = quarter
		}
	}
}
