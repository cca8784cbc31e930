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
		&s.note, &s.block, &s.edges, &s.watch, &s.read, &s.resume, &s.pause, &s.spread, &s.kids, &s.nodes,
		&s.chunk, &s.keep, &s.log,
		&s.agenda, &s.arrange, &s.suspend, &s.drop, &s.fire,
		&s.dead, &s.redrive, &s.remove, &s.repost, &s.hold, &s.heads, &s.running, &s.dismiss, &s.jobs, &s.records,
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
func try(ctx context.Context, n *bench, seed uint64, first edit) (wrong string) {
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
	k := newMachine(ctx, n, d, first, func(format string, args ...any) {
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
// takes it away while it lives, so in sound state the answer is always yes. Nor is
// that edges of a stopped run are not followed: what they release or skip is swept all
// the same, and is not claimed before.
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
	{"a note does not say of which attempt it is", []edit{{"note", "sub(own, 9, 11) .. ARGV[3]", "'\\0\\0\\0' .. ARGV[3]"}}},
	{"a log of a job that has ended never expires", []edit{{"lib/ends", "if logs then endLogs() end", ""}}},
	{"a log outlives its dead letter", []edit{{"lib/forget", "if call('HDEL', T .. 'logs', id) == 1 then call('UNLINK', T .. 'log:' .. id) end", ""}}},
	{"a log that comes late never expires", []edit{{"log", "elseif class > 0 then", "elseif false then"}}},
	{"a log expires while its job lives", []edit{{"log", "  call('PERSIST', key)\n  call('HSET', T .. 'logs'", "  call('PEXPIRE', key, KEEP[1])\n  call('HSET', T .. 'logs'"}}},
	{"a checkpoint outlives its job", []edit{{"lib/ends", "if any then call('HDEL', T .. 'saved', unpack(ended)) end", ""}}},
	{"a checkpoint outlives its dead letter", []edit{{"lib/forget", "  call('HDEL', T .. 'saved', id)\n", ""}}},
	{"a checkpoint is of one attempt", []edit{{"lib/requeue", "call('HDEL', T .. 'notes', id) end", "call('HDEL', T .. 'notes', id) call('HDEL', T .. 'saved', id) end"}}},
	{"a cancelled attempt keeps the note of another", []edit{{"lib/halt", "if note and sub(note, 1, 3) == sub(own, 9, 11) then", "if note then"}}},
	{"a dead letter does not tell when it was begun", []edit{{"lib/finish", ".. LAST .. started", ".. LAST .. NEVER"}}},
	{"a node does not wait for its parents", []edit{{"edges", "and 'b' or ''", "and '' or ''"}}},
	{"tick takes jobs from sessions that live", []edit{{"tick", "#id == 16 and not alive[s] then", "#id == 16 then"}}},
	{"tick ends sessions before their deadline", []edit{{"tick", "'-inf', '(' .. time, 'LIMIT', 0, 64", "'-inf', '(' .. time + 1000, 'LIMIT', 0, 64"}}},
	{"a parent that failed counts as one that succeeded", []edit{{"lib/follow", "return well or accept == 2", "return true"}}},
	{"a child is released by its first parent", []edit{{"lib/follow", "elseif waits > 1 then", "elseif waits > 2 then"}}},
	{"a child takes whatever its condition is", []edit{{"lib/follow", "if accept == 3 then return state == 't' end", ""}}},
	{"a skipped parent is no skipped parent", []edit{{"lib/follow", "if accept == 1 then return well or state == 'K' end", ""}}},
	{"a child is content with too few", []edit{{"lib/follow", "enough = need == 0", "enough = true"}}},
	{"a child waits for what cannot come", []edit{{"lib/follow", "if left < need then return false end", ""}}},
	{"a failure that is taken stops the run", []edit{{"lib/stop", "call('HEXISTS', r.key, 't' .. sub(node.id, 12, 14)) == 0", "true"}}},
	{"a failure does not stop the run", []edit{{"lib/stop", "if not r.keep then stopRun(r, 'F') end", ""}}},
	{"a stopped run keeps its attempts", []edit{{"lib/halt", "    finish(id, v, 'a', 'C', sub(own, 12, 17), s, tail)", "    if kind(id) == 0 then finish(id, v, 'a', 'C', sub(own, 12, 17), s, tail) end"}}},
	{"who runs a node of a stopped run is not told", []edit{{"lib/halt", "call('SADD', T .. 'revoked:' .. s, attempt)", ""}}},
	{"resume runs again what has succeeded", []edit{{"lib/revive", "if state ~= 'F' and state ~= 'C' and state ~= 'K' or", "if state == 'j' or not state or"}}},
	{"a resumed node keeps its epoch", []edit{{"lib/revive", "be(num(sub(v, 7, 9)) + 1, 3) .. '", "sub(v, 7, 9) .. '"}}},
	{"resume does not follow what has succeeded", []edit{{"lib/revive", "worklist[#worklist + 1] = { id = id, state = truth(tail), chunk = 0, counted = true }", ""}}},
	{"resume forgets how many are enough", []edit{{"lib/phases", "be(tonumber(call('HGET', r.key, 'a' .. number) or 0), 3)", "be(0, 3)"}}},
	{"a resumed node waits for nobody", []edit{{"lib/phases", "await(r, sub(list, k, k + 2), byte(list, k + 4))", ""}}},
	{"a resumed run is still stopped", []edit{{"resume", "call('HDEL', key, 'stop', 'f', 'end', 'd', 'y', 'halted', 'xe')", "call('HDEL', key, 'f', 'end', 'd', 'y', 'halted', 'xe')"}}},
	{"resume does not know its own call", []edit{{"resume", "local seen, live = tonumber(times or 0) >= tonumber(ARGV[2]),", "local seen, live = false,"}}},
	{"a resumed suspect stays one", []edit{{"lib/revive", "sub(pend, -1) == 'x' and", "false and"}}},
	{"a suspect forgets its lane", []edit{{"lib/requeue", "if lane == 'x' and prio then", "if false then"}}},
	{"a run has no window", []edit{narrowly, {"lib/line", "if r.w >= WINDOW or r.resuming or r.paused then", "if r.resuming or r.paused then"}}},
	{"nobody is called from the line", []edit{narrowly, {"lib/line", "if n <= 0 or r.stop or r.resuming or r.paused then return false end", "if true then return false end"}}},
	{"a node that ends keeps its place", []edit{{"lib/stop", "if node.flew then set(r, 'w', r.w - 1) end", ""}}},
	{"a refused end is followed all the same", []edit{{"exchange", "      vs[i] = false\n", "      if kind(id) == 1 and v then worklist[#worklist + 1] = { id = id, state = 'S', chunk = 0, tail = '', counted = true } end\n      vs[i] = false\n"}}},
	{"a run expires while it runs", []edit{{"submit", "if not last then\n", "call('PEXPIRE', key, '1000000000')\nif not last then\n"}}},
	{"records of nodes expire while their run runs", []edit{{"lib/ends", "if class > 0 and floor(byte(b, 2) / 64) ~= 1 then", "if class > 0 then"}}},
	{"cancel leaves the job with its owner", []edit{{"lib/halt", "    freed[#freed + 1] = id\n", ""}}},
	{"cancel leaves the job to be woken", []edit{{"lib/halt", "call('ZREM', T .. 'delayed', id .. sub(v, 7, 9) .. pendOf(v)) == 1", "call('ZSCORE', T .. 'delayed', id .. sub(v, 7, 9) .. pendOf(v))"}}},
	{"a unique key is not released", []edit{{"lib/finish", "if unique and call('HGET', T .. 'unique', unique) == id then call('HDEL', T .. 'unique', unique) end", ""}}},
	{"a unique key is not asked for", []edit{{"lib/put", "if id and (seen.unique[j.unique] or call('HEXISTS', T .. 'jobs', id) == 1) then return 'E' .. id end", ""}}},
	{"an idempotency key forgets its payload", []edit{{"lib/put", "if sub(old, 17) ~= j.digest then return 'X' .. id end", ""}}},
	{"a job that is taken back keeps its epoch", []edit{{"lib/requeue", "be(num(sub(v, 7, 9)) + 1, 3)", "sub(v, 7, 9)"}}},
	{"post ignores its number", []edit{{"post", "if n == number then return { 'OK' } end", ""}, {"post", "if n > number then", "if false then"}}},
	{"admit ignores its number", []edit{{"admit", "if n == tonumber(ARGV[2]) then return { 'OK', answers } end", ""}, {"admit", "if n > tonumber(ARGV[2]) then return { 'STALE' } end", ""}}},
	{"a stale post keeps its number", []edit{{"post", "  call('SET', mine, last, 'PX', '600000')\n  return { 'STALE' }", "  return { 'STALE' }"}}},
	{"a list that was empty is not announced", []edit{{"post", "if len == n then", "if false then"}}},
	{"jobs that enter are not counted", []edit{{"post", "pcall('HINCRBY', T .. 'cnt', string.match(pend, '^[^:]*') .. ':P', n)", ""}}},
	{"a session that has not joined may exchange", []edit{{"exchange", "if not joined then return { 'GONE' } end", ""}}},
	{"submit ignores its nonce", []edit{{"submit", "if nonce and (state ~= '-' or part < parts) then return { 'OK' } end\n", ""}}},
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
	{"deleted dead letters are not counted", []edit{{"lib/forget", "count(queueOf(pendOf(v)), 'D', 1)", ""}}},
	{"who was told is still to be told", []edit{{"lib/ends", "if #heard > 0 then call('HDEL', T .. 'hooks', unpack(heard)) end", ""}}},
	{"records of nodes never expire", []edit{{"lib/stop", "over[#over + 1] = bucketOf(r.R)", ""}}},
	{"something follows an attempt that is tried again", []edit{{"exchange", "if verdict == 82 or verdict == 90 or verdict == 76 or verdict == 69 then vs[i] = false end", ""}}},
	{"a skipped child waits on", []edit{{"lib/follow", "    call('HDEL', r.key, 'p' .. number, 'o' .. number)\n", ""}}},
	{"a call that was posted before asks for its keys", []edit{{"lib/put", "if seen.id[j.id] or j.again and known(j.id) then return 'E' .. j.id end", "if seen.id[j.id] then return 'E' .. j.id end"}}},
	{"edges that are left over are forgotten", []edit{slowly, {"lib/settle", "if list then later(node, node.chunk) end", ""}}},
	{"a node is counted with each of its continuations", []edit{slowly, {"lib/settle", "if not node.counted then tally(r, node) end", "tally(r, node)"}}},
	{"a child that ends keeps its place in its map", []edit{{"lib/brood", "if node.flew then m.live = m.live - 1 end", ""}}},
	{"a map begins more children than it may", []edit{{"lib/mint", "while r.w < WINDOW and m.live < m.parallel and", "while r.w < WINDOW and"}}},
	{"a map begins more children than the run may", []edit{narrowly, {"lib/mint", "while r.w < WINDOW and m.live < m.parallel and", "while m.live < m.parallel and"}}},
	{"a map does not wait for its last child", []edit{{"lib/brood", "if m.done < m.width and", "if m.done < m.width - 1 and"}}},
	{"a map takes every failure", []edit{{"lib/brood", "local failed = m.bad > m.allow", "local failed = false"}}},
	{"a skipped child counts as a failure", []edit{{"lib/brood", "elseif not m.some or node.state ~= 'K' then", "else"}}},
	{"a map does not keep going", []edit{{"lib/brood", "(not failed or r.keep)", "not failed"}}},
	{"a map that fails does not say why", []edit{{"lib/brood", "call('HSETNX', r.key, 'g' .. m.number, node.tail)", "call('HSETNX', r.key, 'g' .. m.number, '\\0')"}}},
	{"children that end with their map cancel the run", []edit{{"lib/stop", "r.C > halted", "r.C > 0"}}},
	{"children outlive their map", []edit{{"lib/brood", "if m.done < m.born and not r.stop then worklist", "if false then worklist"}}},
	{"children that were not begun are forgotten", []edit{{"lib/brood", "if m.born < m.width then set(r,", "if false then set(r,"}}},
	{"a cancelled map skips its children", []edit{{"lib/brood", "halt(id, v, neverOf(m))", "halt(id, v, 'K')"}}},
	{"a map with children keeps its place", []edit{{"lib/expand", "set(r, 'w', r.w - 1)", "set(r, 'w', r.w)"}}},
	{"maps share their numbers", []edit{{"lib/expand", "math.ceil((r.top or r.n) / BLOCK)", "math.ceil((r.nodes or r.n) / BLOCK)"}}},
	{"a map with nothing to do waits", []edit{{"lib/expand", "if width == 0 then", "if width < 0 then"}}},
	{"something follows a map that has its children", []edit{{"exchange", " or verdict == 69 then vs[i] = false end", " then vs[i] = false end"}}},
	{"a resumed map begins with its next child", []edit{{"lib/reopen", "'-', '-', 0, 0, m.good, 0", "'-', '-', m.next, 0, m.good, 0"}}},
	{"a resumed map waits for children that have succeeded", []edit{{"lib/reopen", "'-', '-', 0, 0, m.good, 0", "'-', '-', 0, 0, 0, 0"}}},
	{"children of a map that has succeeded are run again", []edit{{"lib/reopen", "if not m or m.ended == '-' then return false end", "if true then return false end"}}},
	{"a resumed map counts its children twice", []edit{{"lib/reopen", "if m.born < m.width then set(r,", "if false then set(r,"}}},
	{"a resumed child is made anew", []edit{{"lib/mint", "if i >= m.born then", "if true then"}}},
	{"children whose dead letter is gone are waited for", []edit{{"lib/reopen", "m.done, m.bad = m.done + 1, m.bad + 1", ""}}},
	{"a paused run goes on", []edit{{"lib/park", "return r.paused", "return false"}}},
	{"a node of a paused run is forgotten", []edit{{"lib/park", "if r.paused then park(r, id, v) else", "if not r.paused then"}}},
	{"those that were kept aside before are forgotten", []edit{{"lib/run", "(call('HGET', r.key, 'y') or '') .. table", "table"}}},
	{"who was kept aside never starts", []edit{{"resume", "push(pendOf(v), entry(id, epoch), 'later')", "local _ = id"}}},
	{"who was kept aside starts though it has ended", []edit{{"resume", "if sound(v) and byte(v, 6) < DEAD and sub(v, 7, 9) == epoch then push(pendOf(v), entry(id, epoch), 'later') end", "push(pendOf(v or ''), entry(id, epoch), 'later')"}}},
	{"a pause is repeated after a resume", []edit{{"pause", "tonumber(times or 0) == tonumber(ARGV[2])", "true"}}},
	{"an event is not told of", []edit{{"lib/stop", "say(r, node.state, sub(node.id, 12, 14))", ""}}},
	{"an event has the number of another", []edit{{"lib/run", "set(r, 'e', r.e + 1)", "set(r, 'e', math.max(r.e, 1))"}}},
	{"a paused run lets nodes out of line", []edit{narrowly, {"lib/line", "if n <= 0 or r.stop or r.resuming or r.paused then", "if n <= 0 or r.stop or r.resuming then"}}},
	{"a run that was paused stays so", []edit{{"resume", "call('HDEL', key, 'paused')", ""}}},
	{"a run that ends forgets its exit jobs", []edit{{"lib/stop", "if exits then postExits", "if false then postExits"}}},
	{"each end of a run has the same exit jobs", []edit{{"lib/exits", "(tonumber(r.again or 0) * MAXEXITS)", "(0 * MAXEXITS)"}}},
	{"a redriven job keeps its epoch", []edit{{"redrive", "char(f) .. epoch ..", "char(f) .. sub(v, 7, 9) .."}}},
	{"a redriven job takes a key that is held", []edit{{"redrive", "if holder and holder ~= id and call('HEXISTS', T .. 'jobs', holder) == 1 then", "if false then"}}},
	{"a redriven job does not hold its key", []edit{{"redrive", "if unique then call('HSET', T .. 'unique', unique, id) end", ""}}},
	{"a redrive does not know its own call", []edit{{"redrive", "elseif num(sub(v, 7, 9)) > epoch then", "elseif false then"}}},
	{"a redriven suspect stays one", []edit{{"redrive", "if sub(pend, -1) ~= 'x' then return pend end", "if true then return pend end"}}},
	{"a dead letter is deleted that a run may need", []edit{{"lib/forget", "return state == 'a' or state == 'r'", "return false"}}},
	{"a call is posted again twice", []edit{{"repost", "if known(new) then return { 'OK', 'N' .. new } end", ""}}},
	{"a paused queue is claimed from", []edit{{"lib/pick", "if live[1] == PAUSED then return lanes end", ""}}},
	{"a queue's pause is repeated after it goes on", []edit{{"hold", "if times >= tonumber(ARGV[2]) then return { 'OK', times } end", ""}}},
	{"a queue that was paused stays so", []edit{{"hold", "call('SREM', T .. 'live:' .. ARGV[1], PAUSED)", ""}}},
	{"a list is taken from anybody", []edit{{"spread", "if not own or sub(own, 1, 11) ~= ARGV[2] then return", "if not own then return"}}},
}

// TestMutants asks that the model test finds each mutant within 500 cases, and
// nothing where there is none.
func TestMutants(t *testing.T) {
	withoutRaceDetector(t)
	t.Parallel()
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		n := newBench(t, testConfig)
		for seed := range uint64(25) {
			if wrong := try(t.Context(), n, seed, edit{}); wrong != "" {
				t.Fatalf("case %d: %s", seed+1, wrong)
			}
		}
	})
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			n := newBench(t, testConfig, m.edits...)
			for seed := range uint64(500) {
				if wrong := try(t.Context(), n, seed, m.edits[0]); wrong != "" {
					first, _, _ := strings.Cut(wrong, "\nafter:")
					t.Logf("found in case %d: %.300s", seed+1, first)
					return
				}
			}
			t.Error("500 cases have not found it")
		})
	}
}
