package broker

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// scene is a state that has something of every kind, and who is in it.
type scene struct {
	*bench
	ctx      context.Context
	keys     map[string][]string // by kind
	workers  [4]task.SessionID
	numbers  [4]uint64
	held     []task.Lease // of the first worker
	run      task.RunID
	node     task.Lease
	ready    task.ID
	dead     task.ID
	calls    int
	snapshot []savedKey
}

// savedKey is a key as Redis moves it.
type savedKey struct {
	name, value string
	ttl         time.Duration
}

func newScene(t *testing.T) *scene {
	t.Helper()
	cfg := testConfig
	cfg.RetryFor = time.Millisecond
	s := &scene{bench: newBench(t, cfg, edit{"lib/follow", "EDGES, CHUNK, KID = 512,", "EDGES, CHUNK, KID = 1,"}), ctx: t.Context()}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.reset(s.ctx))
	for i := range s.workers {
		s.workers[i] = task.SessionID{'w', byte(i)}
		must(s.join(i))
	}
	must(s.post(task.Call{}, task.Call{}, task.Call{}, task.Call{}, task.Call{}, task.Call{}, task.Call{}))
	must(s.post(careful("delayed"), careful("unique"), careful("idempotent")))
	must(s.submit())
	x := s.exchange(0, 8, 0, nil)
	must(x.err)
	if len(x.jobs) != 8 {
		t.Fatalf("claimed %d jobs, want 8", len(x.jobs))
	}
	ids := make([]task.ID, len(x.jobs))
	for i := range x.jobs {
		ids[i] = x.jobs[i].ID
	}
	lease := func(i int) task.Lease { return x.jobs[i].Lease }
	// The third worker is lost twice with what it claims, so that this is a suspect.
	for range 2 {
		must(s.exchange(2, 1, 0, nil).err)
		must(s.setClock(s.ctx, testBegin+10_000))
		must(s.b.leaveOf(s.ctx, s.workers[2]))
		must(s.tick())
		s.workers[2][2]++
		s.numbers[2] = 0
		must(s.join(2))
	}
	must(s.exchange(1, 1, 1, nil).err) // is asked to drain
	must(s.post(task.Call{}, task.Call{}))
	must(s.exchange(3, 1, 0, nil).err) // has nothing to do
	var nodes, others []task.Lease
	for i := range x.jobs {
		if ids[i].Kind() == task.KindNode {
			nodes = append(nodes, lease(i))
		} else {
			others = append(others, lease(i))
		}
	}
	// Of the nodes two end at once, and so a continuation stays.
	must(s.exchange(0, 0, 5, []task.Outcome{
		{Lease: others[0], Verdict: task.Succeed},
		{Lease: others[1], Verdict: task.Fail, Failure: task.Failure{Message: "failed"}},
		{Lease: nodes[0], Verdict: task.Succeed}, {Lease: nodes[1], Verdict: task.Succeed},
	}).err)
	must(s.b.cancelOne(s.ctx, others[2].ID))
	text := "note"
	must(s.b.Note(s.ctx, others[3], task.Note{Text: &text, Checkpoint: &task.Data{Codec: task.CodecBytes, Bytes: []byte("half")}}))
	must(s.edge(others[4], edgeOf([]task.ID{s.run})))
	must(s.watch(others[3].ID, s.run))
	must(s.wideRun())
	must(s.halfRun())
	must(s.logs(others[3]))
	s.b.chunk = 10
	must(s.store("more than one chunk of it"))
	must(s.schedule())
	must(s.fire(1))
	must(s.b.hold(s.ctx, 0, "z", 1))
	must(s.rdb.HSet(s.ctx, s.b.prefixes[0]+"rate:q", "last", "0 0 0 0", "m1", "60 1 2 3 4", "h1", "1 1 2 3 4").Err())
	s.held, s.node, s.dead = others[3:], nodes[2], others[1].ID
	must(s.save())
	d, err := s.dump(s.ctx)
	must(err)
	s.keys = map[string][]string{}
	names := slices.Collect(maps.Keys(d.kinds))
	for _, l := range s.held {
		names = append(names, "res:"+l.ID.Bucket()) // may be there or not
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		kind := name
		if i := strings.IndexByte(name, ':'); i >= 0 {
			kind = name[:i+1]
		}
		s.keys[kind] = append(s.keys[kind], name)
	}
	for kind := range keyKinds {
		if len(s.keys[kind]) == 0 {
			t.Errorf("the scene has no key %s", kind)
		}
	}
	return s
}

// careful returns a call with an option.
func careful(option string) task.Call {
	var c task.Call
	switch option {
	case "delayed":
		c.Spec.Delay = time.Hour
	case "unique":
		c.Spec.UniqueKey = "key"
	default:
		c.Spec.IdempotencyKey = "key"
	}
	return c
}

// leaveOf ends a session.
func (b *Broker) leaveOf(ctx context.Context, id task.SessionID) error {
	_, err := b.ask(ctx, b.scripts.leave, 0, id[:], "a group", "q")
	return err
}

// cancelOne cancels one job.
func (b *Broker) cancelOne(ctx context.Context, ids ...task.ID) error {
	_, err := b.cancelJobs(ctx, 0, ids)
	return err
}

func (s *scene) join(i int) error {
	functions := []string{"f"}
	if i == 3 {
		functions = []string{"g"} // for which there is nothing to do
	}
	real, err := newSession(task.Worker{Queues: []string{"q"}, Functions: functions, LeaseTTL: time.Hour})
	if err != nil {
		return err
	}
	s.b.sessions.Store(s.workers[i], real)
	return s.b.hello(s.ctx, 0, s.workers[i], real)
}

func (s *scene) post(calls ...task.Call) error {
	var items []item
	for i := range calls {
		c := &calls[i]
		s.calls++
		c.ID = task.NewID(testBegin, task.KindLone, task.ClassFor(0), uint32(s.calls/3), uint32(s.calls), 0)
		if c.Spec.Queue = "q"; c.Functions == nil {
			c.Functions = []string{"f"}
		}
		it, err := s.b.prepare(c, 0)
		if err != nil {
			return err
		}
		it.again = false
		items = append(items, it)
	}
	r := newPostRequest()
	r.items = items
	if err := s.b.poster(0, r).do(s.ctx, r); err != nil {
		return err
	}
	return r.err
}

// submit submits three nodes, each with children that wait for it.
func (s *scene) submit() error {
	s.calls++
	s.run = task.NewID(testBegin, task.KindRun, task.ClassFor(0), uint32(s.calls), 0, 0)
	plan := task.Plan{Name: "plan", Events: true}
	for i := range 7 {
		n := task.Node{Call: task.Call{Functions: []string{"f"}}}
		n.Spec.Queue, n.Spec.Priority = "q", task.High
		if i >= 3 {
			n.Parents = task.After(i % 3)
		}
		plan.Nodes = append(plan.Nodes, n)
	}
	parts, err := s.b.parts(s.run, fmt.Sprint("nonce", s.calls), &plan)
	if err == nil {
		_, err = s.b.ask(s.ctx, s.b.scripts.submit, 0, parts[0]...)
	}
	return err
}

// logs lets an attempt log something.
func (s *scene) logs(l task.Lease) error {
	return s.b.AppendLog(s.ctx, l, 0, []task.LogLine{{Message: "one"}, {Message: "two"}})
}

// store stores text under a key, for ever.
func (s *scene) store(text string) error {
	_, err := task.Store(task.WithPort(s.ctx, s.b), []byte(text), task.Key("key"), task.Expire(task.Forever))
	return err
}

// wideRun submits a run that nobody serves, of which some nodes stand in line.
func (s *scene) wideRun() error {
	return s.parts(258, 1)
}

// halfRun submits half of a run.
func (s *scene) halfRun() error { return s.parts(maxPart+1, 1) }

// parts submits the first parts of a run of nodes that nobody serves.
func (s *scene) parts(nodes, parts int) error {
	s.calls++
	plan := task.Plan{Name: "plan", Nodes: make([]task.Node, nodes)}
	for i := range plan.Nodes {
		plan.Nodes[i].Functions, plan.Nodes[i].Spec.Queue = []string{"z"}, "z"
	}
	id := task.NewID(testBegin, task.KindRun, task.ClassFor(0), uint32(s.calls), 0, 0)
	args, err := s.b.parts(id, fmt.Sprint("nonce", s.calls), &plan)
	for i := range parts {
		if err == nil {
			_, err = s.b.ask(s.ctx, s.b.scripts.submit, 0, args[i]...)
		}
	}
	return err
}

// schedule makes a schedule, or replaces it with another.
func (s *scene) schedule() error {
	s.calls++
	c := task.Schedule{Name: "s", Every: time.Duration(s.calls) * time.Minute, Overlap: task.OverlapSkip}
	c.Call.Functions, c.Call.Spec.Queue = []string{"z"}, "z"
	return s.b.PutSchedule(s.ctx, c)
}

// fire fires the schedule some ms after it was made, whatever revision it has.
func (s *scene) fire(after int) error {
	f := task.Fire{Schedule: task.Schedule{Name: "s"}, At: time.UnixMilli(testBegin + 10_000 + int64(after))}
	f.Schedule.Call.Functions, f.Schedule.Call.Spec.Queue = []string{"z"}, "z"
	if err := s.setClock(s.ctx, testBegin+20_000); err != nil {
		return err
	}
	a, err := s.b.Agenda(s.ctx, 0)
	if err == nil {
		f.Revision = max(a.Version, 1)
		_, err = s.b.Fire(s.ctx, []task.Fire{f})
	}
	return err
}

// exchanged is the answer to an exchange.
type exchanged struct {
	jobs []task.Job
	err  error
}

func (s *scene) exchange(i, want, held int, done []task.Outcome) exchanged {
	s.numbers[i]++
	x, err := s.b.Exchange(s.ctx, task.Exchange{Session: s.workers[i], Number: s.numbers[i], Want: want, Held: held, Done: done})
	return exchanged{x.Jobs, err}
}

func (s *scene) watch(ids ...task.ID) error {
	args := []any{"an inbox"}
	for i := range ids {
		args = append(args, ids[i][:])
	}
	_, err := s.b.eval(s.ctx, s.b.scripts.watch, 0, args...)
	return err
}

func (s *scene) edge(l task.Lease, edge []byte) error {
	_, err := s.b.setEdge(s.ctx, l, edge, 0)
	return err
}

func (s *scene) tick() error {
	_, _, err := s.b.tickOnce(s.ctx, 0, true)
	return err
}

// save takes a snapshot, to which back returns.
func (s *scene) save() error {
	names, err := s.rdb.Keys(s.ctx, "*").Result()
	if err != nil {
		return err
	}
	for _, name := range names {
		value, err := s.rdb.Dump(s.ctx, name).Result()
		if err != nil {
			return err
		}
		ttl, err := s.rdb.PTTL(s.ctx, name).Result()
		if err != nil {
			return err
		}
		s.snapshot = append(s.snapshot, savedKey{name, value, max(ttl, 0)})
	}
	return nil
}

func (s *scene) back() error {
	_, err := s.rdb.Pipelined(s.ctx, func(p redis.Pipeliner) error {
		p.FlushDB(s.ctx)
		for _, k := range s.snapshot {
			p.Restore(s.ctx, k.name, k.ttl, k.value)
		}
		return nil
	})
	return err
}

// damages are what may become of a key.
var damages = map[string]func(s *scene, key string) error{
	"missing": func(s *scene, key string) error { return s.rdb.Del(s.ctx, key).Err() },
	"wrong type": func(s *scene, key string) error {
		kind := s.rdb.Type(s.ctx, key).Val() // "none" where it may be, but is not
		if err := s.rdb.Del(s.ctx, key).Err(); err != nil || kind == "string" {
			return errors.Join(err, s.rdb.RPush(s.ctx, key, "x").Err())
		}
		return s.rdb.Set(s.ctx, key, "x", 0).Err()
	},
	"empty": func(s *scene, key string) error { return s.shorten(key, func(string) string { return "" }) },
	"cut":   func(s *scene, key string) error { return s.shorten(key, func(v string) string { return v[:len(v)/2] }) },
}

// shorten replaces the values of a hash, the members of a set, the entries of a
// list, or a string. When the key expires stays as it was.
func (s *scene) shorten(key string, to func(string) string) error {
	ttl := s.rdb.PTTL(s.ctx, key).Val()
	p := s.rdb.TxPipeline()
	switch s.rdb.Type(s.ctx, key).Val() {
	case "string":
		p.Set(s.ctx, key, to(s.rdb.Get(s.ctx, key).Val()), 0)
	case "hash":
		for f, v := range s.rdb.HGetAll(s.ctx, key).Val() {
			p.HSet(s.ctx, key, f, to(v))
		}
	case "list":
		p.Del(s.ctx, key)
		for _, v := range s.rdb.LRange(s.ctx, key, 0, -1).Val() {
			p.RPush(s.ctx, key, to(v))
		}
	case "set":
		p.Del(s.ctx, key)
		for _, v := range s.rdb.SMembers(s.ctx, key).Val() {
			p.SAdd(s.ctx, key, to(v))
		}
	case "zset":
		p.Del(s.ctx, key)
		for _, z := range s.rdb.ZRangeWithScores(s.ctx, key, 0, -1).Val() {
			p.ZAdd(s.ctx, key, redis.Z{Score: z.Score, Member: to(z.Member.(string))})
		}
	default:
		return nil
	}
	if ttl > 0 {
		p.PExpire(s.ctx, key, ttl)
	}
	_, err := p.Exec(s.ctx)
	return err
}

// acts are calls of each script.
var acts = map[string]func(*scene) error{
	"exchange": func(s *scene) error {
		failed := task.Failure{Message: "failed"}
		follow := task.Call{Functions: []string{"f"}}
		follow.Spec.Queue = "q"
		done := []task.Outcome{{Lease: s.node, Verdict: task.Succeed, Then: []task.Call{follow}}}
		for i, v := range []task.Verdict{task.Succeed, task.Retry, task.Postpone, task.Release, task.Fail} {
			if i < len(s.held) {
				done = append(done, task.Outcome{Lease: s.held[i], Verdict: v, Failure: failed, Delay: time.Duration(i%2) * time.Second})
			}
		}
		return s.exchange(0, 3, 0, done).err
	},
	"exchange that fails a node": func(s *scene) error {
		return s.exchange(0, 0, 0, []task.Outcome{{Lease: s.node, Verdict: task.Fail, Failure: task.Failure{Message: "failed"}}}).err
	},
	"exchange of successes": func(s *scene) error {
		var done []task.Outcome
		for _, l := range s.held {
			done = append(done, task.Outcome{Lease: l, Verdict: task.Succeed})
		}
		return s.exchange(0, 3, 0, done).err
	},
	"claim":         func(s *scene) error { return s.exchange(1, 3, 0, nil).err },
	"claim, busy":   func(s *scene) error { return s.exchange(2, 3, 2, nil).err },
	"claim, fourth": func(s *scene) error { s.numbers[1] += 2; return s.exchange(1, 3, 0, nil).err },
	"exchange, repeated": func(s *scene) error {
		s.numbers[0]--
		return s.exchange(0, 3, 0, nil).err
	},
	"post": func(s *scene) error { return s.post(task.Call{}, task.Call{Functions: []string{"g"}}) },
	"careful post": func(s *scene) error {
		return s.post(careful("delayed"), careful("unique"), careful("idempotent"))
	},
	"submit":     func(s *scene) error { return s.submit() },
	"tick":       func(s *scene) error { return s.tick() },
	"later tick": func(s *scene) error { return errors.Join(s.setClock(s.ctx, testBegin+7_200_000), s.tick()) },
	"cancel": func(s *scene) error {
		return s.b.cancelOne(s.ctx, s.node.ID, s.held[0].ID, s.held[1].ID, s.ready, s.run.Node(6))
	},
	"join":  func(s *scene) error { return s.join(1) },
	"leave": func(s *scene) error { return s.b.leaveOf(s.ctx, s.workers[0]) },
	"beat":  func(s *scene) error { _, err := s.b.ask(s.ctx, s.b.scripts.beat, 0, s.workers[0][:], 1000); return err },
	"note":  func(s *scene) error { return s.b.Note(s.ctx, s.held[0], task.Note{Checkpoint: &task.Data{}}) },
	"block": func(s *scene) error { return s.edge(s.held[0], edgeOf([]task.ID{s.run})) },
	"unblock": func(s *scene) error {
		return s.edge(s.held[1], nil)
	},
	"watch":   func(s *scene) error { return s.watch(s.held[0].ID, s.node.ID, s.run, s.run.Node(0), s.held[1].ID) },
	"read":    func(s *scene) error { _, err := s.b.Read(s.ctx, []task.ID{s.held[0].ID, s.node.ID}); return err },
	"store":   func(s *scene) error { return s.store("small") },
	"fetch":   func(s *scene) error { _, err := task.Fetch(task.WithPort(s.ctx, s.b), "key"); return err },
	"run":     func(s *scene) error { _, err := s.b.Run(s.ctx, s.run); return err },
	"kids":    func(s *scene) error { _, err := s.b.lineage(s.ctx, s.run); return err },
	"nodes":   func(s *scene) error { _, err := s.b.RunNodes(s.ctx, s.run, 0, 100); return err },
	"edges":   func(s *scene) error { _, err := s.b.edges(s.ctx, []task.ID{s.held[1].ID}); return err },
	"arrange": func(s *scene) error { return s.schedule() },
	"suspend": func(s *scene) error { return s.b.PauseSchedule(s.ctx, "s") },
	"drop":    func(s *scene) error { return s.b.DeleteSchedule(s.ctx, "s") },
	"agenda":  func(s *scene) error { _, err := s.b.Agenda(s.ctx, 0); return err },
	"fire":    func(s *scene) error { return s.fire(2) },
	"trigger": func(s *scene) error {
		args, err := fireArgs(nil, task.Schedule{Name: "s", Call: task.Call{Functions: []string{"z"}}}, "", time.UnixMilli(testBegin), task.NewID(testBegin, task.KindLone, 1, 5, 5, 0))
		if err == nil {
			_, err = s.b.ask(s.ctx, s.b.scripts.fire, 0, args...)
		}
		return err
	},
	"chunk": func(s *scene) error {
		_, err := s.b.ask(s.ctx, s.b.scripts.chunk, 0, "a chunk ", 0, "bytes", 1000)
		return err
	},
	"log":   func(s *scene) error { return s.logs(s.held[1]) },
	"logs":  func(s *scene) error { _, err := s.b.Logs(s.ctx, s.held[0].ID, 0); return err },
	"dead":  func(s *scene) error { _, err := s.b.deadSome(s.ctx, DeadFilter{}, true, nil, 10); return err },
	"hold":  func(s *scene) error { return s.b.hold(s.ctx, 0, "q", 1) },
	"go on": func(s *scene) error { return s.b.hold(s.ctx, 0, "z", 2) },
	"heads": func(s *scene) error { _, err := s.b.heads(s.ctx, 0, []string{"q", "z"}); return err },
	"running": func(s *scene) error {
		return s.b.eachRunning(s.ctx, 0, func(task.SessionID, Running) {})
	},
	"dismiss": func(s *scene) error {
		_, err := s.b.ask(s.ctx, s.b.scripts.dismiss, 0, s.workers[0][:], dismissed)
		return err
	},
	"jobs": func(s *scene) error {
		_, err := (&search{b: s.b, letter: "r"}).liveStep(s.ctx)
		return err
	},
	"records": func(s *scene) error {
		l := &search{b: s.b, letter: "S", at: scanPlace{buckets: []string{s.held[0].ID.Bucket()}}}
		_, err := l.endedStep(s.ctx)
		return err
	},
	"redrive": func(s *scene) error {
		_, err := s.b.redrive(s.ctx, 0, []deadLetter{{deadPlace{id: s.dead}, epochBytes(0)}})
		return err
	},
	"remove": func(s *scene) error {
		_, err := s.b.remove(s.ctx, 0, []deadLetter{{deadPlace{id: s.dead}, epochBytes(0)}})
		return err
	},
	"repost": func(s *scene) error {
		c := task.Call{ID: task.NewID(testBegin, task.KindLone, task.ClassFor(0), 1000, 1000, 0), Functions: []string{"f"}}
		c.Spec.Queue, c.Spec.UniqueKey = "q", "another key"
		it, err := s.b.prepare(&c, 0)
		if err == nil {
			_, err = s.b.repost(s.ctx, s.dead, 0, it, false)
		}
		return err
	},
}

// unseen are damages that leave a sound state, or one that mends itself.
var unseen = map[string][]string{
	"missing": {"last", "tick", "scan", "lease", "alone", "rest:", "idle:", "groups:", "revoked:", "post:", "notes", "saved", "hooks", "waits", "res:", "rate:"},
	"empty":   {"blob:", "log:", "logs", "events:", "tick", "scan", "lease", "alone", "rest:", "idle:", "groups:", "revoked:", "post:", "hist"},
	"cut":     {"blob:", "log:", "logs", "tick", "scan", "lease", "alone", "rest:", "idle:", "groups:", "revoked:", "post:", "hist", "last", "events:", "saved"},
}

var allDamage = flag.Bool("damage.all", false, "TestModelOfDamage tries every act after each damage, not every fourth by lot")

// TestModelOfDamage damages one key of each kind, and then calls each script. A
// script may refuse to go on with an error, and then must not have changed anything;
// or it does what it can. Fsck sees the damage.
func TestModelOfDamage(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	s := newScene(t)
	if f := s.fsck(t); len(f.Broken) > 0 {
		t.Fatalf("before any damage: %v", f.Broken)
	}
	prefix := s.b.prefixes[0]
	numbers, calls := s.numbers, s.calls
	for _, kind := range slices.Sorted(maps.Keys(s.keys)) {
		slices.Sort(s.keys[kind])
		for _, key := range s.keys[kind] {
			exists := s.exists(key)
			for _, damage := range slices.Sorted(maps.Keys(damages)) {
				restore := func() {
					s.numbers, s.calls = numbers, calls
					if err := errors.Join(s.back(), damages[damage](s, prefix+key)); err != nil {
						t.Fatal(err)
					}
				}
				restore()
				lone := kind == "res:" && task.ID([]byte("123456"+key[4:]+"12345")).Kind() != task.KindNode
				hidden := slices.Contains(unseen[damage], kind) && (kind != "res:" || lone) || !exists && damage != "wrong type"
				if f := s.fsck(t); (len(f.Broken) == 0) != hidden && !(damage == "cut" && kind == "last") {
					t.Errorf("%q %s: fsck finds %v", key, damage, f.Broken)
				}
				for _, name := range slices.Sorted(maps.Keys(acts)) {
					if !*allDamage && rand.IntN(4) > 0 {
						continue
					}
					restore()
					s.act(t, fmt.Sprintf("%q %s, then %s", key, damage, name), acts[name])
				}
			}
		}
	}
}

// exists reports whether the scene has a key.
func (s *scene) exists(key string) bool {
	return slices.ContainsFunc(s.snapshot, func(k savedKey) bool { return k.name == s.b.prefixes[0]+key })
}

func (s *scene) fsck(t *testing.T) Findings {
	t.Helper()
	f, err := s.b.Fsck(s.ctx, FsckConfig{})
	if err != nil {
		t.Fatalf("fsck: %v", err)
	}
	return f
}

// act calls a script on a damaged state.
func (s *scene) act(t *testing.T, what string, do func(*scene) error) {
	t.Helper()
	before, err := s.dump(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.rec.err = nil
	err = do(s)
	after, dumpErr := s.dump(s.ctx)
	if dumpErr != nil {
		t.Fatal(dumpErr)
	}
	if s.rec.err == nil || errors.Is(s.rec.err, redis.Nil) {
		return
	}
	if before.digest != after.digest {
		t.Errorf("%s: %v\nbut it changed:\n%s", what, err, before.diff(after))
	}
	if !errors.Is(err, task.ErrDamaged) {
		t.Errorf("%s: %v, want an error that is ErrDamaged", what, err)
	}
	if strings.Contains(err.Error(), "attempt to") {
		t.Logf("%s: %v", what, err) // a fault of Lua's is an answer too, but not a good one
	}
}
