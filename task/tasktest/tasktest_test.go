package tasktest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gomlq/mlq/task"
	"github.com/gomlq/mlq/task/tasktest"
)

var (
	square = task.Declare[int, int]("square", task.Queue("math"))
	notify = task.Declare[string, task.None]("notify")
)

// sum posts a square for each number, waits for them and adds them up.
func sum(ctx task.Context, ns []int) (int, error) {
	hs, err := square.PostMany(ctx, ns)
	if err != nil {
		return 0, err
	}
	if err := ctx.UpdateProgress(50, "waiting"); err != nil {
		return 0, err
	}
	squares, err := task.WaitAll(ctx, hs)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, s := range squares {
		total += s
	}
	if err := ctx.UpdateProgress(100); err != nil {
		return 0, err
	}
	return total, ctx.SetShortResult(fmt.Sprintf("%d squares", len(ns)))
}

func TestAFunctionPostsWaitsAndReports(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t)
	tasktest.Answer(rec, square, func(n int) (int, error) { return n * n, nil })
	got, err := sum(ctx, []int{1, 2, 3})
	if got != 14 || err != nil {
		t.Fatalf("sum = %d, %v, want 14", got, err)
	}
	posted := rec.Posted()
	if len(posted) != 3 {
		t.Fatalf("%d calls are recorded, want 3", len(posted))
	}
	for i, c := range posted {
		var n int
		if err := c.Payload.Decode(&n); err != nil || n != i+1 || c.Functions[0] != "square" || c.Spec.Queue != "math" {
			t.Errorf("call %d is %v of %d on %q, %v", i, c.Functions, n, c.Spec.Queue, err)
		}
		if c.ID.IsZero() || c.Parent != ctx.Job().ID || c.Depth != 1 {
			t.Errorf("call %d has ID %v, parent %v, depth %d", i, c.ID, c.Parent, c.Depth)
		}
	}
	if percent, text := rec.Progress(); percent != 100 || text != "waiting" || rec.Short() != "3 squares" || len(rec.Notes()) != 3 {
		t.Errorf("progress %v %q, short result %q, %d notes", percent, text, rec.Short(), len(rec.Notes()))
	}
}

func TestJobsThatWereNotAnsweredForSayWhatToDo(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t)
	_, err := sum(ctx, []int{1})
	if !errors.Is(err, tasktest.ErrNoAnswer) || !strings.Contains(err.Error(), `task "square"`) || !strings.Contains(err.Error(), "tasktest.Answer") {
		t.Errorf("waiting without an answer: %v", err)
	}
	if len(rec.Posted()) != 1 {
		t.Errorf("the post before it is not recorded: %v", rec.Posted())
	}

	foreign := task.NewID(1, task.KindLone, 1, 2, 3, 4)
	if _, err := task.At[int](ctx, foreign).Wait(ctx); !errors.Is(err, task.ErrUnknown) || !strings.Contains(err.Error(), "Finish") {
		t.Errorf("waiting for a job of another: %v", err)
	}

	h, err := notify.Post(ctx, "x")
	if err != nil {
		t.Fatalf("a post needs no answer, but %v", err)
	}
	if s, _, err := h.Progress(ctx); s != task.Ready || err != nil {
		t.Errorf("progress without an answer = %v, %v, want ready", s, err)
	}
}

func TestAnswersComeOnceAndByFunction(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t)
	asked := 0
	rec.Answer("square", func(task.Call) (any, error) { asked++; return asked, nil })
	one, _ := square.Post(ctx, 5)
	two, _ := square.Post(ctx, 5)
	if one.ID() == two.ID() {
		t.Error("two posts of the same are one job")
	}
	for range 3 {
		if got, err := one.Wait(ctx); got != 1 || err != nil {
			t.Errorf("first job = %d, %v, want 1", got, err)
		}
	}
	if got, err := two.Wait(ctx); got != 2 || err != nil {
		t.Errorf("second job = %d, %v, want 2", got, err)
	}

	rec.Answer("last", func(c task.Call) (any, error) { return strings.Join(c.Functions, "+"), nil })
	rec.Answer("", func(task.Call) (any, error) { return "listeners", nil })
	for want, functions := range map[string][]string{"first+last": {"first", "last"}, "listeners": nil} {
		id, err := ctx.Post(task.Call{Functions: functions})
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := ctx.BlockUntilResult(id, &got); got != want || err != nil {
			t.Errorf("a message for %v was answered with %q, %v", functions, got, err)
		}
	}
}

func TestAnswersMayFail(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t)
	for _, tt := range []struct {
		err  error
		want error
	}{
		{errors.New("no luck"), task.ErrFailed},
		{task.Permanent(errors.New("no luck")), task.ErrFailed},
		{fmt.Errorf("wrapped: %w", task.Skip("no luck")), task.ErrSkipped},
		{task.Cancel("no luck"), task.ErrCancelled},
		{&task.JobError{State: task.Skipped, Failure: task.Failure{Message: "no luck"}}, task.ErrSkipped},
	} {
		tasktest.Answer(rec, square, func(int) (int, error) { return 0, tt.err })
		_, err := square.Do(ctx, 1)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), "no luck") {
			t.Errorf("an answer of %v became %v, want %v", tt.err, err, tt.want)
		}
	}
	rec.Answer("square", func(task.Call) (any, error) { return func() {}, nil })
	if _, err := square.Do(ctx, 1); err == nil || !strings.Contains(err.Error(), "the answer") {
		t.Errorf("an answer that is no value: %v", err)
	}
	tasktest.Answer(rec, task.Declare[[]string, int]("square"), func([]string) (int, error) { return 0, nil })
	if _, err := square.Do(ctx, 1); !errors.Is(err, task.ErrFailed) {
		t.Errorf("an answer for another input: %v", err)
	}
}

func TestFinishEndsOneJob(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t)
	tasktest.Answer(rec, square, func(n int) (int, error) { return n * n, nil })
	good, _ := square.Post(ctx, 3)
	bad, _ := square.Post(ctx, 4)
	foreign := task.NewID(1, task.KindLone, 1, 2, 3, 4)
	if err := errors.Join(
		rec.Finish(bad.ID(), nil, errors.New("odd")),
		rec.Finish(foreign, "theirs", nil),
	); err != nil {
		t.Fatal(err)
	}
	if got, err := good.Wait(ctx); got != 9 || err != nil {
		t.Errorf("the job that was left alone = %d, %v", got, err)
	}
	if _, err := bad.Wait(ctx); !errors.Is(err, task.ErrFailed) {
		t.Errorf("the job that was finished with an error: %v", err)
	}
	if r, err := bad.Record(ctx); r.State != task.Failed || len(r.Failures) != 1 || err != nil {
		t.Errorf("its record is %+v, %v", r, err)
	}
	if got, err := task.At[string](ctx, foreign).Ref().Get(ctx); got != "theirs" || err != nil {
		t.Errorf("a job of another = %q, %v", got, err)
	}
	if err := rec.Finish(foreign, func() {}, nil); !errors.Is(err, task.ErrInvalid) {
		t.Errorf("Finish with what is no value: %v", err)
	}
}

func TestARetriedAttemptPostsTheSameJobs(t *testing.T) {
	t.Parallel()
	post := func(attempt int) []task.ID {
		ctx, rec := tasktest.New(t, tasktest.Attempt(attempt))
		for _, n := range []int{1, 2, 1} {
			if _, err := square.Post(ctx, n); err != nil {
				t.Fatal(err)
			}
		}
		var ids []task.ID
		for _, c := range rec.Posted() {
			ids = append(ids, c.ID)
		}
		return ids
	}
	first, second := post(1), post(2)
	if !slices.Equal(first, second) || first[0] == first[2] {
		t.Errorf("attempt 1 posted %v, attempt 2 %v", first, second)
	}
}

func TestACallWithAnIDIsPostedOnce(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t)
	calls := []task.Call{square.Call(1), notify.Call("x")}
	for range 2 {
		if _, err := task.PostMany(ctx, calls); err != nil {
			t.Fatal(err)
		}
	}
	if len(rec.Posted()) != 2 {
		t.Errorf("posted twice with the same IDs: %d calls", len(rec.Posted()))
	}
}

func TestWhatABrokerWouldRefuseIsRefused(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t)
	bad := task.Call{Functions: []string{"t"}, Spec: task.Spec{Queue: "no queue"}}
	if _, err := task.PostMany(ctx, []task.Call{square.Call(1), bad}); !errors.Is(err, task.ErrInvalid) {
		t.Errorf("a call made by hand with a bad queue: %v", err)
	}
	if _, err := task.Submit(ctx, task.Plan{}); !errors.Is(err, task.ErrInvalid) {
		t.Errorf("an empty plan: %v", err)
	}
	if _, err := task.At[int](ctx, ctx.Job().ID).Wait(ctx); !errors.Is(err, task.ErrCycle) {
		t.Errorf("a job that waits for itself: %v", err)
	}
	if len(rec.Posted())+len(rec.Submitted()) != 0 {
		t.Errorf("refused calls are recorded: %v", rec.Posted())
	}
}

func TestOptionsMakeTheJob(t *testing.T) {
	t.Parallel()
	ctx, _ := tasktest.New(t)
	if j := ctx.Job(); j.ID.IsZero() || j.Attempt != 1 || !slices.Equal(j.Functions, []string{"test"}) ||
		j.Spec.MaxAttempts != task.DefaultMaxAttempts || j.Lease.ID != j.ID {
		t.Errorf("the job without options is %+v", j)
	}
	id := task.NewID(7, task.KindLone, 1, 2, 3, 9)
	ctx, rec := tasktest.New(t,
		tasktest.Job(task.Job{Call: task.Call{ID: id, Spec: task.Spec{MaxAttempts: 2}, Depth: 4}}),
		tasktest.Attempt(2), tasktest.Functions("load", "train"))
	if j := ctx.Job(); j.ID != id || j.Attempt != 2 || j.Spec.MaxAttempts != 2 || !slices.Equal(j.Functions, []string{"load", "train"}) {
		t.Errorf("the job is %+v", j)
	}
	if _, err := square.Post(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if c := rec.Posted()[0]; c.Depth != 5 || c.ID.Partition() != 9 {
		t.Errorf("its child has depth %d, partition %d", c.Depth, c.ID.Partition())
	}
	type key struct{}
	if found, ok := task.From(context.WithValue(ctx, key{}, 1)); !ok || found.Job().ID != id {
		t.Errorf("From found %v, %v", found.Job().ID, ok)
	}
}

func TestCancelIsRecordedAndEndsTheJob(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t)
	tasktest.Answer(rec, square, func(n int) (int, error) { return n * n, nil })
	waiting, _ := square.Post(ctx, 1)
	over, _ := square.Post(ctx, 2)
	if _, err := over.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if s, err := waiting.Cancel(ctx); s != task.Cancelled || err != nil {
		t.Errorf("Cancel of a job that waits = %v, %v", s, err)
	}
	if s, err := over.Cancel(ctx); s != task.Succeeded || err != nil {
		t.Errorf("Cancel of a job that is over = %v, %v", s, err)
	}
	if _, err := waiting.Wait(ctx); !errors.Is(err, task.ErrCancelled) {
		t.Errorf("waiting for the cancelled job: %v", err)
	}
	if _, err := task.At[int](ctx, task.NewID(1, 0, 0, 0, 0, 0)).Cancel(ctx); !errors.Is(err, task.ErrUnknown) {
		t.Errorf("Cancel of an unknown job: %v", err)
	}
	own := task.At[int](ctx, ctx.Job().ID)
	if s, err := own.Cancel(ctx); s != task.Cancelled || err != nil || !errors.Is(context.Cause(ctx), task.ErrCancelled) {
		t.Errorf("Cancel of the job itself = %v, %v; its context ends with %v", s, err, context.Cause(ctx))
	}
	if got := rec.Cancelled(); len(got) != 4 || got[0] != waiting.ID() || got[3] != own.ID() {
		t.Errorf("recorded: %v", got)
	}
}

func TestStopEndsTheContextWithItsCause(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{task.ErrShutdown, task.ErrTimeout, task.ErrLeaseLost} {
		ctx, rec := tasktest.New(t)
		h, _ := square.Post(ctx, 1)
		derived, cancel := ctx.WithTimeout(time.Hour)
		defer cancel() //nolint:gocritic,revive // a few
		rec.Stop(cause)
		<-derived.Done()
		if !errors.Is(context.Cause(derived), cause) {
			t.Errorf("the context ends with %v, want %v", context.Cause(derived), cause)
		}
		want := context.Canceled
		if _, err := h.Wait(ctx); !errors.Is(err, want) {
			t.Errorf("after %v, Wait: %v, want %v", cause, err, want)
		}
		if _, err := square.Post(ctx, 1); !errors.Is(err, want) {
			t.Errorf("after %v, Post: %v, want %v", cause, err, want)
		}
		if errors.Is(cause, task.ErrLeaseLost) {
			want = task.ErrLeaseLost
		}
		if err := ctx.UpdateProgress(1); !errors.Is(err, want) {
			t.Errorf("after %v, UpdateProgress: %v, want %v", cause, err, want)
		}
	}
}

func TestOwnRecordShowsWhatWasNoted(t *testing.T) {
	t.Parallel()
	ctx, _ := tasktest.New(t)
	if err := errors.Join(ctx.UpdateProgress(30, "counting"), ctx.SetShortResult("so far")); err != nil {
		t.Fatal(err)
	}
	r, err := task.At[int](ctx, ctx.Job().ID).Record(ctx)
	if err != nil || r.State != task.Running || r.Progress != 30 || r.Note != "counting" || r.ShortResult != "so far" {
		t.Errorf("record = %+v, %v", r, err)
	}
}

func TestSubmittedPlansAreAnsweredForNodeByNode(t *testing.T) {
	t.Parallel()
	plan := task.Plan{Name: "p", Nodes: []task.Node{
		{Call: square.Call(2)},
		{Call: square.Call(3)},
		{Call: notify.Call("done"), Parents: task.After(0, 1)},
	}}
	ctx, rec := tasktest.New(t)
	tasktest.Answer(rec, square, func(n int) (int, error) { return n * n, nil })
	run, err := task.Submit(ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := task.Get(ctx, run, task.NodeRef[int](1, 1)); got != 9 || err != nil {
		t.Errorf("node 1 = %d, %v", got, err)
	}
	if err := run.Wait(ctx); !errors.Is(err, tasktest.ErrNoAnswer) || !strings.Contains(err.Error(), "node 2") {
		t.Errorf("a run with a node that has no answer: %v", err)
	}
	tasktest.Answer(rec, notify, func(string) (task.None, error) { return task.None{}, nil })
	if err := run.Wait(ctx); err != nil {
		t.Errorf("Wait: %v", err)
	}
	if got := rec.Submitted(); len(got) != 1 || got[0].Name != "p" || len(rec.Posted()) != 0 {
		t.Errorf("submitted %v, posted %v", got, rec.Posted())
	}

	failing, err := task.Submit(ctx, plan)
	if err != nil || failing.ID() == run.ID() {
		t.Fatalf("a second run: %v, %v", failing.ID(), err)
	}
	if err := rec.Finish(failing.ID().Node(1), nil, errors.New("odd")); err != nil {
		t.Fatal(err)
	}
	if err := failing.Wait(ctx); !errors.Is(err, task.ErrFailed) || !strings.Contains(err.Error(), "odd") {
		t.Errorf("a run with a node that failed: %v", err)
	}

	cancelled, _ := task.Submit(ctx, plan)
	if s, err := cancelled.Cancel(ctx); s != task.Cancelled || err != nil {
		t.Errorf("Cancel of a run = %v, %v", s, err)
	}
	if r, err := cancelled.Node(ctx, 0); r.State != task.Cancelled || err != nil {
		t.Errorf("a node of a cancelled run is %v, %v", r.State, err)
	}
}

func TestRecorderIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t)
	var asked atomic.Int32
	tasktest.Answer(rec, square, func(n int) (int, error) { asked.Add(1); return n * n, nil })
	shared, err := square.Post(ctx, -1)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			h, err := square.Post(ctx, n)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := h.Wait(ctx); got != n*n || err != nil {
				t.Errorf("square of %d = %d, %v", n, got, err)
			}
			if _, err := shared.Wait(ctx); err != nil {
				t.Error(err)
			}
			if err := ctx.UpdateProgress(float64(n)); err != nil {
				t.Error(err)
			}
			rec.Posted()
			rec.Progress()
		})
	}
	wg.Wait()
	if n := asked.Load(); n != 21 || len(rec.Posted()) != 21 || len(rec.Notes()) != 20 {
		t.Errorf("%d answers, %d posts, %d notes; want 21, 21, 20", n, len(rec.Posted()), len(rec.Notes()))
	}
}

// recordingTB is a test whose log can be read.
type recordingTB struct {
	testing.TB
	out strings.Builder
}

func (r *recordingTB) Output() io.Writer { return &r.out }

func TestLoggerWritesToTheTestsLog(t *testing.T) {
	t.Parallel()
	tb := &recordingTB{TB: t}
	ctx, rec := tasktest.New(tb, tasktest.Attempt(3))
	ctx.Logger().Debug("half way", slog.Int("rows", 7), slog.Group("at", slog.Int("page", 8)))
	want := fmt.Sprintf("level=DEBUG msg=\"half way\" job=%v function=test attempt=3 rows=7 at.page=8\n", ctx.Job().ID)
	if got := tb.out.String(); got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
	kept := rec.Logs()
	if len(kept) != 1 || kept[0].Seq != 1 || kept[0].Attempt != 3 || kept[0].Level != slog.LevelDebug || kept[0].Message != "half way" || kept[0].Attrs != "rows=7 at.page=8" {
		t.Errorf("recorded: %+v", kept)
	}
}

func TestContextEndsWithTheTest(t *testing.T) {
	t.Parallel()
	var ctx task.Context
	t.Run("inner", func(t *testing.T) {
		ctx, _ = tasktest.New(t)
		if ctx.Err() != nil {
			t.Errorf("the context has ended at once: %v", ctx.Err())
		}
	})
	if ctx.Err() == nil {
		t.Error("the context goes on after its test")
	}
}
