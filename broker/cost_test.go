package broker

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// within fails the test if a cost has grown by more than a tenth above what was
// recorded when it was last looked at, and tells where it has fallen by as much.
func within(t *testing.T, what string, got, recorded float64) {
	t.Helper()
	switch {
	case got > recorded*1.1+0.01:
		t.Errorf("%s: %.2f, recorded is %.2f. Find out what has made it grow; if it is worth it, say why in the commit and record the new figure here", what, got, recorded)
	case got < recorded*0.9-0.01:
		t.Logf("%s: %.2f, recorded is %.2f. It has become cheaper: record the new figure", what, got, recorded)
	default:
		t.Logf("%s: %.2f", what, got)
	}
}

// commandsOf returns how many commands s runs during f, those of scripts included.
func commandsOf(t *testing.T, s *redistest.Server, f func()) float64 {
	t.Helper()
	do(t, s, "CONFIG", "RESETSTAT")
	f()
	total := 0
	for name, stat := range parseInfo(do(t, s, "INFO", "commandstats").(string)) {
		n := 0
		if _, err := fmt.Sscanf(stat, "calls=%d", &n); err != nil {
			t.Fatalf("%s:%s: %v", name, stat, err)
		}
		if !strings.HasPrefix(name, "cmdstat_config") && name != "cmdstat_info" {
			total += n
		}
	}
	return float64(total)
}

// TestCommandsPerJob counts what Redis does for a job: time is noisy, commands are
// not.
func TestCommandsPerJob(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL(), Config{})
	ctx := t.Context()
	const rounds = 10
	for _, c := range []struct {
		batch     int
		post, run float64 // recorded
	}{
		{batch: 50, post: 0.11, run: 0.38},
		{batch: 1, post: 7, run: 21},
	} {
		h := newHand(t, b)
		must(t, load(ctx, b, h)) // the scripts are loaded, the keys are there
		post := commandsOf(t, s, func() {
			for range rounds {
				_, err := b.Post(ctx, fCalls(c.batch))
				must(t, err)
			}
		})
		within(t, fmt.Sprintf("commands to post a job, %d at once", c.batch), post/float64(rounds*c.batch), c.post)
		run := commandsOf(t, s, func() {
			var done []task.Outcome
			for range rounds + 1 {
				got, err := h.exchange(ctx, 0, c.batch, done...)
				must(t, err)
				done = nil
				for _, j := range got.Jobs {
					done = append(done, succeeded(j))
				}
			}
		})
		within(t, fmt.Sprintf("commands to claim and complete a job, %d at once", c.batch), run/float64(rounds*c.batch), c.run)
		must(t, b.Leave(ctx, h.id))
	}
}

// TestRoundTrips counts what goes over the wire.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	proxy := redistest.StartProxy(t, redistest.Shared(t).Addr())
	b := open(t, proxy.URL(), Config{})
	ctx := t.Context()
	h := newHand(t, b)
	must(t, load(ctx, b, h)) // the scripts are loaded, and the inbox is there
	redistest.Eventually(t, soon, func() bool { return b.inbox.live(0, b.waits.name) }, "the inbox is listened to")
	var mu sync.Mutex
	var came []string
	proxy.SetFault(func(_ int64, cmd redistest.Command) redistest.Mode {
		mu.Lock()
		defer mu.Unlock()
		came = append(came, cmd.String())
		return redistest.Pass
	})
	trips := func(what string, recorded int, f func()) {
		t.Helper()
		var least []string
		for try := range 5 { // connections and looks of the background may come between
			mu.Lock()
			came = nil
			mu.Unlock()
			f()
			mu.Lock()
			if try == 0 || len(came) < len(least) {
				least = came
			}
			mu.Unlock()
		}
		if len(least) != recorded {
			t.Errorf("%s takes %d round trips, recorded are %d:\n%s", what, len(least), recorded, strings.Join(least, "\n"))
		}
	}
	trips("a post", 1, func() {
		_, err := post1(ctx, b)
		must(t, err)
	})
	trips("a post of 500", 1, func() {
		_, err := b.Post(ctx, fCalls(500))
		must(t, err)
	})
	for {
		jobs, err := h.claim(ctx, task.MaxWant)
		must(t, err)
		if len(jobs) == 0 {
			break
		}
	}
	trips("a call and its result", 3, func() {
		c := fCall("r")
		c.Notify = true
		ids, err := b.Post(ctx, []task.Call{c})
		must(t, err)
		got, err := h.exchange(ctx, 0, 1)
		must(t, err)
		_, err = h.exchange(ctx, 0, 1, succeeded(got.Jobs[0]))
		must(t, err)
		ends, err := b.Await(ctx, ids)
		must(t, err)
		if string(ends[0].Result.Bytes) != "r" {
			t.Errorf("the result is %q", ends[0].Result.Bytes)
		}
	})
	trips("a plan of 100 nodes", 1, func() {
		plan := task.Plan{Name: "p"}
		for _, c := range fCalls(100) {
			plan.Nodes = append(plan.Nodes, task.Node{Call: c})
		}
		_, err := b.Submit(ctx, plan)
		must(t, err)
	})
}

// TestScriptBytes: a server keeps each script, and compiles it after a restart.
func TestScriptBytes(t *testing.T) {
	t.Parallel()
	s, err := loadScripts(dialect{shebang: true, sharded: true}, "")
	must(t, err)
	total, largest := 0, 0
	for _, at := range s.all() {
		n := len((*at).text)
		total += n
		largest = max(largest, n)
	}
	within(t, "KiB of scripts", float64(total)/1024, 236)
	within(t, "KiB of the largest script", float64(largest)/1024, 50)
}

// TestAllocationsPerPost is not parallel: it counts those of the process.
func TestAllocationsPerPost(t *testing.T) {
	withoutRaceDetector(t)
	b := open(t, redistest.Shared(t).URL(), Config{})
	ctx := t.Context()
	c := []task.Call{fCall(strings.Repeat("x", 100))}
	got := testing.AllocsPerRun(200, func() {
		c[0].ID = task.ID{}
		if _, err := b.Post(ctx, c); err != nil {
			t.Fatal(err)
		}
	})
	within(t, "allocations of a post", got, 18)
}

// TestAnswersAreBounded: while Redis puts a long answer together, and sends it, it
// serves nobody else.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL(), Config{})
	ctx := t.Context()
	const n, size = 48, 1 << 20
	cs := fCalls(n)
	for i := range cs {
		cs[i].Payload.Bytes = make([]byte, size/2)
	}
	ids, err := b.Post(ctx, cs)
	must(t, err)
	h := newHand(t, b)
	for {
		jobs, err := h.claim(ctx, 4)
		must(t, err)
		if len(jobs) == 0 {
			break
		}
		must(t, h.finish(ctx, jobs...))
	}
	_, err = b.Await(ctx, ids)
	must(t, err)
	_, err = b.Read(ctx, ids)
	must(t, err)
	most, err := strconv.Atoi(parseInfo(do(t, s, "INFO", "clients").(string))["client_recent_max_output_buffer"])
	must(t, err)
	if most == 0 || most > 12<<20 {
		t.Errorf("the longest of the answers had %d bytes, want 4 MiB and one result", most)
	}
	t.Logf("the longest answer had %d KiB", most>>10)
}
