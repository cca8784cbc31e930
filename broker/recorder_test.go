package broker

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// testClock takes the place of lua/lib/now.lua: the time is what a key says.
const testClock = "local function now() return tonumber(call('GET', T .. 'clock')) end\n"

// recorder remembers the last script that was called, to call it again.
type recorder struct {
	args  []any
	reply any
	err   error
}

func (r *recorder) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r *recorder) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if c, ok := cmd.(*redis.Cmd); ok && strings.HasPrefix(strings.ToLower(c.Name()), "eval") && !redis.HasErrorPrefix(err, "NOSCRIPT") {
			r.args, r.reply, r.err = slices.Clone(c.Args()), c.Val(), err
		}
		return err
	}
}

func (r *recorder) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// bench is a private server, and a broker on it that works by a settable clock.
type bench struct {
	rdb *redis.Client
	rec *recorder
	b   *Broker
}

// newBench starts a server. Nothing of the broker need be closed: it waits for
// nothing and subscribes to nothing.
func newBench(tb testing.TB, cfg Config, edits ...edit) *bench {
	tb.Helper()
	s := redistest.Start(tb, redistest.Unix())
	rdb := redis.NewClient(&redis.Options{
		Network: "unix", Addr: s.Addr(), Protocol: 2, DisableIdentity: true, MaxRetries: -1,
		ReadTimeout: time.Minute, MaintNotificationsConfig: noNotifications(),
	})
	tb.Cleanup(func() {
		if err := rdb.Close(); err != nil {
			tb.Errorf("close the client: %v", err)
		}
	})
	n := &bench{rdb: rdb, rec: &recorder{}}
	rdb.AddHook(n.rec)
	var err error
	if n.b, err = newBroker(cfg.withDefaults(false), rdb, dialect{}, testClock); err == nil {
		err = n.b.check(tb.Context())
	}
	if err == nil {
		err = n.b.edit(edits)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// reset empties the server.
func (n *bench) reset(ctx context.Context) error {
	if err := n.rdb.FlushDB(ctx).Err(); err != nil {
		return err
	}
	return n.setClock(ctx, testBegin)
}

func (n *bench) setClock(ctx context.Context, ms int64) error {
	return n.rdb.Set(ctx, n.b.prefixes[0]+"clock", ms, 0).Err()
}

// dump is all that is stored in a partition, but for the clock.
type dump struct {
	kinds  map[string]string   // of what type a key is, and whether it expires
	bodies map[string][]string // what it holds
	digest [32]byte
}

// dumpScript returns for each key its name, type and whether it expires, and what it
// holds.
const dumpScript = `
local out, call = {}, redis.call
for _, k in ipairs(call('KEYS', ARGV[1] .. '*')) do
  local t, items = call('TYPE', k).ok, nil
  if t == 'hash' then items = call('HGETALL', k)
  elseif t == 'list' then items = call('LRANGE', k, 0, -1)
  elseif t == 'set' then items = call('SMEMBERS', k)
  elseif t == 'zset' then items = call('ZRANGE', k, 0, -1, 'WITHSCORES')
  elseif t == 'stream' then
    items = {}
    for _, e in ipairs(call('XRANGE', k, '-', '+')) do items[#items + 1] = e[1] .. e[2][2] .. e[2][4] end
  else items = { call('GET', k) } end
  local n = #out
  out[n + 1], out[n + 2], out[n + 3] = string.sub(k, #ARGV[1] + 1), t, items
  if call('PTTL', k) >= 0 then out[n + 2] = t .. ' that expires' end
end
return out`

func (n *bench) dump(ctx context.Context) (*dump, error) {
	res, err := n.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { // not seen by the recorder
		p.Eval(ctx, dumpScript, nil, n.b.prefixes[0])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dump: %w", err)
	}
	parts, _ := res[0].(*redis.Cmd).Slice()
	d := &dump{kinds: map[string]string{}, bodies: map[string][]string{}}
	for ; len(parts) >= 3; parts = parts[3:] {
		name, kind, list := parts[0].(string), parts[1].(string), parts[2].([]any)
		if name == "clock" {
			continue
		}
		items := make([]string, len(list))
		for i := range list {
			items[i] = list[i].(string)
		}
		switch kind, _, _ := strings.Cut(kind, " "); kind {
		case "set":
			slices.Sort(items)
		case "hash":
			sortPairs(items)
		}
		d.kinds[name], d.bodies[name] = kind, items
	}
	d.digest = d.sum()
	return d, nil
}

// sortPairs brings the fields of a hash into order.
func sortPairs(items []string) {
	pairs := make([][2]string, 0, len(items)/2)
	for i := 0; i+1 < len(items); i += 2 {
		pairs = append(pairs, [2]string{items[i], items[i+1]})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	for i, p := range pairs {
		items[2*i], items[2*i+1] = p[0], p[1]
	}
}

func (d *dump) sum() [32]byte {
	var all []byte
	add := func(s string) { all = append(binary.AppendUvarint(all, uint64(len(s))), s...) }
	for _, name := range slices.Sorted(maps.Keys(d.kinds)) {
		add(name)
		add(d.kinds[name])
		all = binary.AppendUvarint(all, uint64(len(d.bodies[name])))
		for _, item := range d.bodies[name] {
			add(item)
		}
	}
	return sha256.Sum256(all)
}

// items returns what a key holds; of hashes and scores, in pairs.
func (d *dump) items(key string) []string { return d.bodies[key] }

// fields returns a hash as a map.
func (d *dump) fields(key string) map[string]string {
	m := map[string]string{}
	for items := d.items(key); len(items) >= 2; items = items[2:] {
		m[items[0]] = items[1]
	}
	return m
}

// diff says what has changed between two dumps.
func (d *dump) diff(to *dump) string {
	var out []string
	for k := range d.kinds {
		if d.text(k) != to.text(k) {
			out = append(out, fmt.Sprintf("  %q\n    was %s\n    is  %s", k, d.text(k), to.text(k)))
		}
	}
	for k := range to.kinds {
		if _, ok := d.kinds[k]; !ok {
			out = append(out, fmt.Sprintf("  %q\n    is new: %s", k, to.text(k)))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func (d *dump) text(key string) string {
	if d.kinds[key] == "" {
		return "gone"
	}
	return fmt.Sprintf("a %s: %q", d.kinds[key], d.items(key))
}

// ended returns the letter of the state that a record says, 0 if there is none.
func (d *dump) ended(id task.ID) byte {
	if v := d.fields("res:" + id.Bucket())[string(id[:])]; v != "" {
		return v[0]
	}
	return 0
}
