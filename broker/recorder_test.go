package broker

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
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
	items  map[string][]string // what it holds; of hashes and scores, in pairs
	digest string
}

// dumpScript returns for each key its name, type, whether it expires, and what it
// holds, in order.
const dumpScript = `
local out = {}
local names = redis.call('KEYS', ARGV[1])
table.sort(names)
for _, k in ipairs(names) do
  local t, items = redis.call('TYPE', k).ok, nil
  if t == 'string' then items = { redis.call('GET', k) }
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
  out[#out + 1] = { k, t, redis.call('PTTL', k) >= 0 and 1 or 0, items }
end
return out`

func (n *bench) dump(ctx context.Context) (*dump, error) {
	prefix := n.b.prefixes[0]
	res, err := n.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { // not seen by the recorder
		p.Eval(ctx, dumpScript, nil, prefix+"*")
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dump: %w", err)
	}
	d := &dump{kinds: map[string]string{}, items: map[string][]string{}}
	h := sha256.New()
	list, _ := res[0].(*redis.Cmd).Val().([]any)
	for _, k := range list {
		parts, _ := k.([]any)
		name, items := strings.TrimPrefix(parts[0].(string), prefix), []string{}
		if name == "clock" {
			continue
		}
		kind := parts[1].(string)
		if parts[2] == int64(1) {
			kind += " that expires"
		}
		text := []string{name, kind}
		for _, item := range parts[3].([]any) {
			items = append(items, item.(string))
		}
		d.kinds[name], d.items[name] = kind, items
		for _, s := range append(text, items...) {
			h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
			h.Write([]byte(s))
		}
	}
	d.digest = string(h.Sum(nil))
	return d, nil
}

// fields returns a hash as a map.
func (d *dump) fields(key string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(d.items[key]); i += 2 {
		m[d.items[key][i]] = d.items[key][i+1]
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
	return fmt.Sprintf("a %s: %q", d.kinds[key], d.items[key])
}

// ended returns the letter of the state that a record says, 0 if there is none.
func (d *dump) ended(id task.ID) byte {
	if v := d.fields("res:" + id.Bucket())[string(id[:])]; v != "" {
		return v[0]
	}
	return 0
}
