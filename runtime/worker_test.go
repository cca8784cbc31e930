package runtime

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

func TestNewWorkerReportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	bad := task.Define("bad name", func(task.Context, int) (int, error) { return 0, nil }, task.Timeout(-1))
	var zero task.Task[int, int]
	c := Config{Slots: -1, Queues: []string{"ok", "not ok", "ok"}, LeaseTTL: time.Millisecond, Grace: -1, AbandonAfter: -1, MaxBlocked: -1}
	_, err := NewWorker(nil, c, noop, bad, nil, zero, noop)
	if err == nil {
		t.Fatal("got nil, want an error")
	}
	for _, want := range []string{
		"broker is nil", "Slots is -1", "LeaseTTL is 1ms", "Grace is", "AbandonAfter is", "MaxBlocked is",
		`"not ok"`, `"ok" is named twice`, `"bad name"`, "Timeout is", "handler 2", "zero Decl or Task", `"noop" is given twice`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if !errors.Is(err, task.ErrInvalid) {
		t.Errorf("got %v, want %v in it", err, task.ErrInvalid)
	}
	if _, err := NewWorker(newFake(), Config{}); err == nil || !strings.Contains(err.Error(), "at least one task") {
		t.Errorf("without tasks: got %v", err)
	}
	if _, err := NewWorker(newFake(), Config{Slots: MaxSlots + 1}, noop); err == nil {
		t.Error("too many slots: got nil, want an error")
	}
}

func TestZeroConfigWorks(t *testing.T) {
	t.Parallel()
	gpu := task.Define("gpu", func(task.Context, int) (int, error) { return 0, nil }, task.Queue("gpu"))
	w, err := NewWorker(newFake(), Config{}, noop, gpu, task.Declare[int, int]("gpu2", task.Queue("gpu")).Handle(func(task.Context, int) (int, error) { return 0, nil }))
	if err != nil {
		t.Fatal(err)
	}
	c := w.cfg
	if c.Slots != 10 || c.LeaseTTL != 30*time.Second || c.Grace != 25*time.Second || c.AbandonAfter != 10*time.Second || c.MaxBlocked != 1000 {
		t.Errorf("got %+v", c)
	}
	if c.Name == "" || c.Logger == nil || !slices.Equal(c.Queues, []string{"default", "gpu"}) {
		t.Errorf("got name %q, queues %v", c.Name, c.Queues)
	}
	if got := w.self(w.functions.Load()); !slices.Equal(got.Functions, []string{"noop", "gpu", "gpu2"}) || got.Listeners || got.Slots != 10 || got.PID == 0 {
		t.Errorf("got %+v", got)
	}
}

func TestMisspeltQueueIsFound(t *testing.T) {
	t.Parallel()
	tests := []struct{ configured, defined, name, meant string }{
		{"gpuu", "gpu", "gpuu", "gpu"},
		{"gpu gpu2", "gpu", "", ""},
		{"gpu", "gpu cpu", "", ""},
		{"mail", "default", "", ""},
		{"default", "default", "", ""},
	}
	for _, tt := range tests {
		if name, meant := misspelt(strings.Fields(tt.configured), strings.Fields(tt.defined)); name != tt.name || meant != tt.meant {
			t.Errorf("misspelt(%q, %q): got %q, %q, want %q, %q", tt.configured, tt.defined, name, meant, tt.name, tt.meant)
		}
	}
}

func TestFunctionFilterChoosesWhatRunsAndInWhatOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var ran journal[string]
		def := func(name string, opts ...task.DefineOption) task.Handler {
			return task.Define(name, func(_ task.Context, s string) (string, error) {
				ran.add(name)
				if s == name {
					return "", errBoom
				}
				return s + name, nil
			}, append(opts, task.MaxAttempts(1))...)
		}
		w := start(t, f, Config{Slots: 1}, def("a"), def("b", task.Listener()), def("c"), def("d", task.Listener()))
		post := func(s string, functions ...string) task.Settled {
			c := task.Define("x", func(task.Context, string) (string, error) { return "", nil }).Call(s)
			c.Functions = functions
			return f.wait(t, f.post(t, c))
		}
		tests := []struct {
			filter  string
			payload string
			ran     string
			result  string // or the kind of the failure
		}{
			{"c", "-", "c", "-c"},
			{"c a", "-", "c a", "-a"},
			{"", "-", "b d", "-d"},
			{"c a b", "a", "c a", task.FailureError},
			{"cc", "-", "", task.FailureUnknown},
			{"a cc b", "-", "", task.FailureUnknown},
		}
		for _, tt := range tests {
			before := len(ran.all())
			s := post(tt.payload, strings.Fields(tt.filter)...)
			got := s.Failure.Kind
			if s.State == task.Succeeded {
				if err := s.Result.Decode(&got); err != nil {
					t.Fatal(err)
				}
			}
			if now := strings.Join(ran.all()[before:], " "); now != tt.ran || got != tt.result {
				t.Errorf("filter %q: ran %q, got %q, want %q, %q", tt.filter, now, got, tt.ran, tt.result)
			}
			if tt.filter == "cc" && !strings.Contains(s.Failure.Message, `did you mean`) {
				t.Errorf("message %q does not say what was meant", s.Failure.Message)
			}
		}
		w.ok()
	})
}

func TestUndecodablePayloadFailsForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		w := start(t, f, Config{Slots: 1}, noop)
		c := noop.Call(0)
		c.Payload = task.Data{Codec: task.CodecMsgpack, Bytes: []byte{0xc1}}
		id := f.post(t, c)
		if s := f.wait(t, id); s.State != task.Failed || s.Failure.Kind != task.FailureDecode || len(f.job(id).outcomes) != 1 {
			t.Errorf("got %v, kind %q, want failed, decode, at once", s.State, s.Failure.Kind)
		}
		w.ok()
	})
}

// TestNoMoreIsAskedForThanThereAreSlots runs random schedules: tasks that work,
// wait for children, fail and are cancelled, and sessions that get lost, over
// several partitions. At no time may more attempts run than there are slots,
// nor an exchange ask for more than are free.
func TestNoMoreIsAskedForThanThereAreSlots(t *testing.T) {
	for seed := range 30 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				rnd := rand.New(rand.NewPCG(uint64(seed), 7))
				slots := 1 + rnd.IntN(6)
				f.rtt, f.partitions = time.Duration(rnd.IntN(3))*time.Millisecond, 1+rnd.IntN(4)
				var g gauge
				leaf := task.Define("leaf", func(_ task.Context, ms int) (int, error) {
					g.in()
					defer g.out()
					time.Sleep(time.Duration(ms) * time.Millisecond)
					if ms%5 == 0 {
						return 0, errBoom
					}
					return ms, nil
				}, task.MaxAttempts(3), task.Backoff(time.Millisecond, time.Second))
				parent := task.Define("parent", func(c task.Context, ms int) (int, error) {
					g.in()
					h, err := leaf.Post(c, ms)
					g.out()
					if err == nil {
						_, err = h.Wait(c)
					}
					if c.Err() == nil { // one that is to end needs no slot for it
						g.in()
						g.out()
					}
					return 0, err
				}, task.MaxAttempts(2), task.Backoff(time.Millisecond, time.Second))
				w := start(t, f, Config{Slots: slots}, leaf, parent)
				f.mu.Lock()
				f.onExchange = func(task.Exchange, *task.Exchanged) {
					w.pool.mu.Lock()
					defer w.pool.mu.Unlock()
					used := 0
					for _, a := range w.pool.attempts {
						if a.slot {
							used++
						}
					}
					if w.pool.free < 0 || used+w.pool.reserved+w.pool.free != slots {
						f.problemf("%d slots are used, %d reserved, %d free, of %d", used, w.pool.reserved, w.pool.free, slots)
					}
				}
				f.mu.Unlock()
				var ids []task.ID
				for range 60 {
					h := []task.Call{leaf.Call(rnd.IntN(50)), parent.Call(rnd.IntN(50))}[rnd.IntN(2)]
					ids = append(ids, f.post(t, h))
					if rnd.IntN(10) == 0 {
						_, _ = f.Cancel(t.Context(), ids[rnd.IntN(len(ids))])
					}
					time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)
				}
				for _, id := range ids {
					f.wait(t, id)
				}
				synctest.Wait()
				w.ok()
				if n := g.most.Load(); n > int64(slots) {
					t.Errorf("attempts at once: got %d, want at most %d", n, slots)
				}
			})
		})
	}
}

func TestClientPassesAllVerbs(t *testing.T) {
	t.Parallel()
	f := newFake()
	q := NewClient(f).With(t.Context())
	h, err := noop.Post(q, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := h.Record(t.Context()); err != nil || r.State != task.Ready {
		t.Errorf("got %v, %v, want ready", r.State, err)
	}
	if s, err := h.Cancel(t.Context()); s != task.Cancelled || err != nil {
		t.Errorf("got %v, %v, want cancelled", s, err)
	}
	if _, err := h.Wait(t.Context()); !errors.Is(err, task.ErrCancelled) {
		t.Errorf("got %v, want %v", err, task.ErrCancelled)
	}
}
