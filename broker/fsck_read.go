package broker

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// stored is what one partition has, as fsck reads it.
type stored struct {
	b      *Broker
	p      int
	prefix string

	keys map[string]map[string]keyInfo // by kind, by what follows it

	jobs    map[task.ID]*storedJob
	hashes  map[string]map[string]string // those that are small: own, unique, hooks ...
	scores  map[string]map[string]float64
	members map[string]map[string]bool // of sets, by key without prefix
	ended   map[task.ID]byte           // state letters of nodes that have records
	both    []task.ID                  // jobs that have a record as well
	runs    map[task.ID]*storedRun
	lines   map[task.ID][]string // of runs: nodes that wait for a place
	rest    map[task.ID]int      // of nodes in cont, the first chunk that was not followed yet
	idems   map[string]string
	data    map[string]dataHead // by key
	cronv   string              // version of the schedules

	records, lost, stale, unknown, more int

	found []Finding
}

// keyInfo is a key that exists. ttl is negative if it does not expire.
type keyInfo struct {
	typ string
	ttl time.Duration
}

// keyKind is what is known of a kind of key.
type keyKind struct {
	typ     string
	expires expiry
}

// expiry says whether keys of a kind expire.
type expiry uint8

const (
	never  expiry = iota
	always        // they do no harm when they stay, but they would stay for ever
	depends
)

// keyKinds are the kinds of keys that a partition has: what is before the first
// colon, and that.
var keyKinds = map[string]keyKind{
	"jobs": {"hash", never}, "own": {"hash", never}, "last": {"hash", never}, "workers": {"hash", never},
	"unique": {"hash", never}, "hooks": {"hash", never}, "notes": {"hash", never}, "saved": {"hash", never}, "logs": {"hash", never}, "hist": {"hash", never},
	"waits": {"hash", never}, "cnt": {"hash", never}, "sess": {"zset", never}, "delayed": {"zset", never},
	"dead": {"zset", never}, "held": {"hash", never}, "staged": {"zset", never}, "cont": {"list", never}, "queues": {"set", never}, "tick": {"string", never},
	"cron": {"hash", never}, "fired": {"hash", never}, "cronv": {"string", never},
	"scan": {"string", never}, "lease": {"string", never}, "alone": {"string", always},

	"pend:": {"list", never}, "live:": {"set", never}, "idle:": {"set", always}, "groups:": {"zset", always},
	"revoked:": {"set", always}, "post:": {"string", always}, "rest:": {"string", always},
	"res:": {"hash", depends}, "run:": {"hash", depends}, "line:": {"list", never}, "events:": {"stream", depends}, "rate:": {"hash", never}, "idem:": {"string", depends},
	"data:": {"hash", depends}, "blob:": {"hash", depends}, "log:": {"hash", depends},
}

func newStored(b *Broker, p int) *stored {
	return &stored{
		b: b, p: p, prefix: b.prefixes[p],
		keys: map[string]map[string]keyInfo{}, jobs: map[task.ID]*storedJob{},
		hashes: map[string]map[string]string{}, scores: map[string]map[string]float64{},
		members: map[string]map[string]bool{}, ended: map[task.ID]byte{}, runs: map[task.ID]*storedRun{}, lines: map[task.ID][]string{},
		rest: map[task.ID]int{}, idems: map[string]string{}, data: map[string]dataHead{},
	}
}

// has returns what is known of a key, false if it does not exist or has not the
// type that its kind should have.
func (s *stored) has(kind, rest string) (keyInfo, bool) {
	k, ok := s.keys[kind][rest]
	return k, ok && k.typ == keyKinds[kind].typ
}

// peekScript is sent as it is, for pipelines do not fall back to its text.
var peekScript = sync.OnceValues(func() (*script, error) { return loadScript("peek", dialect{}, "") })

// read reads all keys. Jobs come first: the others are held against them.
func (s *stored) read(ctx context.Context) error {
	if err := s.readKeys(ctx); err != nil {
		return err
	}
	peek, err := peekScript()
	if err != nil {
		return err
	}
	for _, order := range [][]string{
		{"jobs"},
		{"own", "unique", "hooks", "notes", "saved", "logs", "hist", "waits", "last", "workers", "cnt", "sess", "delayed", "dead", "staged", "queues", "held", "cont", "cron", "fired", "cronv", "live:", "run:", "line:", "idem:", "data:", "rate:"},
		{"pend:", "res:"},
	} {
		var walks []*walk
		for _, kind := range order {
			for rest := range s.keys[kind] {
				if _, ok := s.has(kind, rest); ok {
					walks = append(walks, s.walk(kind, rest, peek.text))
				}
			}
		}
		if err := s.walkAll(ctx, walks); err != nil {
			return err
		}
	}
	return s.readEvents(ctx)
}

// readEvents asks that runs which are watched have their events, up to the last.
func (s *stored) readEvents(ctx context.Context) error {
	for id, r := range s.runs {
		info, ok := s.has("events:", string(id[:]))
		if r.events == 0 || !ok && info.typ != "" {
			continue // it is not watched, or of the wrong type, which is said elsewhere
		}
		last, err := s.b.rdb.XRevRangeN(ctx, s.prefix+"events:"+string(id[:]), "+", "-", 1).Result()
		if err != nil {
			return err
		}
		number := 0
		if len(last) > 0 {
			n, _, _ := strings.Cut(last[0].ID, "-")
			number, _ = strconv.Atoi(n)
		}
		if number < r.events {
			s.brokenf(RuleRun, "events:"+string(id[:]), id, "the last event is %d, but there were %d", number, r.events)
		}
	}
	return nil
}

// readKeys finds the keys of the partition. On a cluster its master has them all.
func (s *stored) readKeys(ctx context.Context) error {
	c, err := s.b.server(ctx, s.p)
	if err != nil {
		return err
	}
	return s.readKeysOf(ctx, c)
}

// scanKeys is about how many keys one step of readKeys looks at.
const scanKeys = 1000

func (s *stored) readKeysOf(ctx context.Context, c redis.Cmdable) error {
	for cursor := uint64(0); ; {
		var names []string
		err := s.b.retry(ctx, "scan", func() (err error) {
			names, cursor, err = c.Scan(ctx, cursor, globEscape(s.prefix)+"*", scanKeys).Result()
			return err
		})
		if err != nil {
			return err
		}
		if err := s.describe(ctx, c, names); err != nil {
			return err
		}
		if cursor == 0 {
			return nil
		}
	}
}

// globEscape returns s so that a pattern matches it alone.
func globEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(s)
}

// describe asks for type and expiry of keys, and sorts them by kind.
func (s *stored) describe(ctx context.Context, c redis.Cmdable, names []string) error {
	types, ttls := make([]*redis.StatusCmd, len(names)), make([]*redis.DurationCmd, len(names))
	err := s.b.retry(ctx, "type", func() error {
		_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, name := range names {
				types[i], ttls[i] = p.Type(ctx, name), p.PTTL(ctx, name)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	for i, name := range names {
		if info := (keyInfo{types[i].Val(), ttls[i].Val()}); info.typ != "none" && info.ttl != -2 {
			s.addKey(strings.TrimPrefix(name, s.prefix), info)
		}
	}
	return nil
}

func (s *stored) addKey(key string, info keyInfo) {
	kind, rest := key, ""
	if i := strings.IndexByte(key, ':'); i >= 0 {
		kind, rest = key[:i+1], key[i+1:]
	}
	known, ok := keyKinds[kind]
	if !ok {
		s.unknown++
		return
	}
	if s.keys[kind] == nil {
		s.keys[kind] = map[string]keyInfo{}
	}
	s.keys[kind][rest] = info
	switch {
	case info.typ != known.typ:
		s.brokenf(RuleForm, key, task.ID{}, "is a %s, want a %s", info.typ, known.typ)
	case known.expires == never && info.ttl >= 0:
		s.brokenf(RuleExpiry, key, task.ID{}, "expires in %v, want never", info.ttl)
	case known.expires == always && info.ttl < 0:
		s.brokenf(RuleExpiry, key, task.ID{}, "never expires")
	}
}

// A walk reads one key, in steps.
type walk struct {
	key    string
	cursor string
	ask    func(cursor string) []any // the next step
	take   func(items []any)         // what it brought
	done   bool
}

// Sizes of the steps of a walk: elements, bytes of a value, and walks at once.
const (
	walkCount = 250
	peekJob   = 4096
	peekEnd   = 64
	walkMany  = 64
)

// walk returns how to read a key.
func (s *stored) walk(kind, rest, peek string) *walk {
	key := s.prefix + kind + rest
	w := &walk{key: kind + rest, cursor: "0"}
	scan := func(cmd string) func(string) []any {
		return func(cursor string) []any { return []any{cmd, key, cursor, "COUNT", walkCount} }
	}
	look := func(bytes int) func(string) []any {
		return func(cursor string) []any {
			return []any{"EVAL", peek, 1, s.prefix, kind + rest, cursor, walkCount, bytes}
		}
	}
	switch {
	case kind == "jobs":
		w.ask, w.take = look(peekJob), s.takeJobs
	case kind == "res:":
		w.ask, w.take = look(peekEnd), func(items []any) { s.takeRecords(rest, items) }
	case kind == "saved":
		w.ask, w.take = look(1), func(items []any) { s.takeSaved(items) }
	case kind == "run:":
		w.ask, w.take = scan("HSCAN"), func(items []any) { s.takeRun(rest, items) }
	case kind == "rate:":
		w.ask, w.take = scan("HSCAN"), func(items []any) { s.takeRates(rest, items) }
	case kind == "idem:":
		w.ask, w.take = func(string) []any { return []any{"GET", key} }, func(items []any) { s.takeIdem(rest, items) }
	case kind == "data:":
		w.ask, w.take = func(string) []any { return []any{"HMGET", key, "g", "i"} }, func(items []any) { s.takeData(rest, items) }
	case kind == "cronv":
		w.ask, w.take = func(string) []any { return []any{"GET", key} }, func(items []any) { s.cronv = asText(items[0]) }
	case kind == "pend:" || kind == "cont" || kind == "line:":
		w.ask = func(cursor string) []any {
			n, _ := strconv.Atoi(cursor)
			return []any{"LRANGE", key, n, n + walkCount - 1}
		}
		w.take = func(items []any) { s.takeEntries(rest, items) }
		switch kind {
		case "cont":
			w.take = s.takeRest
		case "line:":
			w.take = func(items []any) { s.takeLine(rest, items) }
		}
	case keyKinds[kind].typ == "zset":
		w.ask, w.take = scan("ZSCAN"), func(items []any) { s.takeScores(kind, items) }
	case keyKinds[kind].typ == "set":
		w.ask, w.take = scan("SSCAN"), func(items []any) { s.takeMembers(kind+rest, items) }
	default:
		w.ask, w.take = scan("HSCAN"), func(items []any) { s.takeFields(kind, items) }
	}
	return w
}

// walkAll goes all walks to their ends, many in one round trip.
func (s *stored) walkAll(ctx context.Context, walks []*walk) error {
	for len(walks) > 0 {
		some := walks[:min(len(walks), walkMany)]
		cmds, err := s.steps(ctx, some)
		if err != nil {
			return err
		}
		open := some[:0]
		for i, w := range some {
			if w.step(s, cmds[i]); !w.done {
				open = append(open, w)
			}
		}
		walks = append(open, walks[len(some):]...)
	}
	return nil
}

// steps asks for the next step of each walk.
func (s *stored) steps(ctx context.Context, walks []*walk) ([]*redis.Cmd, error) {
	cmds := make([]*redis.Cmd, len(walks))
	err := s.b.retry(ctx, "look", func() error {
		p := s.b.rdb.Pipeline()
		for i, w := range walks {
			cmds[i] = p.Do(ctx, w.ask(w.cursor)...)
		}
		_, _ = p.Exec(ctx) // the error of one of cmds
		for _, c := range cmds {
			if e := c.Err(); e != nil && !errors.Is(e, redis.Nil) && !strings.Contains(e.Error(), "WRONGTYPE") {
				return e
			}
		}
		return nil // a key may have gone or changed since it was described
	})
	return cmds, err
}

// step takes the reply to one step.
func (w *walk) step(s *stored, cmd *redis.Cmd) {
	reply, err := cmd.Result()
	switch v := reply.(type) {
	case string:
		w.take([]any{v})
		w.done = true
	case []any:
		if cursor, items, ok := scanned(v); ok {
			w.take(items)
			w.cursor, w.done = cursor, cursor == "0"
			return
		}
		w.take(v)
		n, _ := strconv.Atoi(w.cursor)
		w.cursor, w.done = strconv.Itoa(n+len(v)), len(v) < walkCount
	default:
		w.done = true // it is gone
		if err != nil && !errors.Is(err, redis.Nil) {
			s.brokenf(RuleForm, w.key, task.ID{}, "cannot be read: %v", err)
		}
	}
}

// scanned takes the reply of a scan apart.
func scanned(reply []any) (cursor string, items []any, ok bool) {
	if len(reply) != 2 {
		return "", nil, false
	}
	cursor, ok1 := reply[0].(string)
	items, ok2 := reply[1].([]any)
	return cursor, items, ok1 && ok2
}
