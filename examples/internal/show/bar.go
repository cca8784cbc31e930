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
	show  func(ended int)
	done  func()
}

// Bar begins to show what becomes of total jobs. Done must be called at the end,
// whether all have ended or not.
func (s *Screen) Bar(what string, total int) *Bar {
	b := &Bar{show: lines(s.Err, what, total), done: func() {}}
	if cwriter.New(s.Err).IsTerminal() {
		bars := mpb.New(mpb.WithOutput(s.Err), mpb.WithWidth(72))
		s.bars.Store(bars)
		bar := bars.New(int64(total), mpb.BarStyle(),
			mpb.PrependDecorators(decor.Name(what+" "), decor.CountersNoUnit("%2d/%d jobs ")),
			mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)))
		b.show = func(ended int) { bar.SetCurrent(int64(ended)) }
		b.done = func() {
			bar.Abort(false) // changes nothing if it is complete
			bars.Wait()
			s.bars.Store(nil)
		}
	}
	b.show(0)
	return b
}

// Step says that one more has ended.
func (b *Bar) Step() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended++
	b.show(b.ended)
}

// Set says how many have ended.
func (b *Bar) Set(ended int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = ended
	b.show(b.ended)
}

// Done ends the bar.
func (b *Bar) Done() { b.done() }

// lines returns what shows progress as lines.
func lines(w io.Writer, what string, total int) func(ended int) {
	told := -1
	return func(ended int) {
		if quarter := 4 * ended / total; quarter > told {
			fmt.Fprintf(w, "%s: %d of %d jobs (%d %%)\n", what, ended, total, 100*ended/total)
			told = quarter
		}
	}
}
