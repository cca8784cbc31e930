package tasktest_test

import (
	"errors"
	"io"
	"testing"

	"github.com/gomlq/mlq/task"
	"github.com/gomlq/mlq/task/tasktest"
)

func TestDataIsKeptInMemory(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t)
	if _, err := ctx.FetchData("in"); !errors.Is(err, task.ErrUnknown) {
		t.Errorf("what is not there: %v", err)
	}
	rec.SetData("in", []byte("given"))
	in, err := ctx.FetchData("in")
	if string(in) != "given" || err != nil {
		t.Fatalf("FetchData: %q, %v", in, err)
	}
	key, err := ctx.StoreData(append(in, '!'), task.Expire(task.Forever))
	if err != nil {
		t.Fatal(err)
	}
	if d, ok := rec.Data(key); string(d) != "given!" || !ok {
		t.Errorf("the test sees %q, %t", d, ok)
	}
	if got := rec.Stored(); len(got) != 1 || got[0] != (task.Storing{Key: key, Expire: task.Forever}) {
		t.Errorf("recorded: %+v", got)
	}
	w, err := task.CreateData(ctx, task.Key("piece by piece"))
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{"a", "b"} {
		if _, err := io.WriteString(w, piece); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := rec.Data("piece by piece"); ok {
		t.Error("it is there before Close")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := task.OpenData(ctx, "piece by piece")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := io.ReadAll(r); string(d) != "ab" || r.Size() != 2 || err != nil {
		t.Errorf("read %q of %d, %v", d, r.Size(), err)
	}
	if err := task.DeleteData(ctx, "in"); err != nil {
		t.Error(err)
	}
	if _, ok := rec.Data("in"); ok {
		t.Error("what was deleted is there")
	}
}

func TestAbortedAndLargeDataIsNotStored(t *testing.T) {
	t.Parallel()
	ctx, rec := tasktest.New(t)
	w, err := task.CreateData(ctx, task.Key("k"))
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if w.Close() == nil {
		t.Error("Close after Abort succeeds")
	}
	if _, err := ctx.StoreData(make([]byte, tasktest.MaxStored+1)); !errors.Is(err, task.ErrTooLarge) {
		t.Errorf("a byte too many: %v", err)
	}
	rec.Stop(task.ErrShutdown)
	if _, err := ctx.StoreData(nil); err == nil {
		t.Error("Store after the end succeeds")
	}
	if got := rec.Stored(); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
}
