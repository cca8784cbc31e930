package broker

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

// How far back a [Throughput] goes; see lua/lib/rate.lua.
const (
	RateMinutes = 60
	RateHours   = 7 * 24
)

// Period is how many jobs of a queue have ended in a minute or an hour.
type Period struct {
	Start     time.Time // by the broker's clock
	Succeeded int
	Failed    int // dead letters, less those that were redriven in it
	Cancelled int
	Skipped   int
}

// Throughput is how many jobs of a queue have ended lately.
type Throughput struct {
	Minutes []Period // the last [RateMinutes] that are over, in order
	Hours   []Period // the last [RateHours] in order, with the one that is not over
}

// Throughput returns how many jobs of a queue have ended lately, zeros of one that is
// unknown. The figures are noted by the first tick of a minute for the minute before: what
// ends while nobody ticks counts for the minute of the last tick. When many queues are used
// (500) some have none. It costs one small read for each partition.
func (b *Broker) Throughput(ctx context.Context, queue string) (Throughput, error) {
	if err := task.CheckName("queue", queue); err != nil {
		return Throughput{}, err
	}
	var mu sync.Mutex
	now := b.now()
	out := Throughput{
		Minutes: periods(now.Truncate(time.Minute).Add(-RateMinutes*time.Minute), time.Minute, RateMinutes),
		Hours:   periods(now.Truncate(time.Hour).Add(-(RateHours-1)*time.Hour), time.Hour, RateHours),
	}
	err := b.each(func(p int) error {
		var got map[string]string
		err := b.retry(ctx, "throughput", func() (err error) {
			got, err = b.rdb.HGetAll(ctx, b.prefixes[p]+"rate:"+queue).Result()
			return err
		})
		mu.Lock()
		defer mu.Unlock()
		for field, v := range got {
			switch {
			case err != nil || field == "last":
			case !ratesForm.MatchString(field + " " + v):
				err = fmt.Errorf("broker: throughput: %w: %s of %q is %q", task.ErrDamaged, field, queue, v)
			case field[0] == 'm':
				addPeriod(out.Minutes, time.Minute, v)
			default:
				addPeriod(out.Hours, time.Hour, v)
			}
		}
		return err
	})
	return out, err
}

// periods returns n empty periods.
func periods(from time.Time, width time.Duration, n int) []Period {
	ps := make([]Period, n)
	for i := range ps {
		ps[i].Start = from.Add(time.Duration(i) * width)
	}
	return ps
}

// addPeriod adds what is stored of a period: its number since 1970 and four counts.
func addPeriod(ps []Period, width time.Duration, v string) {
	var n [5]int
	for i, s := range strings.Fields(v) {
		n[i], _ = strconv.Atoi(s) // it has the form, and is a number
	}
	at := n[0] - int(ps[0].Start.Unix()/int64(width/time.Second))
	if at < 0 || at >= len(ps) {
		return // it is older
	}
	p := &ps[at]
	p.Succeeded += n[1]
	p.Failed += n[2]
	p.Cancelled += n[3]
	p.Skipped += n[4]
}

// ratesForm is a field of rate:<queue> and its value.
var ratesForm = regexp.MustCompile(`^([mh]\d{1,3} \d{1,9}|last)( \d{1,15}){4}$`)

// takeRates takes what a queue has of its throughput.
func (s *stored) takeRates(queue string, items []any) {
	for ; len(items) >= 2; items = items[2:] {
		if field, v := asText(items[0]), asText(items[1]); !ratesForm.MatchString(field + " " + v) {
			s.brokenf(RuleForm, "rate:"+queue, task.ID{}, "%+q is %+q, which is no count of a period", field, v)
		}
	}
}
