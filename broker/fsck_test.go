package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// TestFsckFindsEachViolation breaks each rule in some way, and asks that fsck names
// that rule and no unrelated one.
func TestFsckFindsEachViolation(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	at := func(key string) string { return s.b.prefixes[0] + key }
	held, node := string(s.held[0].ID[:]), string(s.node.ID[:])
	stranger := task.NewID(testBegin, task.KindLone, 1, 77, 77, 0)
	foreign := stranger.WithPartition(9)
	pend := s.keys["pend:"][0]
	run := "run:" + string(s.run[:])
	waiting := "p" + number(5) // its parent runs
	lone := ""
	for _, key := range s.keys["res:"] {
		if s.exists(key) && task.ID([]byte("123456"+key[4:]+"12345")).Kind() != task.KindNode {
			lone = key
		}
	}
	for _, c := range []struct {
		name string
		rule Rule
		also Rule // what follows from it
		do   func(r *redis.Client, ctx context.Context) error
	}{
		{"a job is in no list", RulePlace, "", func(r *redis.Client, ctx context.Context) error { return r.LPop(ctx, at(pend)).Err() }},
		{"a job is in its list twice", RulePlace, "", func(r *redis.Client, ctx context.Context) error {
			return r.RPush(ctx, at(pend), r.LIndex(ctx, at(pend), 0).Val()).Err()
		}},
		{"a running job is in a list", RulePlace, "", func(r *redis.Client, ctx context.Context) error { return r.RPush(ctx, at(pend), held).Err() }},
		{"a job is to be woken twice", RulePlace, "", func(r *redis.Client, ctx context.Context) error {
			return r.ZAdd(ctx, at("delayed"), redis.Z{Member: held + "\x00\x00\x00q:f:n"}).Err()
		}},
		{"a job that does not exist is to be woken", RulePlace, "", func(r *redis.Client, ctx context.Context) error {
			return r.ZAdd(ctx, at("delayed"), redis.Z{Member: string(stranger[:]) + "\x00\x00\x00q:f:n"}).Err()
		}},
		{"a job is live and has ended", RulePlace, RuleExpiry, func(r *redis.Client, ctx context.Context) error {
			return r.HSet(ctx, at("res:"+s.held[0].ID.Bucket()), held, "S"+strings.Repeat("\x00", 20)+r.HGet(ctx, at("jobs"), held).Val()+"\x00").Err()
		}},
		{"a live job is listed as dead", RulePlace, "", func(r *redis.Client, ctx context.Context) error {
			return r.ZAdd(ctx, at("dead"), redis.Z{Member: held}).Err()
		}},
		{"a dead letter is not listed", RulePlace, "", func(r *redis.Client, ctx context.Context) error { return r.Del(ctx, at("dead")).Err() }},
		{"what is owned does not exist", RuleOwner, "", func(r *redis.Client, ctx context.Context) error {
			return r.HSet(ctx, at("own"), stranger[:], r.HGet(ctx, at("own"), held).Val()).Err()
		}},
		{"an owner has an old epoch", RuleOwner, "", func(r *redis.Client, ctx context.Context) error {
			v := r.HGet(ctx, at("own"), held).Val()
			return r.HSet(ctx, at("own"), held, v[:10]+"\x07"+v[11:]).Err()
		}},
		{"an owner is lost", RuleLost, RuleSession, func(r *redis.Client, ctx context.Context) error {
			return r.ZRem(ctx, at("sess"), s.workers[0][:]).Err()
		}},
		{"a list cannot be found", RuleList, "", func(r *redis.Client, ctx context.Context) error { return r.Del(ctx, at("live:q")).Err() }},
		{"a queue cannot be found", RuleList, "", func(r *redis.Client, ctx context.Context) error { return r.SRem(ctx, at("queues"), "q").Err() }},
		{"a count is wrong", RuleCount, "", func(r *redis.Client, ctx context.Context) error { return r.HIncrBy(ctx, at("cnt"), "q:a", 1).Err() }},
		{"jobs were finished that were not posted", RuleCount, "", func(r *redis.Client, ctx context.Context) error { return r.HIncrBy(ctx, at("cnt"), "q:S", 1).Err() }},
		{"a unique key leads nowhere", RuleUnique, "", func(r *redis.Client, ctx context.Context) error {
			return r.HSet(ctx, at("unique"), "other", stranger[:]).Err()
		}},
		{"a unique key is not held", RuleUnique, "", func(r *redis.Client, ctx context.Context) error { return r.Del(ctx, at("unique")).Err() }},
		{"an idempotency key is not held", RuleIdempotent, "", func(r *redis.Client, ctx context.Context) error { return r.Del(ctx, at(s.keys["idem:"][0])).Err() }},
		{"an idempotency key leads to a job without", RuleIdempotent, "", func(r *redis.Client, ctx context.Context) error {
			return r.Set(ctx, at("idem:0123456789abcdef"), held+"12345678", 0).Err()
		}},
		{"a note is about nothing", RuleAbout, "", func(r *redis.Client, ctx context.Context) error {
			return r.HSet(ctx, at("notes"), stranger[:], "\x80").Err()
		}},
		{"a checkpoint is about nothing", RuleAbout, "", func(r *redis.Client, ctx context.Context) error {
			return r.HSet(ctx, at("saved"), stranger[:], "b").Err()
		}},
		{"a log is about nothing", RuleAbout, "", func(r *redis.Client, ctx context.Context) error {
			return errors.Join(r.HSet(ctx, at("logs"), stranger[:], "").Err(), r.HSet(ctx, at("log:"+string(stranger[:])), "n", 0).Err(), r.PExpire(ctx, at("log:"+string(stranger[:])), time.Minute).Err())
		}},
		{"a log is gone", RuleAbout, "", func(r *redis.Client, ctx context.Context) error { return r.Del(ctx, at(s.keys["log:"][0])).Err() }},
		{"a log of a live job expires", RuleExpiry, "", func(r *redis.Client, ctx context.Context) error {
			return r.PExpire(ctx, at(s.keys["log:"][0]), time.Hour).Err()
		}},
		{"a log is not found when its job ends", RuleAbout, "", func(r *redis.Client, ctx context.Context) error { return r.Del(ctx, at("logs")).Err() }},
		{"a log of nobody stays", RuleExpiry, "", func(r *redis.Client, ctx context.Context) error {
			return r.HSet(ctx, at("log:"+string(stranger[:])), "n", 0).Err()
		}},
		{"stored data has lost its chunks", RuleData, "", func(r *redis.Client, ctx context.Context) error { return r.Del(ctx, at(s.keys["blob:"][0])).Err() }},
		{"chunks belong to no data", RuleData, "", func(r *redis.Client, ctx context.Context) error { return r.Del(ctx, at("data:key")).Err() }},
		{"chunks expire before their data", RuleExpiry, "", func(r *redis.Client, ctx context.Context) error {
			return r.PExpire(ctx, at(s.keys["blob:"][0]), time.Hour).Err()
		}},
		{"a key of data says nothing", RuleForm, RuleData, func(r *redis.Client, ctx context.Context) error { return r.HSet(ctx, at("data:key"), "i", "x").Err() }},
		{"a hook waits for what has ended", RuleAbout, "", func(r *redis.Client, ctx context.Context) error {
			return r.HSet(ctx, at("hooks"), stranger[:], "an inbox").Err()
		}},
		{"a history is missing", RuleAbout, "", func(r *redis.Client, ctx context.Context) error { return r.Del(ctx, at("hist")).Err() }},
		{"one waits that does not run", RuleAbout, "", func(r *redis.Client, ctx context.Context) error {
			return r.HSet(ctx, at("waits"), stranger[:], "\x00\x01").Err()
		}},
		{"a session has said nothing", RuleSession, "", func(r *redis.Client, ctx context.Context) error { return r.Del(ctx, at("workers")).Err() }},
		{"an answer is kept for nobody", RuleSession, "", func(r *redis.Client, ctx context.Context) error {
			return r.HSet(ctx, at("last"), "somebody", "1  0 ").Err()
		}},
		{"a run has counted a node too many", RuleRun, "", func(r *redis.Client, ctx context.Context) error { return r.HIncrBy(ctx, at(run), "S", 1).Err() }},
		{"a node waits for a parent too many", RuleRun, "", func(r *redis.Client, ctx context.Context) error { return r.HIncrBy(ctx, at(run), waiting, 1).Err() }},
		{"a node was released too early", RuleRun, RulePlace, func(r *redis.Client, ctx context.Context) error { return r.HDel(ctx, at(run), waiting).Err() }},
		{"a run ended too early", RuleRun, RuleExpiry + RuleAbout, func(r *redis.Client, ctx context.Context) error {
			return r.HSet(ctx, at(run), "state", "S", "end", 1).Err()
		}},
		{"a node is gone", RuleRun, RuleCount, func(r *redis.Client, ctx context.Context) error {
			return errors.Join(r.HDel(ctx, at("jobs"), node).Err(), r.HDel(ctx, at("own"), node).Err())
		}},
		{"a run that runs expires", RuleExpiry, "", func(r *redis.Client, ctx context.Context) error { return r.PExpire(ctx, at(run), time.Hour).Err() }},
		{"live jobs expire", RuleExpiry, "", func(r *redis.Client, ctx context.Context) error { return r.PExpire(ctx, at("jobs"), time.Hour).Err() }},
		{"records never expire", RuleExpiry, "", func(r *redis.Client, ctx context.Context) error { return r.Persist(ctx, at(lone)).Err() }},
		{"a job is of another partition", RuleForm, RuleCount, func(r *redis.Client, ctx context.Context) error {
			return r.HSet(ctx, at("jobs"), foreign[:], r.HGet(ctx, at("jobs"), held).Val()).Err()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := s.back(); err != nil {
				t.Fatal(err)
			}
			if err := c.do(s.rdb, s.ctx); err != nil {
				t.Fatal(err)
			}
			before, err := s.dump(s.ctx)
			if err != nil {
				t.Fatal(err)
			}
			f, err := s.b.Fsck(s.ctx, FsckConfig{Reaped: true})
			if err != nil {
				t.Fatal(err)
			}
			seen := false
			for _, b := range f.Broken {
				seen = seen || b.Rule == c.rule
				if b.Rule != c.rule && !strings.Contains(string(c.also), string(b.Rule)) && b.Rule != RuleCount {
					t.Errorf("unrelated: %v", b)
				}
			}
			if !seen {
				t.Errorf("no violation of %q among %v", c.rule, f.Broken)
			}
			if after, err := s.dump(s.ctx); err != nil || after.digest != before.digest {
				t.Errorf("fsck changed the state, %v:\n%s", err, before.diff(after))
			}
		})
	}
}

// TestFsckIsExactOnLargeState asks for true numbers where each key takes many steps.
func TestFsckIsExactOnLargeState(t *testing.T) {
	t.Parallel()
	const jobs = 3000
	b, err := Open(t.Context(), redistest.Shared(t).URL(), Config{Namespace: redistest.Namespace(t), Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	calls := make([]task.Call, jobs)
	for i := range calls {
		calls[i] = task.Call{Functions: []string{fmt.Sprint("f", i%7)}}
	}
	ids, err := b.Post(t.Context(), calls)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids[:300] {
		if _, err := b.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	f, err := b.Fsck(t.Context(), FsckConfig{Reaped: true})
	if err != nil || len(f.Broken) > 0 || f.Jobs != jobs-300 || f.Records != 300 || f.Stale != 300 || f.Unknown != 0 {
		t.Errorf("%+v, %v; want %d jobs, 300 records, 300 stale entries", f, err, jobs-300)
	}
	// More is broken than fits.
	for p := range b.prefixes {
		if err := b.rdb.Del(t.Context(), b.prefixes[p]+"pend:default:f0:n", b.prefixes[p]+"pend:default:f1:n", b.prefixes[p]+"pend:default:f2:n").Err(); err != nil {
			t.Fatal(err)
		}
	}
	f, err = b.Fsck(t.Context(), FsckConfig{})
	if want := 0; err != nil || len(f.Broken) != MaxFindings || f.More <= want {
		t.Errorf("%d violations and %d more, %v; want %d and some", len(f.Broken), f.More, err, MaxFindings)
	}
}

// TestFsckWorksOnTheEmbeddedServer asks that the commands it uses exist there.
func TestFsckWorksOnTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	b, err := Open(t.Context(), "embedded://", Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	if _, err := b.Post(t.Context(), make([]task.Call, 10)); err != nil {
		t.Fatal(err)
	}
	f, err := b.Fsck(t.Context(), FsckConfig{Reaped: true})
	if err != nil || len(f.Broken) > 0 || f.Jobs != 10 {
		t.Errorf("%+v, %v; want 10 jobs and nothing broken", f, err)
	}
}

// TestFsckSaysWhatItHasSeen asks for text that people can read.
func TestFsckSaysWhatItHasSeen(t *testing.T) {
	t.Parallel()
	id := task.NewID(testBegin, task.KindLone, 1, 1, 1, 0)
	for _, c := range []struct {
		f    Finding
		want string
	}{
		{Finding{Rule: RuleCount, Key: "cnt", Detail: "q:a is 1, but there are 0"}, "count: partition 0, cnt: q:a is 1, but there are 0"},
		{Finding{RulePlace, 2, id, printable("res:\x00\xff"), "has ended"}, `place: partition 2, "res:\x00\xff", ` + id.String() + ": has ended"},
	} {
		if got := c.f.String(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// TestFsckReadsAllOfACluster asks that partitions on all masters are read.
func TestFsckReadsAllOfACluster(t *testing.T) {
	t.Parallel()
	b, err := Open(t.Context(), clusterURL(redistest.Cluster(t)), Config{RetryFor: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	for range 100 {
		if _, err := b.Post(t.Context(), make([]task.Call, 1)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := b.Fsck(t.Context(), FsckConfig{Reaped: true})
	if err != nil || len(f.Broken) > 0 || f.Jobs != 100 {
		t.Errorf("%+v, %v; want 100 jobs and nothing broken", f, err)
	}
}
