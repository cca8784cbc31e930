package broker

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlq/mlq/internal/redistest"
)

var (
	faultPairs = flag.Int("lostreply.pairs", 40, "random pairs of faults that TestALostReplyChangesNothing plays")
	faultSeed  = flag.Uint64("lostreply.seed", 0, "seed of the pairs, 0 for a new one")
)

// faults are what can go wrong with one command.
var faults = []redistest.Mode{redistest.DropRequest, redistest.ApplyDropReply, redistest.ApplyTwice, redistest.ResetBefore}

// A fault is what goes wrong in one play: the mode by the command, which is named
// by script or command and how often it came: "tick.lua 1". Connections are made at
// the same time, so that its number among all commands is not always the same.
type fault map[string]redistest.Mode

// plays counts what was hit by faults.
type plays struct {
	scripts map[string]string // names by hash
	mu      sync.Mutex
	hit     map[string]map[redistest.Mode]int // by script, or command
}

// scriptNames tells scripts by their hash, or text.
func scriptNames(t *testing.T) map[string]string {
	t.Helper()
	m := map[string]string{}
	files, err := fs.Glob(luaFS, "lua/*.lua")
	must(t, err)
	for _, f := range files {
		name := strings.TrimSuffix(path.Base(f), ".lua")
		for _, shebang := range []bool{true, false} {
			s, err := loadScript(name, dialect{shebang: shebang}, "")
			must(t, err)
			m[s.sha], m[s.text] = name, name
		}
	}
	return m
}

// play runs the scenario with faults in a namespace of its own. It returns the
// story that the store tells then, and the names of the commands that it took.
func (ps *plays) play(t *testing.T, server *redistest.Server, partitions int, f fault) (story string, commands []string) {
	t.Helper()
	cfg := quietly(t, Config{RetryFor: soon, Partitions: partitions})
	proxy := redistest.StartProxy(t, server.Addr())
	var mu sync.Mutex
	var came []string
	count := map[string]int{}
	proxy.SetFault(func(_ int64, cmd redistest.Command) redistest.Mode {
		name := ps.name(cmd)
		mu.Lock()
		count[name]++
		n := fmt.Sprint(name, " ", count[name])
		came = append(came, n)
		mu.Unlock()
		mode := f[n]
		if mode != redistest.Pass {
			ps.note(name, mode)
		}
		return mode
	})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	b, err := Open(ctx, proxy.URL(), cfg)
	if err != nil {
		t.Errorf("with %v: Open: %v", f, err)
		return "", nil
	}
	s, err := play(ctx, b)
	mu.Lock()
	commands = slices.Clone(came)
	mu.Unlock()
	if err := b.Close(); err != nil {
		t.Errorf("with %v: Close: %v", f, err)
	}
	if err != nil {
		t.Errorf("with %v: %v", f, err)
		return "", nil
	}
	direct, err := Open(ctx, server.URL(), cfg)
	if err != nil {
		t.Errorf("with %v: Open to read the outcome: %v", f, err)
		return "", nil
	}
	if story, err = s.tell(ctx, direct); err != nil {
		t.Errorf("with %v: read the outcome: %v", f, err)
	}
	if err := direct.Close(); err != nil { // there are thousands of plays
		t.Errorf("with %v: Close: %v", f, err)
	}
	return story, commands
}

// name returns the name of a command, or of the script that it runs.
func (ps *plays) name(cmd redistest.Command) string {
	if len(cmd.Args) > 0 {
		if script, ok := ps.scripts[string(cmd.Args[0])]; ok {
			return script + ".lua"
		}
	}
	return cmd.Name
}

func (ps *plays) note(name string, mode redistest.Mode) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.hit[name] == nil {
		ps.hit[name] = map[redistest.Mode]int{}
	}
	ps.hit[name][mode]++
}

// TestALostReplyChangesNothing plays a scenario once for each command of it and
// each way in which that command, its reply or its connection may be lost, and
// compares what the store says then with what it says when nothing goes wrong.
func TestALostReplyChangesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for _, partitions := range []int{1, 2} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			t.Parallel()
			ps := &plays{scripts: scriptNames(t), hit: map[string]map[redistest.Mode]int{}}
			want, commands := ps.play(t, server, partitions, nil)
			if t.Failed() {
				return
			}
			t.Logf("%d commands without a fault; the outcome:\n%s", len(commands), want)
			var all []fault
			for _, c := range commands {
				if partitions > 1 || strings.HasPrefix(c, "TYPE ") || strings.HasPrefix(c, "PTTL ") { // these only look, and there are many
					continue
				}
				for _, mode := range faults {
					all = append(all, fault{c: mode})
				}
			}
			seed := *faultSeed
			if seed == 0 {
				seed = rand.Uint64()
			}
			t.Logf("pairs: -lostreply.seed=%d", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			if raceDetector { // some will do: make test plays all of them without
				r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				all = all[:min(len(all), 100)]
			}
			for range *faultPairs {
				n := r.IntN(len(commands))
				next := min(n+1+r.IntN(5), len(commands)-1)
				all = append(all, fault{commands[n]: faults[r.IntN(4)], commands[next]: faults[r.IntN(4)]})
			}
			t.Run("Faults", func(t *testing.T) { ps.playAll(t, server, partitions, all, want) })
			if partitions == 1 && !raceDetector {
				ps.covered(t)
			}
		})
	}
}

// playAll plays with each of the faults, some at a time.
func (ps *plays) playAll(t *testing.T, server *redistest.Server, partitions int, all []fault, want string) {
	todo := make(chan fault)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for f := range todo {
				got, _ := ps.play(t, server, partitions, f)
				if got != "" && got != want {
					t.Errorf("with %v the outcome is\n%s", f, difference(got, want))
				}
			}
		})
	}
	for _, f := range all {
		todo <- f
	}
	close(todo)
	wg.Wait()
}

// difference returns the lines in which two stories differ.
func difference(got, want string) string {
	var out strings.Builder
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, line := range g {
		if !slices.Contains(w, line) {
			fmt.Fprintln(&out, "got  ", line)
		}
	}
	for _, line := range w {
		if !slices.Contains(g, line) {
			fmt.Fprintln(&out, "want ", line)
		}
	}
	return out.String()
}

// covered tells what was hit, and fails the test for a script that never was.
func (ps *plays) covered(t *testing.T) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(ps.hit)) {
		t.Logf("%-14s %v", name, ps.hit[name])
	}
	for _, script := range ps.scripts {
		for _, mode := range faults {
			if ps.hit[script+".lua"][mode] == 0 {
				t.Errorf("the scenario never has %v of %s.lua: let it call the script", mode, script)
			}
		}
	}
}
