package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// brief is how long calls of these tests are repeated where they must fail.
const brief = 100 * time.Millisecond

// post1 posts one call.
func post1(ctx context.Context, b *Broker) (task.ID, error) {
	ids, err := b.Post(ctx, fCalls(1))
	if err != nil {
		return task.ID{}, err
	}
	return ids[0], nil
}

// do sends a command to a private server.
func do(t testing.TB, s *redistest.Server, args ...any) any {
	t.Helper()
	reply, err := s.Do(t.Context(), args...)
	must(t, err)
	return reply
}

func TestAFullServerRefusesPostsAndDrainsWhatRuns(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL(), Config{RetryFor: brief})
	ctx := t.Context()
	const n = 100
	ids, err := b.Post(ctx, fCalls(n))
	must(t, err)
	h := newHand(t, b)
	running, err := h.claim(ctx, n/2)
	must(t, err)
	used, err := strconv.ParseInt(parseInfo(do(t, s, "INFO", "memory").(string))["used_memory"], 10, 64)
	must(t, err)
	do(t, s, "CONFIG", "SET", "maxmemory", used+64<<10)
	for i := 0; err == nil; i++ {
		if i > 10_000 {
			t.Fatalf("%d posts of 1 KiB fit into 64 KiB", i)
		}
		_, err = b.Post(ctx, []task.Call{fCall(strings.Repeat("x", 1<<10))})
	}
	wantErr(t, "Post to a full server", err, task.ErrFull)
	_, err = b.Submit(ctx, task.Plan{Name: "p", Nodes: []task.Node{{Call: fCall("")}}})
	wantErr(t, "Submit to a full server", err, task.ErrFull)

	must(t, h.finish(ctx, running...))
	wantErr(t, "Note", b.Note(ctx, running[0].Lease, task.Note{}), task.ErrLeaseLost)
	if _, err := b.Beat(ctx, h.id); err != nil {
		t.Errorf("Beat: %v", err)
	}
	if _, err := b.Tick(ctx); err != nil {
		t.Errorf("Tick: %v", err)
	}
	if st, err := b.Cancel(ctx, ids[n-1]); st != task.Cancelled || err != nil {
		t.Errorf("Cancel: %v, %v", st, err)
	}
	for {
		jobs, err := h.claim(ctx, 64)
		must(t, err)
		if len(jobs) == 0 {
			break
		}
		must(t, h.finish(ctx, jobs...))
	}
	if ends, err := b.Await(ctx, ids[:n-1]); err != nil {
		t.Errorf("Await: %v", err)
	} else if end := ends[n-2]; end.State != task.Succeeded {
		t.Errorf("the last job ended as %v", end.State)
	}
	do(t, s, "CONFIG", "SET", "maxmemory", 0)
	if _, err := post1(ctx, b); err != nil {
		t.Errorf("Post when there is memory again: %v", err)
	}
}

func TestAReplicaTakesNoWritesUntilItIsPromoted(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL(), Config{RetryFor: brief})
	patient := open(t, s.URL(), Config{Namespace: b.Namespace(), RetryFor: soon})
	id, err := post1(t.Context(), b)
	must(t, err)
	do(t, s, "REPLICAOF", "127.0.0.1", 1)
	_, err = post1(t.Context(), b)
	wantErr(t, "Post to a replica", err, task.ErrUnavailable, ErrReadOnly)
	_, err = Open(t.Context(), s.URL(), quietly(t, Config{RetryFor: brief}))
	wantErr(t, "Open of a replica", err, task.ErrUnavailable, ErrReadOnly)
	if _, err := b.Read(t.Context(), []task.ID{id}); err != nil && !errors.Is(err, task.ErrUnavailable) {
		t.Errorf("Read from a replica: %v", err)
	}
	done := make(chan error, 1)
	go func() { // ends when the server takes writes again
		_, err := post1(t.Context(), patient)
		done <- err
	}()
	do(t, s, "REPLICAOF", "NO", "ONE")
	if err := <-done; err != nil {
		t.Errorf("Post during a promotion: %v", err)
	}
}

func TestALoadingServerIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config("enable-debug-command", "yes"),
		redistest.Config("loading-process-events-interval-bytes", "1024"))
	hasty, patient := open(t, s.URL(), Config{RetryFor: brief}), open(t, s.URL(), Config{RetryFor: soon})
	ctx := t.Context()
	for range 3 {
		_, err := hasty.Post(ctx, fCalls(500))
		must(t, err)
	}
	for i := range 3000 {
		do(t, s, "SET", fmt.Sprint("filler", i), "x")
	}
	do(t, s, "CONFIG", "SET", "key-load-delay", 500) // µs
	loading := make(chan error, 1)
	go func() { // ends when the server has loaded its data
		_, err := s.Do(ctx, "DEBUG", "RELOAD")
		loading <- err
	}()
	seen := false
	redistest.Eventually(t, soon, func() bool {
		_, err := post1(ctx, hasty)
		if err != nil {
			wantErr(t, "Post to a loading server", err, task.ErrUnavailable)
			seen = seen || errors.Is(err, ErrLoading)
		}
		select {
		case err := <-loading:
			must(t, err)
			t.Fatalf("the server has loaded its data before Post was told so (%t)", seen)
		default:
		}
		return seen
	}, "Post fails with ErrLoading")
	if _, err := post1(ctx, patient); err != nil {
		t.Errorf("Post that waits for the server: %v", err)
	}
	must(t, <-loading)
}

func TestOpenRefusesAServerThatMayEvictJobs(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config("maxmemory-policy", "allkeys-lru"))
	_, err := Open(t.Context(), s.URL(), quietly(t, Config{}))
	wantErr(t, "Open", err, ErrEviction)
	if !strings.Contains(err.Error(), "allkeys-lru") {
		t.Errorf("the error does not name the policy: %v", err)
	}
	b := open(t, s.URL(), Config{AllowEviction: true})
	if _, err := post1(t.Context(), b); err != nil {
		t.Errorf("Post with AllowEviction: %v", err)
	}
}

func TestOpenJudgesTheServersVersion(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]struct {
		err     error
		shebang bool
	}{
		"2.8.24": {err: ErrVersion}, "5.0.14": {err: ErrVersion}, "6.0.20": {err: ErrVersion}, "6.1.99": {err: ErrVersion},
		"6.2.0": {}, "6.2.14": {}, "6.10.1": {}, "7.0.0": {shebang: true}, "7.4.1": {shebang: true}, "8.2.0-m01": {shebang: true},
		"10.0": {shebang: true}, "": {}, "unstable": {}, "255.255.255": {shebang: true},
	} {
		b := &Broker{cfg: quietly(t, Config{}), rdb: redis.NewClient(&redis.Options{})}
		d, err := b.checkServer(map[string]string{"redis_version": v})
		if !errors.Is(err, want.err) || d.shebang != want.shebang || d.sharded {
			t.Errorf("version %q: %+v, %v; want %+v", v, d, err, want)
		}
		must(t, b.rdb.Close())
	}
}

func TestOpenRefusesANodeOfAClusterAlone(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config("cluster-enabled", "yes"))
	_, err := Open(t.Context(), s.URL(), quietly(t, Config{RetryFor: brief}))
	wantErr(t, "Open", err, task.ErrInvalid)
	if !strings.Contains(err.Error(), "redis+cluster://") {
		t.Errorf("the error does not say what to do: %v", err)
	}
}

func TestOpenIsDeniedWithoutTheRightPassword(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config("requirepass", "right-password"))
	for name, u := range map[string]string{
		"a wrong password": "redis://:wrong-password@" + s.Addr() + "/0",
		"a wrong user":     "redis://somebody:wrong-password@" + s.Addr() + "/0",
		"no password":      "redis://" + s.Addr() + "/0",
	} {
		began := time.Now()
		_, err := Open(t.Context(), u, quietly(t, Config{RetryFor: soon}))
		wantErr(t, "Open with "+name, err, ErrDenied)
		if err != nil && strings.Contains(err.Error(), "wrong-password") {
			t.Errorf("the error tells the password: %v", err)
		}
		if took := time.Since(began); took > soon/2 {
			t.Errorf("Open with %s took %v, want no repetition", name, took)
		}
	}
	open(t, s.URL(), Config{})
}

func TestOpenOfAnUnreachableServerEndsAfterRetryFor(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	must(t, l.Close())
	for _, u := range []string{
		"redis://:secret@" + addr, "rediss://:secret@" + addr, "redis+cluster://:secret@" + addr,
		"redis+sentinel://:secret@" + addr + "?master_name=m", "unix:///nowhere/redis.sock",
	} {
		t.Run(strings.SplitN(u, ":", 2)[0], func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := Open(t.Context(), u, quietly(t, Config{RetryFor: brief}))
			wantErr(t, "Open", err, task.ErrUnavailable)
			if took := time.Since(began); took > brief+20*time.Second {
				t.Errorf("Open took %v, want about %v", took, brief)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), brief)
	defer cancel()
	_, err := Open(ctx, "unix:///nowhere/redis.sock", quietly(t, Config{RetryFor: MaxRetryFor}))
	wantErr(t, "Open", err, context.DeadlineExceeded, task.ErrUnavailable)
}

func TestOpenRefusesANamespaceThatWasMadeDifferently(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	b := open(t, s.URL(), Config{Partitions: 3})
	open(t, s.URL(), Config{Namespace: b.Namespace(), Partitions: 3})
	_, err := Open(t.Context(), s.URL(), quietly(t, Config{Namespace: b.Namespace(), Partitions: 4}))
	wantErr(t, "Open with another number of partitions", err, ErrSchema)
	if text := fmt.Sprint(err); !strings.Contains(text, "3") || !strings.Contains(text, "4") {
		t.Errorf("the error does not name both numbers: %v", err)
	}
	do(t, s, "HSET", metaKey(b.Namespace()), "schema", schemaVersion+1)
	_, err = Open(t.Context(), s.URL(), quietly(t, Config{Namespace: b.Namespace(), Partitions: 3}))
	wantErr(t, "Open of another schema", err, ErrSchema)
}

func TestScriptsThatAreFlushedAreLoadedAgain(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	flushed := make(chan int, 1)
	go func() { // ends with ctx
		n := 0
		for ; ctx.Err() == nil; n++ {
			_, _ = s.Do(ctx, "SCRIPT", "FLUSH")
		}
		flushed <- n
	}()
	var wg sync.WaitGroup
	for range 4 {
		b := open(t, s.URL(), Config{RetryFor: brief})
		wg.Go(func() {
			h, err := joinHand(t.Context(), b)
			if err != nil {
				t.Errorf("Join: %v", err)
				return
			}
			for range 25 {
				if err := load(t.Context(), b, h); err != nil {
					t.Errorf("while scripts are flushed: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	cancel()
	t.Logf("scripts were flushed %d times", <-flushed)
}

// load posts, runs and waits, and calls what else runs scripts.
func load(ctx context.Context, b *Broker, h *hand) error {
	id, err := post1(ctx, b)
	if err != nil {
		return err
	}
	jobs, err := h.claim(ctx, 10)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if err := b.Note(ctx, j.Lease, task.Note{}); err != nil {
			return err
		}
		if err := errors.Join(b.Block(ctx, j, []task.ID{b.ids.lone(b.now(), 1, 0)}), b.Unblock(ctx, j)); err != nil {
			return err
		}
	}
	if err := h.finish(ctx, jobs...); err != nil {
		return err
	}
	run, err := b.Submit(ctx, task.Plan{Name: "p", Nodes: []task.Node{{Call: fCall("")}}})
	if err != nil {
		return err
	}
	if _, err := b.Cancel(ctx, run); err != nil {
		return err
	}
	if _, err := b.Beat(ctx, h.id); err != nil {
		return err
	}
	if _, err := b.Tick(ctx); err != nil {
		return err
	}
	if _, err := b.Read(ctx, []task.ID{id}); err != nil {
		return err
	}
	if _, err := b.Cancel(ctx, id); err != nil {
		return err
	}
	_, err = b.Await(ctx, []task.ID{id, run})
	return err
}

func TestAServerBusyWithAForeignScriptIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Config("busy-reply-threshold", "50"))
	hasty, patient := open(t, s.URL(), Config{RetryFor: brief}), open(t, s.URL(), Config{RetryFor: soon})
	spinning := make(chan error, 1)
	go func() { // ends when the script is killed
		_, err := s.Do(t.Context(), "EVAL", "while true do end", 0)
		spinning <- err
	}()
	redistest.Eventually(t, soon, func() bool {
		_, err := post1(t.Context(), hasty)
		if err != nil {
			wantErr(t, "Post to a busy server", err, task.ErrUnavailable)
		}
		return err != nil && strings.Contains(err.Error(), "BUSY")
	}, "Post fails since the server is busy")
	posted := make(chan error, 1)
	go func() { // ends when the server is free again
		_, err := post1(t.Context(), patient)
		posted <- err
	}()
	do(t, s, "SCRIPT", "KILL")
	if err := <-posted; err != nil {
		t.Errorf("Post that waits for the server: %v", err)
	}
	if err := <-spinning; err == nil {
		t.Error("the foreign script ended by itself")
	}
}

func TestKeysOfAnotherTypeAreDamage(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	for _, key := range []string{"jobs", "own", "sess", "hooks", "queues", "delayed", "unique", "last"} {
		b := open(t, s.URL(), Config{RetryFor: brief})
		h := newHand(t, b)
		_, err := b.Post(t.Context(), fCalls(2))
		must(t, err)
		jobs, err := h.claim(t.Context(), 1)
		must(t, err)
		do(t, s, "DEL", b.prefixes[0]+key)
		do(t, s, "SET", b.prefixes[0]+key, "a string")
		keyed, delayed := fCall(""), fCall("")
		keyed.Spec.UniqueKey, delayed.Spec.Delay = "k", time.Hour
		_, err1 := b.Post(t.Context(), []task.Call{keyed})
		_, err2 := b.Post(t.Context(), []task.Call{delayed})
		_, err3 := b.Beat(t.Context(), h.id)
		_, err4 := h.exchange(t.Context(), 0, 1, task.Outcome{Lease: jobs[0].Lease, Verdict: task.Retry})
		_, err5 := b.Tick(t.Context())
		all := errors.Join(err1, err2, err3, err4, err5)
		wantErr(t, "calls with a damaged "+key, all, task.ErrDamaged)
		for _, err := range []error{err1, err2, err3, err4, err5} {
			if err != nil && !errors.Is(err, task.ErrDamaged) && !errors.Is(err, task.ErrGone) {
				t.Errorf("with a damaged %s: %v", key, err)
			}
		}
	}
}

func TestBadURLsAreRefusedWithoutTellingThePassword(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"", "localhost:6379", "/tmp/redis.sock", "http://localhost:6379", "redis", "://", "%zz",
		"redis://u:hunter2@[::1", "redis://u:hunter2@host:port/0", "redis://u:hunter2@host:6379/notanumber",
		"redis://u:hunter2@host:6379/1/2", "redis://u:hunter2@host:6379/0?nonsense=1", "redis://u:hunter2@host/0?dial_timeout=soon",
		"redis://u:hunter2@ho st/0", "redis://u:hunter2\x7f@host/0", "redis://u:%hunter2@host/0",
		"redis+cluster://u:hunter2@host:6379?nonsense=1",
		"redis+sentinel://u:hunter2@host:26379/0", "redis+sentinel://u:hunter2@host:26379/x?master_name=m",
		"redis+nonsense://u:hunter2@host", "unix://u:hunter2@", "unix://",
		"local://", "local:dir", "local://relative/dir", "local://u:hunter2@host/dir",
	} {
		b, err := Open(t.Context(), u, quietly(t, Config{RetryFor: brief}))
		if err == nil {
			must(t, b.Close())
		}
		wantErr(t, fmt.Sprintf("Open(%q)", u), err, task.ErrInvalid)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q) tells the password: %v", u, err)
		}
	}
}

func TestBadConfigsAreRefusedWithAllTheirFaults(t *testing.T) {
	t.Parallel()
	bad := Config{
		Namespace: "{}", Partitions: MaxPartitions + 1, MaxPayload: -1, MaxResult: MaxData + 1,
		DeadRetention: time.Second, Poison: 101, RetryFor: MaxRetryFor + 1,
	}
	_, err := Open(t.Context(), "embedded://", bad)
	wantErr(t, "Open", err, task.ErrInvalid)
	for _, field := range []string{"namespace", "Partitions", "MaxPayload", "MaxResult", "DeadRetention", "Poison", "RetryFor"} {
		if !strings.Contains(fmt.Sprint(err), field) {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
}

// reply is an error as the client library reports those of the server.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestErrorsOfTheServerAreClassified(t *testing.T) {
	t.Parallel()
	const within = " script: 0123, on @user_script:1."
	for text, want := range map[string]struct {
		again bool
		errs  []error
	}{
		"LOADING Redis is loading the dataset in memory":                             {true, []error{task.ErrUnavailable, ErrLoading}},
		"READONLY You can't write against a read only replica.":                      {true, []error{task.ErrUnavailable, ErrReadOnly}},
		"ERR READONLY You can't write against a read only replica." + within:         {true, []error{task.ErrUnavailable, ErrReadOnly}},
		"MISCONF Redis is configured to save RDB snapshots, but it's unable":         {true, []error{task.ErrUnavailable, ErrReadOnly}},
		"NOREPLICAS Not enough good replicas to write.":                              {true, []error{task.ErrUnavailable, ErrReadOnly}},
		"MASTERDOWN Link with MASTER is down":                                        {true, []error{task.ErrUnavailable}},
		"CLUSTERDOWN The cluster is down":                                            {true, []error{task.ErrUnavailable}},
		"TRYAGAIN Multiple keys request during rehashing of slot":                    {true, []error{task.ErrUnavailable}},
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL":         {true, []error{task.ErrUnavailable}},
		"MOVED 3999 127.0.0.1:6381":                                                  {true, []error{task.ErrUnavailable}},
		"ERR max number of clients reached":                                          {true, []error{task.ErrUnavailable}},
		"OOM command not allowed when used memory > 'maxmemory'." + within:           {false, []error{task.ErrFull}},
		"ERR allow-oom flag is not set on the script, can not run it when used":      {false, []error{task.ErrFull}},
		"NOAUTH Authentication required.":                                            {false, []error{ErrDenied}},
		"WRONGPASS invalid username-password pair or user is disabled.":              {false, []error{ErrDenied}},
		"NOPERM this user has no permissions to run the 'evalsha' command":           {false, []error{ErrDenied}},
		"ERR The user executing the script can't run this command or subcommand":     {false, []error{ErrDenied}},
		"ERR The user executing the script can't access at least one of the keys":    {false, []error{ErrDenied}},
		"ERR No permissions to access a key" + within:                                {false, []error{ErrDenied}},
		"WRONGTYPE Operation against a key holding the wrong kind of value" + within: {false, []error{task.ErrDamaged}},
		"ERR user_script:1: attempt to index a nil value" + within:                   {false, []error{task.ErrDamaged}},
	} {
		again, err := classify(reply(text))
		if again != want.again {
			t.Errorf("%q: repeat it: %t, want %t", text, again, want.again)
		}
		wantErr(t, text, err, append(want.errs, reply(text))...)
	}
	again, err := classify(&net.OpError{Op: "read", Err: errors.New("reset")})
	wantErr(t, "a broken connection", err, task.ErrUnavailable)
	if !again {
		t.Error("a broken connection is not tried again")
	}
	again, err = classify(redis.ErrClosed)
	wantErr(t, "a closed client", err, task.ErrUnavailable)
	wantErr(t, "a closed client", err, task.ErrClosed)
	if again {
		t.Error("a closed client is tried again")
	}
}

func TestCallsEndWithTheirContextWhileTheServerHangs(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL(), Config{RetryFor: MaxRetryFor})
	h := newHand(t, b)
	id, err := post1(t.Context(), b)
	must(t, err)
	delayed := fCall("")
	delayed.Spec.Delay = time.Hour
	other, err := b.Post(t.Context(), []task.Call{delayed})
	must(t, err)
	s.Pause()
	var wg sync.WaitGroup
	for name, call := range map[string]func(context.Context) error{
		"Post":   func(ctx context.Context) error { _, err := post1(ctx, b); return err },
		"Read":   func(ctx context.Context) error { _, err := b.Read(ctx, []task.ID{id}); return err },
		"Await":  func(ctx context.Context) error { _, err := b.Await(ctx, []task.ID{id}); return err },
		"Cancel": func(ctx context.Context) error { _, err := b.Cancel(ctx, other[0]); return err },
		"Tick":   func(ctx context.Context) error { _, err := b.Tick(ctx); return err },
		"Beat":   func(ctx context.Context) error { _, err := b.Beat(ctx, h.id); return err },
		"Join":   func(ctx context.Context) error { _, err := joinHand(ctx, b); return err },
		"Exchange": func(ctx context.Context) error {
			_, err := b.Exchange(ctx, task.Exchange{Session: h.id, Number: 1, Want: 1})
			return err
		},
	} {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), brief)
			defer cancel()
			began := time.Now()
			wantErr(t, name, call(ctx), context.DeadlineExceeded)
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("%s took %v, its context %v", name, took, brief)
			}
		})
	}
	wg.Wait()
	s.Resume()
	// Of the two posted jobs, one perhaps when the server went on.
	if got, err := h.b.Exchange(t.Context(), task.Exchange{Session: h.id, Number: 1, Want: 1}); err != nil || len(got.Jobs) != 1 {
		t.Errorf("the same exchange when the server answers again: %d jobs, %v", len(got.Jobs), err)
	}
}

func TestCallsOutliveARestartOfTheServer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.AOF("always"))
	b := open(t, s.URL(), Config{RetryFor: soon})
	h := newHand(t, b)
	ctx := t.Context()
	must(t, load(ctx, b, h))
	c := fCall("r")
	c.Notify = true
	ids, err := b.Post(ctx, []task.Call{c})
	must(t, err)
	waits := make(chan error, 1)
	go func() { // ends with the job
		_, err := b.Await(ctx, ids)
		waits <- err
	}()
	s.Kill()
	posted := make(chan error, 1)
	go func() { // ends when the server is there again
		_, err := post1(ctx, b)
		posted <- err
	}()
	s.Restart()
	must(t, <-posted)
	jobs, err := h.claim(ctx, 2)
	must(t, err)
	if len(jobs) != 2 {
		t.Fatalf("the session claimed %d jobs after the restart, want 2", len(jobs))
	}
	must(t, h.finish(ctx, jobs...))
	must(t, <-waits)
	must(t, load(ctx, b, h))
}
