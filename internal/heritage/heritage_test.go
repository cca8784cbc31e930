package heritage_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/reaper"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

func TestMain(m *testing.M) { os.Exit(redistest.Main(m)) }

// patience is how long a test waits for what must happen.
const patience = time.Minute

// rig is a queue of its own, as a program sees it.
type rig struct {
	*testing.T
	b *broker.Broker
	q context.Context
}

func newRig(t *testing.T) *rig {
	t.Helper()
	t.Parallel()
	return rigAt(t, "embedded://", "mlq")
}

func rigAt(t *testing.T, url, namespace string) *rig {
	t.Helper()
	b, err := broker.Open(t.Context(), url, broker.Config{Namespace: namespace, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	q, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return &rig{t, b, runtime.NewClient(b).With(q)}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// work starts a worker that ends with the test, and before if it is stopped.
func (r *rig) work(c runtime.Config, hs ...task.Handler) (*runtime.Worker, <-chan error) {
	r.Helper()
	c.Logger = quiet()
	w, err := runtime.NewWorker(r.b, c, hs...)
	r.must(err)
	ctx, stop := context.WithCancel(context.WithoutCancel(r.q))
	ended, out := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(ended)
		out <- w.Run(ctx)
	}()
	r.Cleanup(func() {
		stop()
		<-ended
	})
	return w, out
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// post posts a message without a type.
func (r *rig) post(text string, functions ...string) task.ID {
	r.Helper()
	payload, err := task.JSON([]byte(text))
	r.must(err)
	ids, err := task.PostMany(r.q, []task.Call{task.Message(payload, functions)})
	r.must(err)
	return ids[0]
}

// says waits for the result of a job.
func says[T comparable](r *rig, id task.ID, want T) {
	r.Helper()
	if got, err := task.At[T](r.q, id).Wait(r.q); err != nil || got != want {
		r.Errorf("job %v gave %v, %v; want %v", id, got, err, want)
	}
}

// named returns a function that says its name and what it was given.
func named(name string, opts ...task.DefineOption) task.Handler {
	return task.Define(name, task.Plain(func(_ context.Context, s string) (string, error) { return name + " " + s, nil }), opts...)
}

func TestPostAMessageForFunctions(t *testing.T) {
	r := newRig(t)
	r.work(runtime.Config{}, named("one"), named("two"), named("all", task.Listener()))
	says(r, r.post(`"m"`, "one"), "one m")
	says(r, r.post(`"m"`, "one", "two"), "two m") // in this order, the last one's result
	says(r, r.post(`"m"`), "all m")               // without a filter: the listeners
}

func TestFIFOPerQueue(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	var came []int
	note := task.Define("note", task.Action(func(_ task.Context, n int) error {
		mu.Lock()
		defer mu.Unlock()
		came = append(came, n)
		return nil
	}))
	var want []int
	for i := range 50 {
		_, err := note.Post(r.q, i)
		r.must(err)
		want = append(want, i)
	}
	r.work(runtime.Config{Slots: 1}, note)
	r.must(r.b.WaitIdle(r.q))
	if !slices.Equal(came, want) {
		t.Errorf("they came as %v", came)
	}
}

func TestGetJobResultProgressShortAndLongResult(t *testing.T) {
	r := newRig(t)
	half, goOn := make(chan bool), make(chan bool)
	job := task.Define("job", func(ctx task.Context, s string) (string, error) {
		err := errors.Join(ctx.UpdateProgress(50), ctx.SetShortResult("short"))
		half <- true
		<-goOn
		return "long " + s, err
	})
	r.work(runtime.Config{}, job)
	h, err := job.Post(r.q, "m")
	r.must(err)
	<-half
	if state, percent, err := h.Progress(r.q); err != nil || state != task.Running || percent != 50 {
		t.Errorf("half-way it is %v, %v %%, %v", state, percent, err)
	}
	goOn <- true
	says(r, h.ID(), "long m")
	rec, err := h.Record(r.q)
	r.must(err)
	var in, out string
	r.must(errors.Join(rec.Payload.Decode(&in), rec.Result.Decode(&out)))
	if rec.State != task.Succeeded || rec.ShortResult != "short" || in != "m" || out != "long m" || rec.Started.IsZero() || rec.Finished.Before(rec.Started) {
		t.Errorf("the record is %+v", rec)
	}
}

func TestAnyMessageAndBinaryResults(t *testing.T) {
	type message struct {
		N     int64             `json:"n"`
		Empty []string          `json:"empty"`
		Map   map[string]any    `json:"map"`
		Bytes []byte            `json:"bytes"`
		Nil   *int              `json:"nil"`
		Deep  map[string][]int8 `json:"deep"`
	}
	r := newRig(t)
	echo := task.Define("echo", task.Plain(func(_ context.Context, m message) (string, error) { return fmt.Sprintf("%+v", m), nil }))
	raw := task.Define("raw", task.Plain(func(_ context.Context, b []byte) ([]byte, error) { return append(b, 0), nil }))
	r.work(runtime.Config{}, echo, raw)
	m := message{N: 1<<53 + 1, Empty: []string{}, Map: map[string]any{"a": "b"}, Bytes: []byte{0, 255}, Deep: map[string][]int8{"x": {-1}}}
	if got, err := echo.Do(r.q, m); err != nil || got != fmt.Sprintf("%+v", m) {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := raw.Do(r.q, []byte{1, 255}); err != nil || !slices.Equal(got, []byte{1, 255, 0}) {
		t.Errorf("got %v, %v", got, err)
	}
	says(r, r.post(`{"n": 9007199254740993, "empty": [], "bytes": "AP8="}`, "echo"),
		fmt.Sprintf("%+v", message{N: 1<<53 + 1, Empty: []string{}, Bytes: []byte{0, 255}}))
}

// lose lets a worker claim n jobs of the function f, and die.
func (r *rig) lose(n int) {
	r.Helper()
	id, err := r.b.Join(r.q, task.Worker{Name: "dies", Queues: []string{task.DefaultQueue}, Functions: []string{"f"}, LeaseTTL: 100 * time.Millisecond}, func(task.Signal) {})
	r.must(err)
	got, err := r.b.Exchange(r.q, task.Exchange{Session: id, Number: 1, Want: n})
	r.must(err)
	if len(got.Jobs) != n {
		r.Fatalf("claimed %d jobs, want %d", len(got.Jobs), n)
	}
}

func TestAClaimedJobIsNeverLost(t *testing.T) {
	r := newRig(t)
	id := r.post(`"m"`, "f")
	r.lose(1)
	r.work(runtime.Config{}, named("f"))
	says(r, id, "f m")
	rec, err := task.At[string](r.q, id).Record(r.q)
	if err != nil || rec.Losses != 1 || rec.Attempt != 1 {
		t.Errorf("the record is %+v, %v", rec, err)
	}
}

// The reaper of MLQ looked at the first few jobs only, and dropped the record of those it
// gave up.
func TestTheReaperLooksAtAllJobsAndKeepsTheirRecords(t *testing.T) {
	r := newRig(t)
	const n = 100
	var ids []task.ID
	for range n {
		ids = append(ids, r.post(`"m"`, "f"))
	}
	r.lose(n)
	reap, err := reaper.New(r.b, reaper.Config{Logger: quiet()})
	r.must(err)
	ctx, stop := context.WithCancel(context.WithoutCancel(r.q))
	done := make(chan error)
	go func() { done <- reap.Run(ctx) }()
	r.work(runtime.Config{NoTick: true}, named("f"))
	for _, id := range ids {
		says(r, id, "f m")
	}
	stop()
	r.must(<-done)
	recs, err := r.b.Read(r.q, ids)
	r.must(err)
	for _, rec := range recs {
		if rec.Losses != 1 {
			t.Errorf("%v has %d losses, want 1", rec.ID, rec.Losses)
		}
	}
}

func TestDeadLettersKeepTheMessageAndTheFailures(t *testing.T) {
	r := newRig(t)
	broken := task.Define("broken", task.Action(func(task.Context, string) error { return errors.New("out of paper") }), task.MaxAttempts(2), task.Backoff(1, 1))
	r.work(runtime.Config{}, broken)
	h, err := broken.Post(r.q, "m")
	r.must(err)
	if _, err := h.Wait(r.q); !errors.Is(err, task.ErrFailed) || !strings.Contains(err.Error(), "out of paper") {
		t.Errorf("Wait: %v", err)
	}
	page, err := r.b.DeadLetters(r.q, broker.DeadQuery{})
	r.must(err)
	if len(page.Records) != 1 || len(page.Records[0].Failures) != 2 {
		t.Fatalf("the dead letters are %+v", page.Records)
	}
	var in string
	if err := page.Records[0].Payload.Decode(&in); err != nil || in != "m" {
		t.Errorf("the message is %q, %v", in, err)
	}
}

func TestJobCount(t *testing.T) {
	r := newRig(t)
	for range 3 {
		r.post(`"m"`, "f")
	}
	if c, err := r.b.Counts(r.q); err != nil || c.Live() != 3 {
		t.Errorf("%d jobs are queued or running, %v; want 3", c.Live(), err)
	}
	r.work(runtime.Config{}, named("f"))
	r.must(r.b.WaitIdle(r.q))
	if c, err := r.b.Counts(r.q); err != nil || c.Live() != 0 || c[task.Succeeded] != 3 {
		t.Errorf("the counts are %v, %v", c, err)
	}
}

func TestListenersAreAddedAndRemovedAtRunTimeUniqueByName(t *testing.T) {
	r := newRig(t)
	w, _ := r.work(runtime.Config{}, named("first", task.Listener()))
	says(r, r.post(`"m"`), "first m")
	r.must(w.Add(r.q, named("second", task.Listener())))
	if err := w.Add(r.q, named("second")); !errors.Is(err, task.ErrInvalid) {
		t.Errorf("a name that is taken: %v", err)
	}
	says(r, r.post(`"m"`), "second m") // in order of registration; the last one's result
	r.must(w.Remove(r.q, "second"))
	says(r, r.post(`"m"`), "first m")
}

// Progress of MLQ was read, changed and written back: one of two was lost.
func TestProgressAndShortResultDoNotOverwriteEachOther(t *testing.T) {
	r := newRig(t)
	job := task.Define("job", task.Action(func(ctx task.Context, _ int) error {
		var wg sync.WaitGroup
		errs := make([]error, 3)
		wg.Go(func() { errs[0] = ctx.UpdateProgress(75, "nearly") })
		wg.Go(func() { errs[1] = ctx.SetShortResult("short") })
		wg.Go(func() { errs[2] = task.Checkpoint(ctx, 7) })
		wg.Wait()
		return errors.Join(errs...)
	}))
	r.work(runtime.Config{}, job)
	h, err := job.Post(r.q, 0)
	r.must(err)
	_, err = h.Wait(r.q)
	r.must(err)
	if rec, err := h.Record(r.q); err != nil || rec.Progress != 100 || rec.Note != "nearly" || rec.ShortResult != "short" {
		t.Errorf("the record is %+v, %v", rec, err)
	}
}

// Keys of MLQ's stored data lay outside of the namespace.
func TestStoreAndFetchDataWithKeyAndExpiryWithinTheNamespace(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	r, other := rigAt(t, url, "one"), rigAt(t, url, "two")
	keep := task.Define("keep", func(ctx task.Context, s string) (string, error) {
		key, err := ctx.StoreData([]byte(s), task.Key("k"), task.Expire(time.Hour))
		if err != nil {
			return "", err
		}
		made, err := ctx.StoreData([]byte("without a key"))
		if err != nil || made == key {
			return "", errors.Join(err, errors.New("no key of its own was made"))
		}
		b, err := ctx.FetchData(key)
		return string(b), err
	})
	r.work(runtime.Config{}, keep)
	if got, err := keep.Do(r.q, "data"); err != nil || got != "data" {
		t.Errorf("got %q, %v", got, err)
	}
	if b, err := task.Fetch(r.q, "k"); err != nil || string(b) != "data" {
		t.Errorf("fetched %q, %v", b, err)
	}
	if _, err := task.Fetch(other.q, "k"); !errors.Is(err, task.ErrUnknown) {
		t.Errorf("another namespace: %v", err)
	}
}

func TestPostFromInsideAndBlockUntilResult(t *testing.T) {
	r := newRig(t)
	inner := task.Define("inner", task.Plain(func(_ context.Context, n int) (int, error) { return 2 * n, nil }))
	outer := task.Define("outer", func(ctx task.Context, n int) (int, error) {
		id, err := ctx.Post(inner.Call(n))
		if err != nil {
			return 0, err
		}
		var got int
		err = ctx.BlockUntilResult(id, &got)
		return got + 1, err
	})
	r.work(runtime.Config{Slots: 1}, inner, outer) // one slot: it is given back meanwhile
	if got, err := outer.Do(r.q, 20); err != nil || got != 41 {
		t.Errorf("got %d, %v", got, err)
	}
}

func TestWorkerIdentityAndFullMessageInside(t *testing.T) {
	r := newRig(t)
	who := task.Define("who", func(ctx task.Context, s string) (string, error) {
		j := ctx.Job()
		if j.ID.IsZero() || len(j.Payload.Bytes) == 0 {
			return "", task.Permanent(fmt.Errorf("the message is %+v", j))
		}
		return fmt.Sprintf("%v %d %s %s by %v", j.Functions, j.Attempt, j.Spec.Headers["k"], s, j.Lease.Session), nil
	})
	r.work(runtime.Config{Name: "w1"}, who)
	h, err := who.Post(r.q, "m", task.Header("k", "v"))
	r.must(err)
	got, err := h.Wait(r.q)
	r.must(err)
	rec, err := h.Record(r.q)
	r.must(err)
	if want := "[who] 1 v m by " + rec.Worker; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if ws, err := r.b.Workers(r.q); err != nil || len(ws) != 1 || ws[0].Name != "w1" || ws[0].Session.String() != rec.Worker {
		t.Errorf("the workers are %+v, %v", ws, err)
	}
}

// Waits of MLQ missed results that came before they subscribed, had no time-out and
// never heard of failures.
func TestWaitsMissNothingHearOfFailuresAndHaveATimeOut(t *testing.T) {
	r := newRig(t)
	broken := task.Define("broken", task.Action(func(task.Context, int) error { return task.Permanent(errors.New("broken")) }))
	r.work(runtime.Config{}, named("f"), broken)
	id := r.post(`"m"`, "f")
	r.must(r.b.WaitIdle(r.q))
	says(r, id, "f m") // it was there before
	if _, err := broken.Do(r.q, 0); !errors.Is(err, task.ErrFailed) {
		t.Errorf("a failure: %v", err)
	}
	short, cancel := context.WithTimeout(r.q, 50*time.Millisecond)
	defer cancel()
	if _, err := task.At[string](r.q, r.post(`"m"`, "nobody")).Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a wait that ends: %v", err)
	}
}

func TestClearAll(t *testing.T) {
	r := newRig(t)
	id := r.post(`"m"`, "f")
	if n, err := r.b.Clear(r.q, broker.ClearConfig{}); err != nil || n == 0 {
		t.Errorf("cleared %d keys, %v", n, err)
	}
	if _, err := task.At[string](r.q, id).Record(r.q); !errors.Is(err, task.ErrUnknown) {
		t.Errorf("after that: %v", err)
	}
}

func TestShutdownOfAWorkerByMessage(t *testing.T) {
	r := newRig(t)
	begun, goOn := make(chan bool), make(chan bool)
	slow := task.Define("slow", task.Plain(func(context.Context, int) (int, error) {
		begun <- true
		<-goOn
		return 1, nil
	}))
	_, done := r.work(runtime.Config{Name: "w1"}, slow)
	h, err := slow.Post(r.q, 0)
	r.must(err)
	<-begun
	if n, err := r.b.Shutdown(r.q, "w1"); err != nil || n != 1 {
		t.Fatalf("asked %d workers, %v", n, err)
	}
	close(goOn)
	says(r, h.ID(), 1) // what runs ends
	r.must(<-done)
}

func TestResultsAreKeptForEver(t *testing.T) {
	r := newRig(t)
	f := task.Define("f", task.Plain(func(_ context.Context, n int) (int, error) { return n, nil }), task.Retention(task.Forever))
	r.work(runtime.Config{}, f)
	h, err := f.Post(r.q, 1)
	r.must(err)
	says(r, h.ID(), 1)
	if h.ID().Class() != task.ClassFor(task.Forever) {
		t.Errorf("its class is %v", h.ID().Class())
	}
}
