package broker

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"slices"
	"strconv"
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
	kinds  map[string]string // of what type a key is, and whether it expires
	bodies map[string]string // what it holds, not yet taken apart
	digest [32]byte
}

// dumpScript returns for each key its name, type and whether it expires, and what it
// holds, in order; each part as its length, a colon, and itself.
const dumpScript = `
local out = {}
local function part(v) return #v .. ':' .. v end
local names = redis.call('KEYS', ARGV[1] .. '*')
table.sort(names)
for _, k in ipairs(names) do
  local t, items = redis.call('TYPE', k).ok, nil
  if t == 'string' then items = { redis.call('GET', k) }
  elseif t == 'stream' then
    items = {}
    for _, e in ipairs(redis.call('XRANGE', k, '-', '+')) do items[#items + 1] = e[1] .. e[2][2] .. e[2][4] end
  elseif t == 'list' then items = redis.call('LRANGE', k, 0, -1)
  elseif t == 'set' then items = redis.call('SMEMBERS', k) table.sort(items)
  elseif t == 'zset' then items = redis.call('ZRANGE', k, 0, -1, 'WITHSCORES')
  else
    local all = redis.call('HGETALL', k)
    local fields, at = {}, {}
    for i = 1, #all, 2 do fields[#fields + 1] = all[i] at[all[i]] = all[i + 1] end
    table.sort(fields)
    items = {}
    for _, f in ipairs(fields) do items[#items + 1] = f items[#items + 1] = at[f] end
  end
  for i = 1, #items do items[i] = part(items[i]) end
  if redis.call('PTTL', k) >= 0 then t = t .. ' that expires' end
  if k ~= ARGV[1] .. 'clock' then
    out[#out + 1] = part(string.sub(k, #ARGV[1] + 1)) .. part(t) .. part(table.concat(items))
  end
end
return table.concat(out)`

func (n *bench) dump(ctx context.Context) (*dump, error) {
	res, err := n.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { // not seen by the recorder
		p.Eval(ctx, dumpScript, nil, n.b.prefixes[0])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dump: %w", err)
	}
	text, _ := res[0].(*redis.Cmd).Text()
	d := &dump{kinds: map[string]string{}, bodies: map[string]string{}, digest: sha256.Sum256([]byte(text))}
	for parts := split(text); len(parts) >= 3; parts = parts[3:] {
		d.kinds[parts[0]], d.bodies[parts[0]] = parts[1], parts[2]
	}
	return d, nil
}

// split takes parts apart: length, colon, part.
func split(s string) (parts []string) {
	for s != "" {
		length, rest, _ := strings.Cut(s, ":")
		n, _ := strconv.Atoi(length)
		parts, s = append(parts, rest[:n]), rest[n:]
	}
	return parts
}

// items returns what a key holds; of hashes and scores, in pairs.
func (d *dump) items(key string) []string { return split(d.bodies[key]) }

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
