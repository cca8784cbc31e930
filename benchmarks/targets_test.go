package benchmarks

import (
	"cmp"
	"fmt"
	"io"
	goruntime "runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// target is what a benchmark must reach, and what it aims at. It is judged by
// one metric; value is shown beside it where that is a ratio.
type target struct {
	bench  string
	metric string
	value  string  // "" if metric is no ratio
	must   float64 // 0: there is none
	aim    float64 // 0: there is none
	atMost bool    // less is better
}

// targets come from the design: measured against other queues on one machine.
var targets = []target{
	{bench: "Post/callers=1", metric: xPing, value: p50, must: 1.6, aim: 1.2, atMost: true},
	{bench: "Post/callers=64", metric: xSet, value: rate, must: 0.9, aim: 1.3},
	{bench: "PostMany/batch=1000", metric: rate, must: 150_000, aim: 300_000},
	{bench: "PostMany/batch=1000", metric: queued, must: 300, aim: 225, atMost: true},
	{bench: "Drain/slots=1", metric: rate, must: 5_000},
	{bench: "Drain/slots=10", metric: xSet, value: rate, must: 0.25, aim: 0.6},
	{bench: "Drain/slots=10", metric: redisCPU, must: 25, aim: 12, atMost: true},
	{bench: "Drain/slots=64", metric: xSet, value: rate, must: 0.9, aim: 1.5},
	{bench: "Drain/slots=64", metric: redisCPU, must: 8, aim: 5.5, atMost: true},
	{bench: "Drain/slots=64", metric: finished, must: 320, aim: 275, atMost: true},
	{bench: "PostAndProcess/slots=64", metric: xSet, value: rate, must: 0.45, aim: 0.65},
	{bench: "Idle/PostToStart", metric: xPing, value: p50, must: 5, aim: 4, atMost: true},
	{bench: "Idle/Do", metric: xPing, value: p50, must: 8, aim: 5.5, atMost: true},
	{bench: "Idle/Commands", metric: perSecond, must: 4, atMost: true},
	{bench: "Callers/1000", metric: xSet, value: rate, must: 0.6, aim: 0.9},
	{bench: "Graph/FanOut/width=1000", metric: runTime, must: 60, aim: 25, atMost: true},
	{bench: "Graph/FanOut/width=10000", metric: runTime, must: 500, aim: 200, atMost: true},
	{bench: "Graph/FanOut/width=100000", metric: scriptP999, must: 5_000, atMost: true},
	{bench: "Graph/Chain/length=100", metric: runTime, must: 60, aim: 25, atMost: true},
	{bench: "Graph/Layered/100x100", metric: nodeRate, must: 25_000},
	{bench: "Graph/Submit/nodes=1000", metric: perNode, must: 10, atMost: true},
	{bench: "Graph/Submit/nodes=100000", metric: perNode, must: 10, atMost: true},
}

// met says in a word whether v is good enough.
func (t target) met(v float64) string {
	good := func(bound float64) bool {
		if t.atMost {
			return v <= bound
		}
		return v >= bound
	}
	switch {
	case !good(t.must):
		return "no"
	case t.aim != 0 && good(t.aim):
		return "yes, the aim too"
	default:
		return "yes"
	}
}

// bound writes must or aim.
func (t target) bound(v float64) string {
	switch {
	case v == 0:
		return "-"
	case t.atMost:
		return "<= " + short(v)
	default:
		return ">= " + short(v)
	}
}

// tally gathers the rounds of all benchmarks of the process.
type tally struct {
	names  []string
	series map[string]series
}

var summary = tally{series: map[string]series{}}

// add adds the rounds of a benchmark, to those of the same name from -count.
func (t *tally) add(name string, s series) {
	name = strings.TrimPrefix(name, "Benchmark")
	if t.series[name] == nil {
		t.names = append(t.names, name)
	}
	t.series[name] = append(t.series[name], s...)
}

// print writes the medians of what was measured beside the targets.
func (t *tally) print(w io.Writer) error {
	if len(t.names) == 0 {
		return nil
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "\n%s\n\n", yardsticks())
	fmt.Fprintln(out, "benchmark\tmeasure\tvalue\tratio\tspread\trounds\tothers\tmust\taim\tmet")
	for _, g := range targets {
		all := t.series[g.bench]
		s := all.counted()
		vs := s.values(g.metric)
		if len(vs) == 0 {
			continue
		}
		v := median(vs)
		value, ratio := short(median(s.values(cmp.Or(g.value, g.metric)))), "-"
		if g.value != "" {
			ratio = short(v) + " " + g.metric
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s to %s\t%d/%d\t%.0f%%\t%s\t%s\t%s\n", g.bench, cmp.Or(g.value, g.metric), value, ratio,
			short(slices.Min(vs)), short(slices.Max(vs)), len(s), len(all), 100*s.others(), g.bound(g.must), g.bound(g.aim), g.met(v))
	}
	return out.Flush()
}

// yardsticks describes the raw readings of the process.
func yardsticks() string {
	var set, many []float64
	for _, r := range yard.readings {
		set, many = append(set, r.set), append(many, r.setMany)
	}
	between := func(vs []float64, unit string) string {
		if len(vs) == 0 {
			return "not measured"
		}
		return fmt.Sprintf("%s%s (%s to %s)", short(median(vs)), unit, short(slices.Min(vs)), short(slices.Max(vs)))
	}
	return fmt.Sprintf("yardstick, medians of %d: SET %s, SET100 %s, PING %s; %s, %d CPUs", len(yard.readings),
		between(set, "/s"), between(many, "/s"), between(yard.pings, " us"), yard.server, goruntime.GOMAXPROCS(0))
}

// short writes v with three digits or so.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.3gk", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
