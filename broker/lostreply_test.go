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
	faultPairs = flag.Int("lostreply.pairs", 60, "random pairs of faults that TestALostReplyChangesNothing plays")
	faultSeed  = flag.Uint64("lostreply.seed", 0, "seed of the pairs, 0 for a new one")
)

// faults are what can go wrong with one command.
var faults = []redistest.Mode{redistest.DropRequest, redistest.ApplyDropReply, redistest.ApplyTwice, redistest.ResetBefore}

// fault is what goes wrong in one play: the mode by the number of the command.
type fault map[int64]redistest.Mode

// plays counts what was hit by faults.
type plays struct {
	scripts map[string]string // names by hash
	mu      sync.Mutex
	hit     map[string]map[redistest.Mode]int // by script, or command
}

// names tells scripts by their hash, or text.
func scriptNames(t *testing.T) map[string]string {
	t.Helper()
	m := map[string]string{}
	files, err := fs.Glob(luaFS, "lua/*.lua")
	must(t, err)
	for _, f := range files {
		name := strings.TrimSuffix(path.Base(f), ".lua")
		s, err := loadScript(name, dialect{shebang: true}, "")
		must(t, err)
		m[s.sha], m[s.text] = name, name
	}
	return m
}

// play runs the scenario with faults in a namespace of its own. It returns the
// story that the store tells then, and how many commands it took.
func (ps *plays) play(t *testing.T, server *redistest.Server, partitions int, f fault) (story string, commands int64) {
	t.Helper()
	cfg := quietly(t, Config{RetryFor: soon, Partitions: partitions})
	proxy := redistest.StartProxy(t, server.Addr())
	proxy.SetFault(func(n int64, cmd redistest.Command) redistest.Mode {
		if mode := f[n]; mode != redistest.Pass {
			ps.note(cmd, mode)
			return mode
		}
		return redistest.Pass
	})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	b, err := Open(ctx, proxy.URL(), cfg)
	if err != nil {
		t.Errorf("with %v: Open: %v", f, err)
		return "", 0
	}
	s, err := play(ctx, b)
	commands = proxy.Count()
	if err := b.Close(); err != nil {
		t.Errorf("with %v: Close: %v", f, err)
	}
	if err != nil {
		t.Errorf("with %v: %v", f, err)
		return "", 0
	}
	direct := open(t, server.URL(), cfg)
	if story, err = s.tell(ctx, direct); err != nil {
		t.Errorf("with %v: read the outcome: %v", f, err)
	}
	return story, commands
}

func (ps *plays) note(cmd redistest.Command, mode redistest.Mode) {
	name := cmd.Name
	if len(cmd.Args) > 0 {
		if script, ok := ps.scripts[string(cmd.Args[0])]; ok {
			name = script + ".lua"
		}
	}
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
			t.Logf("%d commands without a fault; the outcome:\n%s", commands, want)
			var all []fault
			if partitions == 1 {
				for n := range commands {
					for _, mode := range faults {
						all = append(all, fault{n + 1: mode})
					}
				}
			}
			seed := *faultSeed
			if seed == 0 {
				seed = rand.Uint64()
			}
			t.Logf("pairs: -lostreply.seed=%d", seed)
			r := rand.New(rand.NewPCG(seed, 0))
			for range *faultPairs {
				n := 1 + r.Int64N(commands)
				all = append(all, fault{n: faults[r.IntN(4)], n + 1 + r.Int64N(5): faults[r.IntN(4)]})
			}
			t.Run("Faults", func(t *testing.T) { ps.playAll(t, server, partitions, all, want) })
			if partitions == 1 {
				ps.covered(t)
			}
		})
	}
}

// playAll plays with each of the faults, some at a time.
func (ps *plays) playAll(t *testing.T, server *redistest.Server, partitions int, all []fault, want string) {
	todo := make(chan fault)
	var wg sync.WaitGroup
	for range 8 {
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
