package sealed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/sealed"
	"github.com/gomlq/mlq/task"
)

// spy looks for what must not be seen in all that is sent to a broker.
type spy struct {
	*broker.Broker
	mu   sync.Mutex
	seen []string
	sent int
}

const marker = "opensesame"

func (s *spy) look(what string, v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent++
	if strings.Contains(fmt.Sprintf("%s", v), marker) { // bytes as text
		s.seen = append(s.seen, what)
	}
}

func (s *spy) Post(ctx context.Context, calls []task.Call) ([]task.ID, error) {
	for i := range calls {
		s.look("a payload", calls[i].Payload.Bytes)
	}
	return s.Broker.Post(ctx, calls)
}

func (s *spy) Submit(ctx context.Context, p task.Plan) (task.RunID, error) {
	for i := range p.Nodes {
		s.look("a node's payload", p.Nodes[i].Payload.Bytes)
		if m := p.Nodes[i].Map; m != nil {
			s.look("a list", m.Over)
		}
	}
	for i := range p.OnExit {
		s.look("an exit job's payload", p.OnExit[i].Payload.Bytes)
	}
	return s.Broker.Submit(ctx, p)
}

func (s *spy) Note(ctx context.Context, l task.Lease, n task.Note) error {
	if n.Checkpoint != nil {
		s.look("a checkpoint", n.Checkpoint.Bytes)
	}
	return s.Broker.Note(ctx, l, n)
}

func (s *spy) Exchange(ctx context.Context, x task.Exchange) (task.Exchanged, error) {
	for i := range x.Done {
		s.look("a result", x.Done[i].Result.Bytes)
	}
	return s.Broker.Exchange(ctx, x)
}

func (s *spy) Spread(ctx context.Context, l task.Lease, elements [][]byte) (int, error) {
	s.look("an element", bytes.Join(elements, nil))
	return s.Broker.Spread(ctx, l, elements)
}

var (
	shout  = task.Define("shout", func(_ task.Context, s string) (string, error) { return s + "!", nil })
	length = task.Define("length", func(_ task.Context, s string) (int, error) { return len(s), nil })
	words  = task.Define("words", func(_ task.Context, n int) ([]string, error) {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprint(marker, i, strings.Repeat(" ", i*30))
		}
		return out, nil
	})
	total = task.Define("total", func(_ task.Context, ns []string) (int, error) { return len(strings.Join(ns, "")), nil })
	both  = task.Define("both", func(ctx task.Context, in pair) (string, error) {
		a, err := in.A.Get(ctx)
		if err != nil {
			return "", err
		}
		b, err := in.B.Get(ctx)
		return a + b, err
	})
	saves = task.Define("saves", func(ctx task.Context, _ int) (string, error) {
		at, ok, err := task.LastCheckpoint[string](ctx)
		if err != nil || ok {
			return at, err
		}
		return "", errors.Join(task.Checkpoint(ctx, marker), task.RetryAfter(errors.New("not yet"), 1))
	})
	yes    = task.Define("yes", func(task.Context, string) (bool, error) { return true, nil })
	nested = task.Define("nested", func(ctx task.Context, s string) (string, error) { return shout.Do(ctx, s+marker) })
	zipped = task.Define("zipped", func(_ task.Context, p task.Pair[string, string]) (string, error) { return p.First + p.Second, nil })
)

type pair struct{ A, B task.Ref[string] }

var all = []task.Handler{shout, length, words, total, both, yes, nested, saves, zipped}

func key(n byte) sealed.Key {
	return sealed.Key{ID: fmt.Sprint("k", n), Secret: bytes.Repeat([]byte{n}, sealed.SecretLen)}
}

func open(t *testing.T) *spy {
	t.Helper()
	b, err := broker.Open(t.Context(), "embedded://", broker.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return &spy{Broker: b}
}

// wrap returns a queue with keys, and its log.
func wrap(t *testing.T, b sealed.Broker, strict bool, keys ...sealed.Key) (*sealed.Queue, *bytes.Buffer) {
	t.Helper()
	log := new(bytes.Buffer)
	q, err := sealed.Wrap(b, sealed.Config{Keys: keys, Strict: strict, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return q, log
}

// work runs a worker until the function that it returns is called, or t ends.
func work(t *testing.T, b runtime.Broker, hs ...task.Handler) (stop func()) {
	t.Helper()
	w, err := runtime.NewWorker(b, runtime.Config{Slots: 8, Logger: slog.New(slog.DiscardHandler)}, hs...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestNothingIsStoredInPlain(t *testing.T) {
	t.Parallel()
	b := open(t)
	s, _ := wrap(t, b, true, key(1))
	work(t, s, all...)
	q := runtime.NewClient(s).With(t.Context())

	if got, err := nested.Do(q, marker); got != marker+marker+"!" || err != nil {
		t.Errorf("Do: got %q, %v", got, err)
	}
	h, err := shout.Post(q, marker)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.Wait(q); got != marker+"!" || err != nil {
		t.Errorf("Wait: got %q, %v", got, err)
	}
	r, err := h.Record(q)
	var in, out string
	if err = errors.Join(err, r.Payload.Decode(&in), r.Result.Decode(&out)); in != marker || out != marker+"!" || err != nil {
		t.Errorf("Record: got %q, %q, %v", in, out, err)
	}
	if got, err := saves.Do(q, 1); got != marker || err != nil {
		t.Errorf("a job that goes on from its checkpoint: got %q, %v", got, err)
	}
	testGraph(q, t)
	if len(b.seen) > 0 || b.sent < 40 {
		t.Errorf("of %d pieces of data these could be read: %q", b.sent, b.seen)
	}
}

// testGraph runs a graph with edges of every kind.
func testGraph(q context.Context, t *testing.T) {
	t.Helper()
	g := graph.New("sealed")
	a := graph.Add(g, shout, marker)
	c := graph.Then(g, shout, a)
	ab := graph.Add(g, both, pair{a, task.Value(marker)})
	list := graph.Add(g, words, 20)
	louder := graph.Map(g, shout, list)
	again := graph.Map(g, shout, louder) // over the results of a map
	sum := graph.Then(g, total, again)
	carried := graph.Map(g, length, task.Value([]string{marker, ""}))
	zip := graph.Map(g, zipped, task.Zip(list, louder))
	cond := graph.Add(g, yes, marker)
	chosen := graph.Add(g, shout, "yes", graph.When(cond))
	graph.OnExit(g, shout, marker)
	run, err := g.Submit(q)
	if err != nil {
		t.Fatal(err)
	}
	check(q, t, run, c, marker+"!!")
	check(q, t, run, ab, marker+"!"+marker)
	check(q, t, run, sum, func() int {
		n := 0
		for i := range 20 {
			n += len(fmt.Sprint(marker, i)) + 30*i + 2
		}
		return n
	}())
	check(q, t, run, chosen, "yes!")
	lengths, err := task.Get(q, run, carried)
	if fmt.Sprint(lengths) != "[10 0]" || err != nil {
		t.Errorf("a list that is carried along: got %v, %v, want [10 0]", lengths, err)
	}
	if err := run.Wait(q); err != nil {
		t.Error(err)
	}
	rec, err := run.Record(q)
	if err != nil || len(rec.Exits) != 1 {
		t.Fatalf("the exit jobs are %v, %v", rec.Exits, err)
	}
	if got, err := task.At[string](q, rec.Exits[0]).Wait(q); got != marker+"!" || err != nil {
		t.Errorf("the exit job: got %q, %v", got, err)
	}
	pairs, err := task.Get(q, run, zip)
	if len(pairs) != 20 || err != nil || pairs[0] != marker+"0"+marker+"0!" {
		t.Errorf("pairs: got %d, %v", len(pairs), err)
	}
}

func check[T comparable](q context.Context, t *testing.T, run task.Run, ref task.Ref[T], want T) {
	t.Helper()
	if got, err := task.Get(q, run, ref); got != want || err != nil {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestAnIdempotentCallIsTheSameAfterARotation(t *testing.T) {
	t.Parallel()
	b := open(t)
	before, _ := wrap(t, b, true, key(1))
	after, _ := wrap(t, b, true, key(2), key(1))
	without, _ := wrap(t, b, true, key(2))
	post := func(q *sealed.Queue, s string) (task.ID, error) {
		h, err := shout.Post(runtime.NewClient(q).With(t.Context()), s, task.IdempotencyKey("once"))
		return h.ID(), err
	}
	id, err := post(before, "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []*sealed.Queue{before, after} {
		if again, err := post(q, "x"); again != id || err != nil {
			t.Errorf("the same call: got %v, %v, want %v", again, err, id)
		}
		if _, err := post(q, "y"); !errors.Is(err, task.ErrConflict) {
			t.Errorf("another payload: got %v, want %v", err, task.ErrConflict)
		}
	}
	if _, err := post(without, "x"); !errors.Is(err, task.ErrConflict) {
		t.Errorf("without the old key: got %v, want %v", err, task.ErrConflict)
	}
}

func TestAJobWhoseKeyIsMissingWaitsForAWorkerThatHasIt(t *testing.T) {
	t.Parallel()
	b := open(t)
	renewed, _ := wrap(t, b, false, key(2), key(1))
	old, log := wrap(t, b, false, key(1))
	q := runtime.NewClient(renewed).With(t.Context())
	stop := work(t, old, shout)
	hs, err := shout.PostMany(q, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hs {
		for {
			r, err := h.Record(q)
			if err != nil {
				t.Fatal(err)
			}
			if r.State.Terminal() {
				t.Fatalf("got %v, want it to wait", r.State)
			}
			if r.State == task.Scheduled {
				if len(r.Failures) > 0 || r.Attempt > 1 {
					t.Errorf("got attempt %d after %d failures, want none spent", r.Attempt, len(r.Failures))
				}
				break
			}
		}
	}
	stop()
	if n := strings.Count(log.String(), "a key is missing"); n != 1 || !strings.Contains(log.String(), "key=k2") {
		t.Errorf("got %d complaints, want one about k2:\n%s", n, log.String())
	}
	// A client without the key is told which one it is.
	h, err := shout.Post(q, "c")
	if err != nil {
		t.Fatal(err)
	}
	work(t, renewed, shout)
	if _, err := h.Wait(q); err != nil {
		t.Fatal(err)
	}
	poor := runtime.NewClient(old).With(t.Context())
	_, err = task.At[string](poor, h.ID()).Wait(poor)
	if ke, ok := errors.AsType[*sealed.KeyError](err); !ok || ke.Key != "k2" || !strings.Contains(err.Error(), h.ID().String()) {
		t.Errorf("a client without the key: got %v, want a KeyError about k2 and the job", err)
	}
	r, err := task.At[string](poor, h.ID()).Record(poor)
	if err != nil || r.State != task.Succeeded || r.Result.Codec != task.CodecSealed {
		t.Errorf("its record: got %v, codec %q, %v, want succeeded, and the result as it is stored", r.State, r.Result.Codec, err)
	}
	bare := runtime.NewClient(b).With(t.Context())
	if _, err := task.At[string](bare, h.ID()).Wait(bare); !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), "package sealed") {
		t.Errorf("a client that knows nothing of seals: got %v, want one that names the package", err)
	}
}

func TestAPayloadThatWasMovedFailsForGood(t *testing.T) {
	t.Parallel()
	b := open(t)
	s, _ := wrap(t, b, true, key(1))
	work(t, s, shout, length)
	q := runtime.NewClient(s).With(t.Context())
	h, err := shout.Post(q, "mine")
	if err != nil {
		t.Fatal(err)
	}
	records, err := b.Read(t.Context(), []task.ID{h.ID()})
	if err != nil {
		t.Fatal(err)
	}
	moved := length.Call("")
	moved.Payload = records[0].Payload
	plain := length.Call("plain")
	ids, err := b.Broker.Post(t.Context(), []task.Call{moved, plain})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"belong to another job", "not sealed"} {
		_, err := task.At[int](q, ids[i]).Wait(q)
		if !errors.Is(err, task.ErrFailed) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it failed: %s", err, want)
		}
	}
}

func TestAQueueIsMovedOverWhileItRuns(t *testing.T) {
	t.Parallel()
	b := open(t)
	s, _ := wrap(t, b, false, key(1))
	h, err := shout.Post(runtime.NewClient(b.Broker).With(t.Context()), "plain")
	if err != nil {
		t.Fatal(err)
	}
	work(t, s, shout)
	if got, err := h.Wait(runtime.NewClient(s).With(t.Context())); got != "plain!" || err != nil {
		t.Errorf("got %q, %v, want plain!", got, err)
	}
}
