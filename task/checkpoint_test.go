package task

import (
	"context"
	"errors"
	"strings"
	"testing"
)

type place struct {
	Next  int
	Names []string
}

func TestACheckpointIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	c, _ := newTestContext(t)
	derived, cancel := context.WithCancel(c)
	defer cancel()
	if v, ok, err := LastCheckpoint[place](c); ok || err != nil || v.Next != 0 {
		t.Errorf("before there is one: %+v, %t, %v", v, ok, err)
	}
	want := place{7, []string{"a", "b"}}
	for what, keep := range map[string]func() error{
		"the function": func() error { return Checkpoint(derived, want) },
		"the method":   func() error { return c.Checkpoint(want) },
	} {
		if err := keep(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if v, ok, err := LastCheckpoint[place](derived); !ok || err != nil || v.Next != 7 || len(v.Names) != 2 {
			t.Errorf("after %s: %+v, %t, %v; want %+v", what, v, ok, err, want)
		}
		var v place
		if ok, err := c.LastCheckpoint(&v); !ok || err != nil || v.Next != 7 {
			t.Errorf("after %s the method reads %+v, %t, %v; want %+v", what, v, ok, err, want)
		}
	}
}

func TestACheckpointThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	c, a := newTestContext(t)
	err := c.Checkpoint(strings.Repeat("x", MaxCheckpoint))
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "StoreData") {
		t.Errorf("one that is too large: %v, want ErrTooLarge and what to do", err)
	}
	for what, err := range map[string]error{
		"the method":   c.Checkpoint(func() {}),
		"the function": Checkpoint(c, make(chan int)),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("what cannot be encoded, by %s: %v, want ErrInvalid", what, err)
		}
	}
	if len(a.notes) != 0 {
		t.Errorf("noted all the same: %v", a.notes)
	}
	if err := Checkpoint(t.Context(), 1); !errors.Is(err, ErrNotInTask) {
		t.Errorf("outside of a task: %v, want ErrNotInTask", err)
	}
	if _, _, err := LastCheckpoint[int](t.Context()); !errors.Is(err, ErrNotInTask) {
		t.Errorf("outside of a task: %v, want ErrNotInTask", err)
	}
}

func TestACheckpointOfAnotherTypeIsAnErrorNotAZero(t *testing.T) {
	t.Parallel()
	c, a := newTestContext(t)
	if err := c.Checkpoint("text"); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := LastCheckpoint[place](c); ok || !errors.Is(err, ErrInvalid) {
		t.Errorf("a text read as a struct: %+v, %t, %v; want ErrInvalid", v, ok, err)
	}
	if _, err := c.LastCheckpoint(place{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("into what is no pointer: %v, want ErrInvalid", err)
	}
	a.err = ErrLeaseLost
	if err := c.Checkpoint(1); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("by one that is not the owner: %v, want ErrLeaseLost", err)
	}
	if _, ok, err := LastCheckpoint[string](c); ok || !errors.Is(err, ErrLeaseLost) {
		t.Errorf("when it cannot be read: %t, %v", ok, err)
	}
}
