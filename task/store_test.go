package task

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestStoreSaysWhereAndForHowLong(t *testing.T) {
	t.Parallel()
	c, a := newTestContext(t)
	first, err := c.StoreData([]byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := Store(c, []byte("two"))
	if err != nil || first == second || len(first) != 36 {
		t.Errorf("keys that are made: %q, %q, %v", first, second, err)
	}
	if key, err := c.StoreData([]byte("three"), Key("k"), Expire(time.Hour)); key != "k" || err != nil {
		t.Errorf("a key that is given: %q, %v", key, err)
	}
	if _, err := c.StoreData([]byte("four"), Key("l"), Expire(Forever)); err != nil {
		t.Errorf("for ever: %v", err)
	}
	want := []Storing{{first, DefaultExpire}, {second, DefaultExpire}, {"k", time.Hour}, {"l", Forever}}
	for i, s := range want {
		if a.stored[i] != s {
			t.Errorf("stored %+v, want %+v", a.stored[i], s)
		}
	}
	if data, err := c.FetchData("k"); string(data) != "three" || err != nil {
		t.Errorf("FetchData: %q, %v", data, err)
	}
	if err := DeleteData(c, "k"); err != nil {
		t.Errorf("DeleteData: %v", err)
	}
	if _, err := Fetch(c, "k"); !errors.Is(err, ErrUnknown) {
		t.Errorf("after it, Fetch: %v, want ErrUnknown", err)
	}
}

func TestStoreOptionsAreChecked(t *testing.T) {
	t.Parallel()
	c, a := newTestContext(t)
	for what, o := range map[string]StoreOption{
		"empty":     Key(""),
		"long":      Key(strings.Repeat("k", MaxDataKey+1)),
		"no text":   Key("\xff"),
		"zero":      Expire(0),
		"too short": Expire(MinExpire - 1),
		"too long":  Expire(MaxExpire + 1),
		"negative":  Expire(-time.Second),
	} {
		if _, err := Store(c, nil, o); !isInvalid(err) {
			t.Errorf("%s: %v, want ErrInvalid", what, err)
		}
	}
	for _, o := range []StoreOption{Key(strings.Repeat("k", MaxDataKey)), Expire(MinExpire), Expire(MaxExpire)} {
		if _, err := Store(c, nil, o); err != nil {
			t.Errorf("what is just allowed: %v", err)
		}
	}
	if len(a.stored) != 3 {
		t.Errorf("stored %v", a.stored)
	}
}

func TestStoreThatCannotWriteStoresNothing(t *testing.T) {
	t.Parallel()
	c, a := newTestContext(t)
	if key, err := Store(c, make([]byte, 11)); key != "" || !errors.Is(err, ErrTooLarge) {
		t.Errorf("Store: %q, %v, want ErrTooLarge", key, err)
	}
	if len(a.stored) != 0 {
		t.Errorf("stored %v", a.stored)
	}
}

func TestFetchBeginsAnewIfTheDataWasReplaced(t *testing.T) {
	t.Parallel()
	c, a := newTestContext(t)
	if _, err := Store(c, []byte("data"), Key("k")); err != nil {
		t.Fatal(err)
	}
	a.replaced = fetches - 1
	if data, err := Fetch(c, "k"); string(data) != "data" || err != nil || a.opened != fetches {
		t.Errorf("Fetch: %q, %v, after %d tries", data, err, a.opened)
	}
	a.opened, a.replaced = 0, fetches
	if _, err := Fetch(c, "k"); !errors.Is(err, ErrReplaced) || a.opened != fetches {
		t.Errorf("Fetch of what is replaced for ever: %v after %d tries, want ErrReplaced after %d", err, a.opened, fetches)
	}
}

func TestDataNeedsAQueue(t *testing.T) {
	t.Parallel()
	_, err := Store(t.Context(), nil)
	_, err2 := Fetch(t.Context(), "k")
	for _, err := range []error{err, err2, DeleteData(t.Context(), "k")} {
		if !errors.Is(err, ErrNoPort) {
			t.Errorf("without a queue: %v, want ErrNoPort", err)
		}
	}
}
