package broker

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// keysOf returns all keys of b's only partition, without their prefix.
func keysOf(t *testing.T, b *Broker) (keys []string) {
	t.Helper()
	all, err := b.rdb.Keys(t.Context(), globEscape(b.prefixes[0])+"*").Result()
	must(t, err)
	for _, k := range all {
		keys = append(keys, strings.TrimPrefix(k, b.prefixes[0]))
	}
	return keys
}

// blobsOf returns the keys that have chunks.
func blobsOf(t *testing.T, b *Broker) (blobs []string) {
	t.Helper()
	for _, k := range keysOf(t, b) {
		if strings.HasPrefix(k, "blob:") {
			blobs = append(blobs, b.prefixes[0]+k)
		}
	}
	return blobs
}

func TestDamagedDataIsNeverGivenOut(t *testing.T) {
	t.Parallel()
	b := open(t, redistest.Shared(t).URL(), Config{})
	b.chunk = 100
	ctx := t.Context()
	q := task.WithPort(ctx, b)
	head := func(key string) string { return b.prefixes[0] + "data:" + key }
	whole, small := bytes.Repeat([]byte("0123456789"), 35), []byte("small") // four chunks, the last one half
	for what, damage := range map[string]func(blob string) error{
		"a chunk in the middle is gone": func(blob string) error { return b.rdb.HDel(ctx, blob, "1").Err() },
		"the last chunk is gone":        func(blob string) error { return b.rdb.HDel(ctx, blob, "3").Err() },
		"all chunks are gone":           func(blob string) error { return b.rdb.Del(ctx, blob).Err() },
		"a byte is another":             func(blob string) error { return b.rdb.HSet(ctx, blob, "2", strings.Repeat("x", 100)).Err() },
		"a chunk is cut short":          func(blob string) error { return b.rdb.HSet(ctx, blob, "3", whole[300:349]).Err() },
		"a chunk is empty":              func(blob string) error { return b.rdb.HSet(ctx, blob, "1", "").Err() },
		"a chunk is too long":           func(blob string) error { return b.rdb.HSet(ctx, blob, "3", whole).Err() },
		"chunks are of another type":    func(blob string) error { return b.rdb.Set(ctx, blob, "x", 0).Err() },
		"the key has no digest":         func(string) error { return b.rdb.HDel(ctx, head("large"), "i").Err() },
		"the key has half a digest":     func(string) error { return b.rdb.HSet(ctx, head("large"), "i", "half").Err() },
		"the key says it has no chunks": func(string) error { return b.rdb.HSet(ctx, head("large"), "i", (&dataHead{size: 350}).info()).Err() },
		"the key has a monstrous size": func(string) error {
			return b.rdb.HSet(ctx, head("large"), "i", (&dataHead{size: 1 << 60}).info()).Err()
		},
		"the key is of another type":     func(string) error { return b.rdb.Set(ctx, head("large"), "x", 0).Err() },
		"the key has no generation":      func(string) error { return b.rdb.HDel(ctx, head("large"), "g").Err() },
		"the bytes that it has are gone": func(string) error { return b.rdb.HDel(ctx, head("large"), "c").Err() },
	} {
		must(t, b.rdb.Del(ctx, head("large")).Err())
		for _, k := range blobsOf(t, b) {
			must(t, b.rdb.Del(ctx, k).Err())
		}
		_, err := task.Store(q, whole, task.Key("large"))
		must(t, err)
		must(t, damage(blobsOf(t, b)[0]))
		got, err := task.Fetch(q, "large")
		wantErr(t, what+": Fetch", err, task.ErrDamaged)
		if got != nil {
			t.Errorf("%s: Fetch returned %d bytes", what, len(got))
		}
	}
	_, err := task.Store(q, small, task.Key("small"))
	must(t, err)
	must(t, b.rdb.HSet(ctx, head("small"), "c", "smalL").Err())
	_, err = task.Fetch(q, "small")
	wantErr(t, "Fetch of a small one with another byte", err, task.ErrDamaged)
	must(t, task.DeleteData(q, "small"))
	_, err = task.Store(q, small, task.Key("small")) // and can be replaced
	must(t, err)
	_, err = task.Fetch(q, "small")
	must(t, err)
}

func TestNothingIsLeftOfDataThatWasReplacedOrRemoved(t *testing.T) {
	t.Parallel()
	b := open(t, redistest.Shared(t).URL(), Config{})
	b.chunk = 10
	ctx := t.Context()
	q := task.WithPort(ctx, b)
	for _, data := range []string{strings.Repeat("a", 100), strings.Repeat("b", 25), "small"} {
		_, err := task.Store(q, []byte(data), task.Key("k"))
		must(t, err)
		want := 0
		if len(data) > 10 {
			want = 1
		}
		if got := blobsOf(t, b); len(got) != want {
			t.Errorf("after %d bytes were stored there are chunks in %q, want %d keys", len(data), got, want)
		}
	}
	_, err := task.Store(q, make([]byte, 100), task.Key("k"), task.Expire(task.Forever))
	must(t, err)
	if ttl := b.rdb.PTTL(ctx, blobsOf(t, b)[0]).Val(); ttl >= 0 {
		t.Errorf("chunks of data that is kept for ever expire in %v", ttl)
	}
	must(t, task.DeleteData(q, "k"))
	w, err := task.CreateData(q, task.Key("k"))
	must(t, err)
	_, err = w.Write(make([]byte, 100))
	must(t, err)
	w.Abort()
	blobs := blobsOf(t, b)
	if len(blobs) != 1 {
		t.Fatalf("an abandoned writer leaves chunks in %q, want one key", blobs)
	}
	if ttl := b.rdb.PTTL(ctx, blobs[0]).Val(); ttl <= 0 || ttl > abandonAfter {
		t.Errorf("chunks of an abandoned writer expire in %v, want within %v", ttl, abandonAfter)
	}
	for _, k := range keysOf(t, b) {
		if strings.HasPrefix(k, "data:") {
			t.Errorf("%q is left", k)
		}
	}
	if other := b.rdb.Keys(ctx, "*"+b.cfg.Namespace+"*").Val(); len(other) != len(keysOf(t, b))+1 { // and meta
		t.Errorf("keys outside of the partition: %q", other)
	}
}

func TestChunksThatAreGoneBeforeTheyAreKeptAreNotKept(t *testing.T) {
	t.Parallel()
	b := open(t, redistest.Shared(t).URL(), Config{})
	b.chunk = 10
	ctx := t.Context()
	q := task.WithPort(ctx, b)
	_, err := task.Store(q, []byte("old"), task.Key("k"))
	must(t, err)
	w, err := task.CreateData(q, task.Key("k"))
	must(t, err)
	_, err = w.Write(make([]byte, 35))
	must(t, err)
	must(t, b.rdb.HDel(ctx, blobsOf(t, b)[0], "0").Err())
	err = w.Close()
	wantErr(t, "Close", err, task.ErrUnavailable)
	if !strings.Contains(err.Error(), "store it again") {
		t.Errorf("Close does not say what to do: %v", err)
	}
	if got, err := task.Fetch(q, "k"); err != nil || string(got) != "old" {
		t.Errorf("then there is %q, %v; want the old data", got, err)
	}
}

// TestAChunkThatComesLateAndAgainChangesNothing: the reply to a chunk was lost, it was
// sent again, and the first one comes when all is kept.
func TestAChunkThatComesLateAndAgainChangesNothing(t *testing.T) {
	t.Parallel()
	b := open(t, redistest.Shared(t).URL(), Config{})
	b.chunk = 10
	ctx := t.Context()
	q := task.WithPort(ctx, b)
	for _, o := range []task.StoreOption{task.Expire(task.Forever), task.Expire(100 * abandonAfter)} {
		_, err := task.Store(q, []byte("0123456789abcde"), task.Key("k"), o)
		must(t, err)
		blob := blobsOf(t, b)[0]
		before := b.rdb.PTTL(ctx, blob).Val()
		_, err = b.ask(ctx, b.scripts.chunk, 0, strings.TrimPrefix(blob, b.prefixes[0]+"blob:"), 0, "0123456789", abandonAfter.Milliseconds())
		must(t, err)
		if after := b.rdb.PTTL(ctx, blob).Val(); before < 0 && after >= 0 || after < before-soon {
			t.Errorf("the chunks expire in %v, before it was %v", after, before)
		}
	}
}

func TestDataOverTheLimitIsRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	b := open(t, redistest.Shared(t).URL(), Config{MaxStored: 1000})
	b.chunk = 100
	q := task.WithPort(t.Context(), b)
	_, err := task.Store(q, make([]byte, 1000))
	must(t, err)
	before := len(blobsOf(t, b))
	_, err = task.Store(q, make([]byte, 1001))
	wantErr(t, "Store of a byte too many", err, task.ErrTooLarge)
	if !strings.Contains(err.Error(), "MaxStored") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	if after := len(blobsOf(t, b)); after != before {
		t.Errorf("chunks of what was refused are there")
	}
	w, err := task.CreateData(q, task.Key("k"))
	must(t, err)
	_, err = w.Write(make([]byte, 999))
	must(t, err)
	_, err = w.Write(make([]byte, 2))
	wantErr(t, "Write over the limit", err, task.ErrTooLarge)
	wantErr(t, "Close after it", w.Close(), task.ErrTooLarge)
	_, err = task.Fetch(q, "k")
	wantErr(t, "Fetch of what was refused", err, task.ErrUnknown)
	for _, n := range []int{-1, MaxStored + 1} {
		if err := (Config{MaxStored: n}).withDefaults(false).validate(); err == nil || !strings.Contains(err.Error(), "MaxStored") {
			t.Errorf("MaxStored %d: %v", n, err)
		}
	}
}

// TestDataGoesInSmallSteps: while Redis copies a long command or answer, it serves
// nobody else.
func TestDataGoesInSmallSteps(t *testing.T) {
	t.Parallel()
	proxy := redistest.StartProxy(t, redistest.Start(t).Addr())
	b := open(t, proxy.URL(), Config{})
	longest := make(chan int, 1)
	longest <- 0
	proxy.SetFault(func(_ int64, cmd redistest.Command) redistest.Mode {
		n := 0
		for _, a := range cmd.Args {
			n += len(a)
		}
		longest <- max(n, <-longest)
		return redistest.Pass
	})
	q := task.WithPort(t.Context(), b)
	data := make([]byte, 9<<20+1)
	_, err := task.Store(q, data, task.Key("k"))
	must(t, err)
	if n := <-longest; n < dataChunk || n > dataChunk+1000 {
		t.Errorf("the longest command has %d bytes of arguments, want about %d", n, dataChunk)
	} else {
		longest <- 0
	}
	got, err := task.Fetch(q, "k")
	must(t, err)
	if !bytes.Equal(got, data) {
		t.Errorf("fetched %d bytes, stored %d", len(got), len(data))
	}
	for _, size := range []int{0, 100, dataChunk} { // and little data in one
		var names []string
		proxy.SetFault(func(_ int64, cmd redistest.Command) redistest.Mode {
			names = append(names, cmd.Name)
			return redistest.Pass
		})
		_, err := task.Store(q, data[:size], task.Key("k"))
		must(t, err)
		_, err = task.Fetch(q, "k")
		must(t, err)
		if len(names) > 3 { // one may be of the background, or load the script
			t.Errorf("to store %d bytes and to fetch them took %v", size, names)
		}
	}
}

func TestAnswersWithDataAreBounded(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL(), Config{})
	q := task.WithPort(t.Context(), b)
	_, err := task.Store(q, make([]byte, 7<<20), task.Key("k"))
	must(t, err)
	_, err = task.Fetch(q, "k")
	must(t, err)
	most, err := strconv.Atoi(parseInfo(do(t, s, "INFO", "clients").(string))["client_recent_max_output_buffer"])
	must(t, err)
	if most > 3*dataChunk {
		t.Errorf("the longest answer had %d bytes, want about %d", most, dataChunk)
	}
}

func TestFullRedisRefusesDataAndKeepsTheOld(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL(), Config{RetryFor: soon})
	b.chunk = 10
	q := task.WithPort(t.Context(), b)
	_, err := task.Store(q, []byte("old"), task.Key("k"))
	must(t, err)
	do(t, s, "CONFIG", "SET", "maxmemory", "1")
	for _, n := range []int{5, 50} {
		_, err = task.Store(q, make([]byte, n), task.Key("k"))
		wantErr(t, fmt.Sprintf("Store %d bytes when Redis is full", n), err, task.ErrFull)
	}
	if got, err := task.Fetch(q, "k"); err != nil || string(got) != "old" {
		t.Errorf("then there is %q, %v; want the old data", got, err)
	}
	must(t, task.DeleteData(q, "k")) // which makes room
}
