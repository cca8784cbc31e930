package redistest_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
)

// only returns a fault that does mode to commands with the given name.
func only(name string, mode redistest.Mode) redistest.Fault {
	return func(_ int64, cmd redistest.Command) redistest.Mode {
		if cmd.Name == name {
			return mode
		}
		return redistest.Pass
	}
}

func TestProxyDoesToACommandWhatTheModeSays(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		mode    redistest.Mode
		applied string // value of the counter afterwards
		lost    bool   // the client gets an error
	}{
		{redistest.Pass, "1", false},
		{redistest.DropRequest, "0", true},
		{redistest.ApplyDropReply, "1", true},
		{redistest.ApplyTwice, "2", false},
		{redistest.ResetBefore, "0", true},
		{redistest.Stall(10 * time.Millisecond), "1", false},
	} {
		for _, protocol := range []int{2, 3} {
			t.Run(fmt.Sprintf("%v/RESP%d", tc.mode, protocol), func(t *testing.T) {
				t.Parallel()
				s := redistest.Shared(t)
				p := redistest.StartProxy(t, s.Addr())
				client, key := dial(t, p.URL(), protocol), redistest.Namespace(t)
				if err := client.Set(t.Context(), key, 0, 0).Err(); err != nil {
					t.Fatalf("SET without a fault: %v", err)
				}

				p.SetFault(only("INCR", tc.mode))
				reply, err := client.Incr(t.Context(), key).Result()
				if (err != nil) != tc.lost {
					t.Errorf("INCR: error %v, want one: %v", err, tc.lost)
				}
				if !tc.lost && fmt.Sprint(reply) != tc.applied {
					t.Errorf("INCR = %d, want the reply that is delivered to be %s", reply, tc.applied)
				}
				if got := do(t, s, "GET", key); got != tc.applied {
					t.Errorf("the counter is %v at the server, want %s", got, tc.applied)
				}

				p.SetFault(nil)
				if err := client.Ping(t.Context()).Err(); err != nil {
					t.Errorf("PING after the fault is gone: %v", err)
				}
			})
		}
	}
}

func TestStalledCommandArrivesAfterItsClientGaveUp(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	p := redistest.StartProxy(t, s.Addr())
	key := redistest.Namespace(t)
	p.SetFault(only("INCR", redistest.Stall(200*time.Millisecond)))
	conn := newRawConn(t, p.Addr())
	conn.send("INCR " + key)
	redistest.Eventually(t, patience, func() bool { return p.Names()["INCR"] == 1 }, "INCR at the proxy")
	if err := conn.c.Close(); err != nil {
		t.Fatal(err)
	}
	redistest.Eventually(t, patience, func() bool { return do(t, s, "GET", key) == "1" },
		"the stalled INCR applied once")
}

func TestStallHoldsACommandForItsTime(t *testing.T) {
	t.Parallel()
	const d = 150 * time.Millisecond
	p := redistest.StartProxy(t, redistest.Shared(t).Addr())
	p.SetFault(only("PING", redistest.Stall(d)))
	client, begin := dial(t, p.URL(), 3), time.Now()
	if err := client.Ping(t.Context()).Err(); err != nil || time.Since(begin) < d {
		t.Errorf("PING after %v: %v, want no error after at least %v", time.Since(begin), err, d)
	}
}

func TestProxyNumbersAndNamesEveryCommand(t *testing.T) {
	t.Parallel()
	p := redistest.StartProxy(t, redistest.Shared(t).Addr())
	var mu sync.Mutex
	var numbers []int64
	var sets []string
	p.SetFault(func(n int64, cmd redistest.Command) redistest.Mode {
		mu.Lock()
		defer mu.Unlock()
		numbers = append(numbers, n)
		if cmd.Name == "SET" {
			sets = append(sets, cmd.String())
		}
		return redistest.Pass
	})
	key := redistest.Namespace(t)
	var wg sync.WaitGroup
	for range 4 {
		client := dial(t, p.URL(), 3)
		wg.Go(func() {
			for range 25 {
				if err := client.Do(t.Context(), "set", key, "a\r\nb").Err(); err != nil {
					t.Errorf("SET: %v", err)
				}
			}
		})
	}
	wg.Wait()

	mu.Lock()
	defer mu.Unlock()
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != int64(i+1) {
			t.Fatalf("the numbers in order are %v, want 1, 2, 3, …", numbers)
		}
	}
	if got := p.Names()["SET"]; got != 100 || p.Count() != int64(len(numbers)) {
		t.Errorf("%d SETs among %d commands, want 100 among %d", got, p.Count(), len(numbers))
	}
	if want := fmt.Sprintf(`SET %q "a\r\nb"`, key); sets[0] != want {
		t.Errorf("a command prints as %s, want %s", sets[0], want)
	}
}
