package benchmarks

import (
	"maps"
	"strings"
	"testing"
	"time"
)

func TestInputIsEncodedInAbout100Bytes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 99, 50_000} {
		c := noop.Call(input{N: n, Text: text})
		if got := len(c.Payload.Bytes); c.Err() != nil || got < 95 || got > 105 {
			t.Errorf("input %d has %d bytes, error %v; want about 100", n, got, c.Err())
		}
	}
}

func TestTargetIsMet(t *testing.T) {
	t.Parallel()
	least, most := target{must: 0.9, aim: 1.5}, target{must: 8, aim: 5.5, atMost: true}
	for _, c := range []struct {
		t    target
		v    float64
		want string
	}{
		{least, 0.89, "no"},
		{least, 0.9, "yes"},
		{least, 1.5, "yes, the aim too"},
		{most, 8.1, "no"},
		{most, 8, "yes"},
		{most, 5.5, "yes, the aim too"},
		{target{must: 4, atMost: true}, 1, "yes"},
	} {
		if got := c.t.met(c.v); got != c.want {
			t.Errorf("%+v: met(%v) = %q, want %q", c.t, c.v, got, c.want)
		}
	}
}

func TestDisturbedRoundsDoNotCountIfEnoughAreLeft(t *testing.T) {
	t.Parallel()
	of := func(others ...float64) series {
		var s series
		for _, o := range others {
			s = append(s, &round{others: o, metrics: map[string]float64{rate: o}})
		}
		return s
	}
	for _, c := range []struct {
		all  series
		want float64
	}{
		{of(0.02, 0.5, 0.01, 0.6, 0.03), 0.02},
		{of(0.02, 0.5, 0.01, 0.6), 0.26},
		{nil, 0},
	} {
		if got := median(c.all.counted().values(rate)); got != c.want {
			t.Errorf("median of the rounds that count is %v, want %v", got, c.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var ds []time.Duration
	for i := 100; i > 0; i-- {
		ds = append(ds, time.Duration(i))
	}
	if got := percentile(ds, 0.99); got != 100 {
		t.Errorf("percentile of 1 to 100 at 0.99 is %d, want 100", got)
	}
	if got := percentile(ds, 0.5); got != 51 {
		t.Errorf("percentile of 1 to 100 at 0.5 is %d, want 51", got)
	}
	if got := percentile(nil, 0.5); got != 0 {
		t.Errorf("percentile of nothing is %d, want 0", got)
	}
}

func TestShapesHaveTheirNodesAndEdges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		s            *shape
		nodes, edges int
	}{
		{"fan-out", fanOut(300), 302, 600},
		{"chain", chain(10), 10, 9},
		{"handed on", handedOn(10), 10, 9},
		{"layered", layered(5, 7), 35, 4 * 7 * 3},
		{"loose", layered(5, 7).loose(), 35, 0},
	} {
		if err := c.s.Validate(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(c.s.Nodes) != c.nodes || c.s.edges != c.edges {
			t.Errorf("%s has %d nodes and %d edges, want %d and %d", c.name, len(c.s.Nodes), c.s.edges, c.nodes, c.edges)
		}
	}
}

func TestParsePercentiles(t *testing.T) {
	t.Parallel()
	got := parsePercentiles("p50=30.1,p99=80.9,p99.9=200.7,p100=1003.5")
	want := map[string]float64{scriptP50: 30.1, scriptP99: 80.9, scriptP999: 200.7, scriptMax: 1003.5}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := parsePercentiles(""); len(got) != 0 {
		t.Errorf("of nothing: got %v", got)
	}
}

func TestSummaryHoldsWhatWasMeasuredAgainstTheTargets(t *testing.T) {
	t.Parallel()
	s := tally{series: map[string]series{}}
	s.add("BenchmarkDrain/slots=64", series{{metrics: map[string]float64{rate: 70_000, xSet: 0.7}}})
	var b strings.Builder
	if err := s.print(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	last := strings.Join(strings.Fields(lines[len(lines)-1]), " ")
	if want := "Drain/slots=64 jobs/s 70k 0.7 x-SET 0.7 to 0.7 1/1 0% >= 0.9 >= 1.5 no"; last != want {
		t.Errorf("the last line is %q, want %q", last, want)
	}
}
