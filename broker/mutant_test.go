package broker

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// edit is a change to the text of a Lua file.
type edit struct{ file, old, new string }

// all returns where the scripts are.
func (s *scripts) all() []**script {
	return []**script{
		&s.post, &s.admit, &s.submit, &s.exchange, &s.tick, &s.cancel, &s.join, &s.leave, &s.beat,
		&s.note, &s.block, &s.edges, &s.watch, &s.read,
	}
}

// edit changes the broker's scripts. An edit that fits nowhere is an error: so no
// mutant is forgotten when a script changes.
func (b *Broker) edit(edits []edit) error {
	for _, e := range edits {
		source, err := luaFS.ReadFile("lua/" + e.file + ".lua")
		if err != nil {
			return err
		}
		if n := strings.Count(strip(string(source)), e.old); n != 1 {
			return fmt.Errorf("edit of %s: %q is there %d times, want once", e.file, e.old, n)
		}
		for _, at := range b.scripts.all() {
			s := **at
			s.text = strings.Replace(s.text, e.old, e.new, 1)
			sum := sha1.Sum([]byte(s.text))
			s.sha = hex.EncodeToString(sum[:])
			*at = &s
		}
	}
	return nil
}

// failure is what a machine of a mutant has found.
type failure string

// try lets a machine run that a seed decides about, and returns what it found
// wrong, "" for nothing.
func try(ctx context.Context, n *bench, seed uint64, lazy bool) (wrong string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			wrong = string(r)
		default:
			panic(r)
		}
	}()
	d := seedDice{rand.New(rand.NewPCG(seed, 0))}
	k := newMachine(ctx, n, d, lazy, func(format string, args ...any) {
		panic(failure(fmt.Sprintf(format, args...)))
	})
	for range 20 + d.below(80) {
		k.step()
	}
	k.drain()
	return ""
}

// mutants are faults that somebody could put into the scripts. Each has to be found.
//
// That finish asks whether a unique key is the job's own before it releases it is
// not among them: a job is stored with a key only if it then holds it, and nobody
// takes it away while it lives, so in sound state the answer is always yes.
var mutants = []struct {
	name  string
	edits []edit
}{
	{"exchange does not compare session and epoch", []edit{
		{"exchange", "own and v and sub(own, 1, 11) == sub(H, at - 17, at - 7) and", "own and v and"},
	}},
	{"exchange does not compare the epoch", []edit{
		{"exchange", "sub(own, 1, 11) == sub(H, at - 17, at - 7)", "sub(own, 1, 8) == sub(H, at - 17, at - 10)"},
	}},
	{"an exchange is not answered again", []edit{{"exchange", "if n == number then", "if false then"}}},
	{"an exchange that claims nothing has no number", []edit{
		{"exchange", "call('HSET', T .. 'last', fetcher,", "if claimed ~= '' then call('HSET', T .. 'last', fetcher,"},
		{"exchange", "lostIDs .. claimed)\n", "lostIDs .. claimed) end\n"},
	}},
	{"note does not ask who owns the job", []edit{{"note", "if not own or sub(own, 1, 11) ~= ARGV[2] then return", "if not own then return"}}},
	{"tick takes jobs from sessions that live", []edit{{"tick", "#id == 16 and not alive[s] then", "#id == 16 then"}}},
	{"tick ends sessions before their deadline", []edit{{"tick", "'-inf', '(' .. time, 'LIMIT', 0, 64", "'-inf', '(' .. time + 1000, 'LIMIT', 0, 64"}}},
	{"a parent that failed counts as one that succeeded", []edit{{"lib/run", "if node.state ~= 'S' then", "if false then"}}},
	{"a child is released by its first parent", []edit{{"lib/run", "elseif waits > 1 then", "elseif waits > 2 then"}}},
	{"a refused end is followed all the same", []edit{{"exchange", "      vs[i] = false\n", "      if kind(id) == 1 and v then worklist[#worklist + 1] = { id = id, state = 'S', chunk = 0, tail = '', counted = true } end\n      vs[i] = false\n"}}},
	{"a run expires while it runs", []edit{{"submit", "call('HSET', R, 'nonce', ARGV[2], 'state', 'a', 'begun', now())", "call('HSET', R, 'nonce', ARGV[2], 'state', 'a', 'begun', now()) call('PEXPIRE', R, 1e9)"}}},
	{"records of nodes expire while their run runs", []edit{{"lib/ends", "if class > 0 and floor(byte(b, 2) / 64) ~= 1 then", "if class > 0 then"}}},
	{"cancel leaves the job with its owner", []edit{{"cancel", "    freed[#freed + 1] = id\n", ""}}},
	{"cancel leaves the job to be woken", []edit{{"cancel", "call('ZREM', T .. 'delayed', id .. sub(v, 7, 9) .. pendOf(v)) == 1", "call('ZSCORE', T .. 'delayed', id .. sub(v, 7, 9) .. pendOf(v))"}}},
	{"a unique key is not released", []edit{{"lib/finish", "if unique and call('HGET', T .. 'unique', unique) == id then call('HDEL', T .. 'unique', unique) end", ""}}},
	{"a unique key is not asked for", []edit{{"lib/put", "if id and (seen.unique[j.unique] or call('HEXISTS', T .. 'jobs', id) == 1) then return 'E' .. id end", ""}}},
	{"an idempotency key forgets its payload", []edit{{"lib/put", "if sub(old, 17) ~= j.digest then return 'X' .. id end", ""}}},
	{"a job that is taken back keeps its epoch", []edit{{"lib/requeue", "be(num(sub(v, 7, 9)) + 1, 3)", "sub(v, 7, 9)"}}},
	{"post ignores its number", []edit{{"post", "if n == number then return { 'OK' } end", ""}, {"post", "if n > number then", "if false then"}}},
	{"admit ignores its number", []edit{{"admit", "if n == tonumber(ARGV[2]) then return { 'OK', answers } end", ""}, {"admit", "if n > tonumber(ARGV[2]) then return { 'STALE' } end", ""}}},
	{"a stale post keeps its number", []edit{{"post", "  call('SET', mine, last, 'PX', '600000')\n  return { 'STALE' }", "  return { 'STALE' }"}}},
	{"a list that was empty is not announced", []edit{{"post", "if len == n then", "if false then"}}},
	{"jobs that enter are not counted", []edit{{"post", "pcall('HINCRBY', T .. 'cnt', string.match(pend, '^[^:]*') .. ':P', n)", ""}}},
	{"a session that has not joined may exchange", []edit{{"exchange", "if not last then return { 'GONE' } end", "last = last or ''"}}},
	{"submit ignores its nonce", []edit{{"submit", "if nonce == ARGV[2] then return { 'OK' } end\nif nonce then return { 'CONFLICT' } end\n", ""}}},
	{"a claim does not look at the functions", []edit{{"lib/pick", "if not string.find(functions, ',' .. f .. ',', 1, true) then return false end", ""}}},
	{"a claim takes the newest first", []edit{{"lib/pick", "newest and 'RPOP' or 'LPOP'", "newest and 'LPOP' or 'RPOP'"}}},
	{"low is claimed before high", []edit{{"lib/pick", "{ 'H', 'N', 'L' }", "{ 'L', 'N', 'H' }"}}},
	{"a suspect does not run alone", []edit{{"lib/suspect", "if held == 0 then", "if true then"}}},
	{"neighbours are charged for a loss", []edit{{"lib/requeue", "if sub(own, 18) == 'a' and call('HEXISTS', T .. 'waits', id) == 0 then alone = alone + 1 end", "alone = alone + 1"}}},
	{"a retry is not counted", []edit{{"lib/requeue", "again(v, failed, 0, byte(v, 13), f, sub(pend, -1))", "again(v, 0, 0, byte(v, 13), f, sub(pend, -1))"}}},
	{"an end does not leave its state's count", []edit{{"lib/finish", "  if from ~= 'r' then count(queue, from, -1) end\n", ""}}},
	{"what ended waits on", []edit{{"lib/ends", "if any then call('HDEL', T .. 'waits', unpack(freed)) end", ""}}},
	{"a missing number is not noticed", []edit{{"exchange", "if n < number - 1 then", "if false then"}}},
	{"a clock that is set back lengthens leases", []edit{{"tick", "if longest > 0 then", "if false then"}}},
	{"an exchange never renews the lease", []edit{{"exchange", "if ARGV[6] ~= '0' then", "if false then"}}},
	{"deleted dead letters are not counted", []edit{{"tick", "count(queueOf(pendOf(v)), 'D', 1)", ""}}},
	{"who was told is still to be told", []edit{{"lib/ends", "if #heard > 0 then call('HDEL', T .. 'hooks', unpack(heard)) end", ""}}},
	{"records of nodes never expire", []edit{{"lib/run", "over[#over + 1] = bucketOf(R)", ""}}},
	{"something follows an attempt that is tried again", []edit{{"exchange", "if verdict == 82 or verdict == 90 or verdict == 76 then vs[i] = false end", ""}}},
	{"a skipped child waits on", []edit{{"lib/run", "if node.state ~= 'S' then\n    call('HDEL', key, 'p' .. number)\n", "if node.state ~= 'S' then\n"}}},
	{"a call that was posted before asks for its keys", []edit{{"lib/put", "if seen.id[j.id] or j.again and known(j.id) then return 'E' .. j.id end", "if seen.id[j.id] then return 'E' .. j.id end"}}},
	{"edges that are left over are forgotten", []edit{slowly, {"lib/run", "if kids then call('RPUSH', T .. 'cont', node.id .. node.state .. be(node.chunk, 3)) end", ""}}},
	{"a node is counted with each of its continuations", []edit{slowly, {"lib/run", "if counts and not node.counted then", "if counts then"}}},
}

// TestMutants asks that the model test finds each mutant within 500 cases, and
// nothing where there is none.
func TestMutants(t *testing.T) {
	t.Parallel()
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		n := newBench(t, testConfig)
		for seed := range uint64(25) {
			if wrong := try(t.Context(), n, seed, false); wrong != "" {
				t.Fatalf("case %d: %s", seed+1, wrong)
			}
		}
	})
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			n := newBench(t, testConfig, m.edits...)
			for seed := range uint64(500) {
				if wrong := try(t.Context(), n, seed, m.edits[0] == slowly); wrong != "" {
					first, _, _ := strings.Cut(wrong, "\nafter:")
					t.Logf("found in case %d: %.300s", seed+1, first)
					return
				}
			}
			t.Error("500 cases have not found it")
		})
	}
}
