package graph_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gomlq/mlq/broker"
	"github.com/gomlq/mlq/graph"
	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/runtime"
	"github.com/gomlq/mlq/task"
)

// The tasks of the tests of maps.
var (
	upTo = task.Define("upto", task.Plain(func(_ ctx, n int) ([]int, error) {
		var ns []int
		for i := range n {
			ns = append(ns, i)
		}
		return ns, nil
	}))
	square = task.Define("square", task.Plain(func(_ ctx, n int) (int, error) { return n * n, nil }))
	scale  = task.Define("scale", func(ctx task.Context, in Scale) (int, error) {
		n, err := in.N.Get(ctx)
		if err != nil {
			return 0, err
		}
		by, err := in.By.Get(ctx)
		return n * by, err
	})
	total = task.Define("total", task.Plain(func(_ ctx, ns []int) (int, error) {
		sum := 0
		for _, n := range ns {
			sum += n
		}
		return sum, nil
	}))
	even = task.Define("even", task.Plain(func(_ ctx, n int) (int, error) {
		if n%2 == 1 {
			return 0, task.Permanent(errors.New("it is odd"))
		}
		return n, nil
	}))
	unlessZero = task.Define("unless-zero", task.Plain(func(ctx ctx, n int) (int, error) {
		if n > 0 {
			<-ctx.Done() // until the map has failed
			return 0, ctx.Err()
		}
		select { // the others have begun
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
		return 0, task.Permanent(errors.New("it is zero"))
	}))
	good = task.Define("good", task.Plain(func(_ ctx, rs []task.Result[int]) (int, error) {
		n := 0
		for _, r := range rs {
			if r.Err == nil {
				n++
			}
		}
		return n, nil
	}))
	add      = task.Define("add", task.Plain(func(_ ctx, p task.Pair[int, int]) (int, error) { return p.First + p.Second, nil }))
	pairwise = task.Declare[task.Pair[task.Pair[int, int], int], int]("pairwise")
	big      = task.Define("big", task.Plain(func(_ ctx, n int) ([][]byte, error) {
		out := make([][]byte, n)
		for i := range out {
			out[i] = []byte(strconv.Itoa(i))
			out[i] = append(out[i], make([]byte, 1000*(i%4))...)
		}
		return out, nil
	}))
	size = task.Define("size", task.Plain(func(_ ctx, b []byte) (int, error) { return len(b), nil }))
)

// Scale is the input of a map with an input that its jobs share.
type Scale struct {
	N  task.Ref[int]
	By task.Ref[int]
}

// servers runs a test on an embedded server and on Redis.
func servers(t *testing.T, test func(t *testing.T, q context.Context)) {
	t.Helper()
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"embedded": func(*testing.T) string { return "embedded://" },
		"redis":    func(t *testing.T) string { return redistest.Start(t).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quiet := slog.New(slog.DiscardHandler)
			b, err := broker.Open(t.Context(), url(t), broker.Config{Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			w, err := runtime.NewWorker(b, runtime.Config{Slots: 8, Logger: quiet}, upTo, square, scale, total, even, good, add, big, size, length, whoami, called, unlessZero)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
			done := make(chan error)
			go func() { done <- w.Run(ctx) }()
			t.Cleanup(func() {
				stop()
				found, err := b.Fsck(context.Background(), broker.FsckConfig{})
				if err != nil || len(found.Broken) > 0 {
					t.Errorf("fsck: %v, %v", found.Broken, err)
				}
				if err := errors.Join(<-done, b.Close()); err != nil {
					t.Error(err)
				}
			})
			test(t, runtime.NewClient(b).With(t.Context()))
		})
	}
}

func TestMapRunsATaskForEachElement(t *testing.T) {
	servers(t, func(t *testing.T, q context.Context) {
		for _, n := range []int{0, 1, 7, 256, 700} {
			g := graph.New("squares")
			ns := graph.Add(g, upTo, n)
			squares := graph.Map(g, square, ns)
			again := graph.Map(g, square, squares, graph.MaxParallel(3))
			sum := graph.Then(g, total, squares)
			by := graph.Add(g, length, "four")
			scaled := graph.MapWith(g, scale, again, func(e task.Ref[int]) Scale { return Scale{N: e, By: by} })
			run := submit(q, t, g)
			want, wantSum := []int{}, 0
			for i := range n {
				want = append(want, i*i*i*i*4)
				wantSum += i * i
			}
			if got, err := task.Get(q, run, sum); err != nil || got != wantSum {
				t.Errorf("the sum of %d squares is %d, %v, want %d", n, got, err, wantSum)
			}
			if got, err := task.Get(q, run, scaled); err != nil || !slices.Equal(got, want) {
				t.Errorf("%d: the scaled squares are %v, %v, want %v", n, got, err, want)
			}
			if err := run.Wait(q); err != nil {
				t.Error(err)
			}
			rec, err := run.Record(q)
			if err != nil || rec.Nodes != 6+3*n || rec.Counts[task.Succeeded] != rec.Nodes {
				t.Errorf("%d: the run is %+v, %v", n, rec, err)
			}
		}
	})
}

func TestMapOfLargeElementsAndOfPairs(t *testing.T) {
	servers(t, func(t *testing.T, q context.Context) {
		g := graph.New("pairs")
		sizes := graph.Map(g, size, graph.Add(g, big, 50))
		sums := graph.Map(g, add, task.Zip(sizes, graph.Add(g, upTo, 50)))
		grid := graph.Map(g, add, task.Cross(task.Value([]int{10, 20}), graph.Add(g, upTo, 3)))
		run := submit(q, t, g)
		var want []int
		for i := range 50 {
			want = append(want, len(strconv.Itoa(i))+1000*(i%4)+i)
		}
		if got, err := task.Get(q, run, sums); err != nil || !slices.Equal(got, want) {
			t.Errorf("the sums are %v, %v, want %v", got, err, want)
		}
		if got, err := task.Get(q, run, grid); err != nil || !slices.Equal(got, []int{10, 11, 12, 20, 21, 22}) {
			t.Errorf("the grid is %v, %v", got, err)
		}
	})
}

func TestAMapFailsWithTheFirstOfItsJobs(t *testing.T) {
	servers(t, func(t *testing.T, q context.Context) {
		g := graph.New("odd")
		ns := graph.Add(g, upTo, 2000)
		evens := graph.Map(g, even, ns)
		graph.Then(g, total, evens)
		run := submit(q, t, g)
		if err := run.Wait(q); !errors.Is(err, task.ErrFailed) {
			t.Errorf("the run ended with %v", err)
		}
		if _, err := task.Get(q, run, evens); !errors.Is(err, task.ErrFailed) {
			t.Errorf("the map ended with %v", err)
		}
	})
}

// The jobs that ended with the map were told to end by it alone: to the run that is
// no cancellation.
func TestARunGoesOnAfterAMapHasFailed(t *testing.T) {
	servers(t, func(t *testing.T, q context.Context) {
		g := graph.New("soft")
		stuck := graph.Map(g, unlessZero, task.Value([]int{0, 1, 2}))
		n := graph.Add(g, length, "four", graph.After(task.ResultOf(stuck)))
		run := submit(q, t, g)
		if err := run.Wait(q); err != nil {
			t.Errorf("the run ended with %v", err)
		}
		if got, err := task.Get(q, run, n); err != nil || got != 4 {
			t.Errorf("what comes after the map returned %d, %v", got, err)
		}
		rec, err := run.Record(q)
		if err != nil || rec.Counts[task.Failed] != 2 || rec.Counts[task.Cancelled]+rec.Counts[task.Skipped] != 2 {
			t.Errorf("the run is %+v, %v, want the map and a job of it failed, two cancelled or skipped", rec, err)
		}
	})
}

func TestMapSomeLetsJobsFail(t *testing.T) {
	servers(t, func(t *testing.T, q context.Context) {
		g := graph.New("some")
		ns := graph.Add(g, upTo, 21)
		all := graph.MapSome(g, even, ns)
		few := graph.MapSome(g, even, ns, graph.AllowFailures(9))
		part := graph.MapSome(g, even, ns, graph.AllowFailureRate(0.5))
		n := graph.Then(g, good, all)
		failed := graph.Add(g, count, []string{}, graph.After(task.ResultOf(few)))
		_ = failed
		run := submit(q, t, g)
		if got, err := task.Get(q, run, n); err != nil || got != 11 {
			t.Errorf("%d of 21 are even, %v", got, err)
		}
		rs, err := task.Get(q, run, part)
		if err != nil || len(rs) != 21 || rs[4].Value != 4 || !errors.Is(rs[5].Err, task.ErrFailed) {
			t.Errorf("the results are %v, %v", rs, err)
		}
		if _, err := task.Get(q, run, few); !errors.Is(err, task.ErrFailed) {
			t.Errorf("ten failures, of which nine are allowed: %v", err)
		}
	})
}

func TestNodesKnowTheirNamesAndChildrenTheirMaps(t *testing.T) {
	servers(t, func(t *testing.T, q context.Context) {
		g := graph.New("named", graph.KeepGoing())
		refs := []task.Ref[string]{graph.Add(g, whoami, 0), graph.Add(g, whoami, 0), graph.Add(g, whoami, 0, graph.Name("last"))}
		for _, r := range refs[:2] {
			refs = append(refs, graph.Then(g.Group("sub"), called, r))
		}
		all := graph.Map(g.Group("map"), whoami, graph.Add(g, upTo, 3))
		odd := graph.Map(g, even, task.Value([]int{0, 1}), graph.Name("halves"))
		run := submit(q, t, g)
		want := []string{"whoami", "whoami-2", "last", "sub/called", "sub/called-2"}
		for i, r := range refs {
			if got, err := task.Get(q, run, r); got != want[i] || err != nil {
				t.Errorf("node %d is called %q, %v, want %q", i, got, err, want[i])
			}
		}
		if got, err := task.Get(q, run, all); !slices.Equal(got, []string{"map/whoami[0]", "map/whoami[1]", "map/whoami[2]"}) {
			t.Errorf("the children of a map are called %q, %v", got, err)
		}
		for what, err := range map[string]error{"the run": run.Wait(q), "the map": second(task.Get(q, run, odd))} {
			if je, ok := errors.AsType[*task.JobError](err); !ok || je.Node != "halves[1]" {
				t.Errorf("%s: %v, want it to name the child that failed", what, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

var (
	whoami = task.Define("whoami", func(ctx task.Context, _ int) (string, error) { j := ctx.Job(); return j.Title(), nil })
	called = task.Define("called", func(ctx task.Context, _ string) (string, error) { return ctx.Job().Name, nil })
)
