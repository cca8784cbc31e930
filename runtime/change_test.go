package runtime

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

// named returns a task that says its name.
func named(name string, opts ...task.DefineOption) task.Handler {
	return task.Define(name, func(task.Context, string) (string, error) { return name, nil }, opts...)
}

// message is what a program without types posts.
func message(functions ...string) task.Call {
	return task.Message(task.Data{}, functions)
}

// told returns what the only session has said that it can do.
func (f *fake) told() task.Worker {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sessions {
		return s.worker
	}
	return task.Worker{}
}

// saidBy returns the result of a job.
func saidBy(t *testing.T, s task.Settled) string {
	t.Helper()
	var name string
	if err := s.Result.Decode(&name); err != nil || s.State != task.Succeeded {
		t.Fatalf("the job has ended %v with %v: %v", s.State, s.Failure.Message, err)
	}
	return name
}

func TestFunctionsAreAddedToARunningWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		w := start(t, f, Config{}, named("a"))
		synctest.Wait()
		if err := w.Add(t.Context(), named("late", task.Listener())); err != nil {
			t.Fatal(err)
		}
		if told := f.told(); !slices.Equal(told.Functions, []string{"a", "late"}) || !told.Listeners || told.Started.IsZero() {
			t.Errorf("the broker was told %+v", told)
		}
		late, all := f.post(t, message("late")), f.post(t, message())
		for _, id := range []task.ID{late, all} {
			if got := saidBy(t, f.wait(t, id)); got != "late" {
				t.Errorf("%v was run by %q", id, got)
			}
		}
		w.ok()
	})
}

func TestRemovedFunctionsAreNotRunAnyMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		begun, end := make(chan bool), make(chan bool)
		slow := task.Define("slow", func(task.Context, string) (string, error) {
			begun <- true
			<-end
			return "slow", nil
		})
		w := start(t, f, Config{Slots: 2}, named("a"), slow)
		running := f.post(t, message("slow"))
		<-begun
		if err := w.Remove(t.Context(), "slow"); err != nil {
			t.Fatal(err)
		}
		if told := f.told(); !slices.Equal(told.Functions, []string{"a"}) {
			t.Errorf("the broker was told %q", told.Functions)
		}
		waiting := f.post(t, message("slow"))
		if got := saidBy(t, f.wait(t, f.post(t, message("a")))); got != "a" {
			t.Errorf("the other function gave %q", got)
		}
		close(end)
		if got := saidBy(t, f.wait(t, running)); got != "slow" {
			t.Errorf("the attempt under way gave %q", got)
		}
		time.Sleep(time.Minute) // of the bubble
		if rs, err := f.Read(t.Context(), []task.ID{waiting}); err != nil || rs[0].State.Terminal() || len(rs[0].Failures) > 0 {
			t.Errorf("the job of the removed function is %+v, %v", rs, err) // the fake gives it again and again
		}
		if err := w.Add(t.Context(), named("slow")); err != nil {
			t.Fatal(err)
		}
		if got := saidBy(t, f.wait(t, waiting)); got != "slow" {
			t.Errorf("added again, it gave %q", got)
		}
		w.ok()
	})
}

func TestAJobThatComesForARemovedFunctionGoesBack(t *testing.T) {
	t.Parallel()
	w, err := NewWorker(newFake(), quiet(Config{}), named("a"), named("l", task.Listener()))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(t.Context(), "l"); err != nil {
		t.Fatal(err)
	}
	w.base = t.Context()
	for _, filter := range [][]string{{"l"}, {"a", "l"}, nil} {
		a := w.newAttempt(nil, nil, &task.Job{Call: message(filter...), Attempt: 1})
		_, err := a.call()
		if r := a.judge(err, nil); r.verdict != task.Postpone || r.delay != removedPause || r.failure.Kind != "" {
			t.Errorf("filter %q: the ruling is %+v", filter, r)
		}
		a.release()
	}
	a := w.newAttempt(nil, nil, &task.Job{Call: message("never"), Attempt: 1})
	_, err = a.call()
	if r := a.judge(err, nil); r.verdict != task.Fail || r.failure.Kind != task.FailureUnknown {
		t.Errorf("a function that there never was: the ruling is %+v", r)
	}
	a.release()
}

func TestWrongChangesChangeNothing(t *testing.T) {
	t.Parallel()
	w, err := NewWorker(newFake(), quiet(Config{}), named("alpha"))
	if err != nil {
		t.Fatal(err)
	}
	err = w.Add(t.Context(), named("beta"), named("alpha"), nil)
	if !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), `"alpha" is given twice`) || !strings.Contains(err.Error(), "handler 2") {
		t.Errorf("Add: %v", err)
	}
	if err := w.Add(t.Context(), named("new", task.Aliases("old"))); err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(t.Context(), "old"); !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), `alias of task "new"`) {
		t.Errorf("Remove of an alias: %v", err)
	}
	if err := w.Remove(t.Context(), "new"); err != nil || len(w.functions.Load().names) != 1 {
		t.Errorf("Remove of a task with an alias: %v leaves %q", err, w.functions.Load().names)
	}
	err = w.Remove(t.Context(), "alpha", "alfa")
	if !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), `no task "alfa"`) {
		t.Errorf("Remove: %v", err)
	}
	if got := w.functions.Load().names; !slices.Equal(got, []string{"alpha"}) {
		t.Errorf("the worker has %q", got)
	}
}

func TestTheBrokerHearsOfChangesAcrossLostSessionsAndOutages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		w := start(t, f, Config{}, named("a"))
		synctest.Wait()
		f.mu.Lock()
		f.fault = func(op string) outage {
			if op == "rejoin" {
				return refused
			}
			return fine
		}
		f.mu.Unlock()
		if err := w.Add(t.Context(), named("b")); !errors.Is(err, task.ErrUnavailable) {
			t.Fatalf("Add while the broker is away: %v", err)
		}
		f.mu.Lock()
		f.fault = nil
		for id := range f.sessions {
			f.expel(id)
		}
		f.mu.Unlock()
		if got := saidBy(t, f.wait(t, f.post(t, message("b")))); got != "b" {
			t.Errorf("got %q", got)
		}
		if told := f.told(); !slices.Equal(told.Functions, []string{"a", "b"}) {
			t.Errorf("the broker was told %q", told.Functions)
		}
		w.ok()
	})
}
