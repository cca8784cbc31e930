package brokertest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

var dataStories = stories{
	"WhatIsStoredIsFetched":               dataFetched,
	"LargeDataIsFetchedAsItWasWritten":    dataLarge,
	"DataIsReplacedAsAWhole":              dataReplaced,
	"ReadersSeeTheOldDataOrTheNew":        dataRaced,
	"DataThatIsNotClosedIsNotThere":       dataAborted,
	"DataExpires":                         dataExpires,
	"DataIsDeleted":                       dataDeleted,
	"WhatCannotBeStoredIsRefused":         dataRefused,
	"AReaderLearnsThatItsDataWasReplaced": dataReplacedWhileRead,
	"AWriterWhoseContextHasEndedFails":    dataEnded,
}

// q returns a context with the broker behind it.
func (s *stage) q() context.Context { return task.WithPort(s.ctx, s.b) }

func (s *stage) store(data []byte, opts ...task.StoreOption) string {
	s.Helper()
	key, err := task.Store(s.q(), data, opts...)
	if err != nil {
		s.Fatalf("Store %d bytes: %v", len(data), err)
	}
	return key
}

// wantData fails the test unless that lies under key.
func (s *stage) wantData(key string, want []byte) {
	s.Helper()
	got, err := task.Fetch(s.q(), key)
	if err != nil {
		s.Fatalf("Fetch %q: %v", key, err)
	}
	if !bytes.Equal(got, want) {
		s.Errorf("under %q there are %d bytes, %.20q, want %d, %.20q", key, len(got), got, len(want), want)
	}
}

// wantNoData fails the test if anything lies under key.
func (s *stage) wantNoData(key string) {
	s.Helper()
	got, err := task.Fetch(s.q(), key)
	s.wantErr(err, task.ErrUnknown, "Fetch %q, which has %d bytes", key, len(got))
}

// noise returns n bytes that do not repeat.
func noise(n int, seed string) []byte {
	var b bytes.Buffer
	for block := sha256.Sum256([]byte(seed)); b.Len() < n; block = sha256.Sum256(block[:]) {
		b.Write(block[:])
	}
	return b.Bytes()[:n]
}

func dataFetched(s *stage) {
	keys := map[string]bool{}
	for i, data := range [][]byte{{}, []byte("x"), []byte("\x00\xff"), noise(1<<20, "a"), noise(1<<20+1, "b")} {
		name := fmt.Sprintf("a key: %d/%%", i)
		if key := s.store(data, task.Key(name)); key != name {
			s.Errorf("the key is %q, want %q", key, name)
		}
		s.wantData(name, data)
		key := s.store(data)
		s.wantData(key, data)
		if keys[key] {
			s.Errorf("the key %q was made twice", key)
		}
		keys[key] = true
	}
	s.wantNoData("another key")
}

func dataLarge(s *stage) {
	want := noise(5<<20+12345, "large")
	w, err := task.CreateData(s.q(), task.Key("large"))
	if err != nil {
		s.Fatalf("CreateData: %v", err)
	}
	for rest, n := want, 1; len(rest) > 0; n = n*7 + 1 { // pieces of all sizes
		n = min(n, len(rest))
		if m, err := w.Write(rest[:n]); m != n || err != nil {
			s.Fatalf("Write %d bytes: %d, %v", n, m, err)
		}
		rest = rest[n:]
	}
	s.wantNoData("large") // yet
	if err := w.Close(); err != nil {
		s.Fatalf("Close: %v", err)
	}
	w.Abort() // which comes too late
	s.wantData("large", want)
	r, err := task.OpenData(s.q(), "large")
	if err != nil {
		s.Fatalf("OpenData: %v", err)
	}
	defer r.Close()
	if r.Size() != int64(len(want)) {
		s.Errorf("the size is %d, want %d", r.Size(), len(want))
	}
	for i := 0; i < len(want); {
		buf := make([]byte, 100_000)
		n, err := r.Read(buf)
		if err != nil || !bytes.Equal(buf[:n], want[i:i+n]) {
			s.Fatalf("Read at %d: %d bytes, %v", i, n, err)
		}
		i += n
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		s.Errorf("Read at the end: %d, %v", n, err)
	}
}

func dataReplaced(s *stage) {
	for _, size := range []int{10, 3 << 20, 0, 2 << 20, 100} {
		data := noise(size, fmt.Sprint(size))
		s.store(data, task.Key("k"))
		s.wantData("k", data)
	}
}

func dataRaced(s *stage) {
	const writers, rounds = 3, 4
	whole := map[string]bool{}
	for i := range writers {
		whole[string(noise(1<<20+100*i, fmt.Sprint(i)))] = true
	}
	s.store(noise(1<<20, "0"), task.Key("k"))
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range rounds {
				_, err := task.Store(s.q(), noise(1<<20+100*i, fmt.Sprint(i)), task.Key("k"))
				if err != nil {
					s.Errorf("Store: %v", err)
				}
			}
		})
	}
	for range 3 * rounds {
		got, err := task.Fetch(s.q(), "k")
		if err != nil && !errors.Is(err, task.ErrReplaced) || err == nil && !whole[string(got)] {
			s.Errorf("Fetch: %d bytes, which nobody has written as such, or %v", len(got), err)
		}
	}
	wg.Wait()
	if got, err := task.Fetch(s.q(), "k"); err != nil || !whole[string(got)] {
		s.Errorf("Fetch in the end: %d bytes, %v", len(got), err)
	}
}

func dataAborted(s *stage) {
	s.store([]byte("old"), task.Key("k"))
	w, err := task.CreateData(s.q(), task.Key("k"))
	if err != nil {
		s.Fatalf("CreateData: %v", err)
	}
	if _, err := w.Write(noise(2<<20, "new")); err != nil {
		s.Fatalf("Write: %v", err)
	}
	s.wantData("k", []byte("old"))
	w.Abort()
	if err := w.Close(); err == nil {
		s.Error("Close after Abort succeeded")
	}
	if _, err := w.Write([]byte("x")); err == nil {
		s.Error("Write after Abort succeeded")
	}
	s.wantData("k", []byte("old"))
}

func dataExpires(s *stage) {
	for _, size := range []int{10, 1<<20 + 1} {
		key := s.store(noise(size, "x"), task.Expire(task.MinExpire))
		redistest.Eventually(s.T, patience, func() bool {
			_, err := task.Fetch(s.q(), key)
			return errors.Is(err, task.ErrUnknown)
		}, "%d bytes expire", size)
	}
	key := s.store([]byte("short"), task.Expire(task.MinExpire))
	s.store([]byte("long"), task.Key(key), task.Expire(task.Forever)) // the new time is that of the key
	s.pass(2 * task.MinExpire)
	s.wantData(key, []byte("long"))
}

func dataDeleted(s *stage) {
	for _, size := range []int{10, 2 << 20} {
		key := s.store(noise(size, "x"))
		for range 2 { // the second time there is nothing
			if err := task.DeleteData(s.q(), key); err != nil {
				s.Fatalf("DeleteData: %v", err)
			}
			s.wantNoData(key)
		}
	}
}

func dataRefused(s *stage) {
	long := strings.Repeat("k", task.MaxDataKey)
	s.wantData(s.store([]byte("x"), task.Key(long)), []byte("x"))
	for what, err := range map[string]error{
		"no key":            s.tryStore(task.Key("")),
		"a long key":        s.tryStore(task.Key(long + "k")),
		"a key of no text":  s.tryStore(task.Key("\xff")),
		"a short time":      s.tryStore(task.Expire(task.MinExpire - 1)),
		"no time":           s.tryStore(task.Expire(0)),
		"a negative time":   s.tryStore(task.Expire(-time.Hour)),
		"a long time":       s.tryStore(task.Expire(task.MaxExpire + 1)),
		"delete without":    task.DeleteData(s.q(), ""),
		"the broker itself": s.b.DeleteData(s.ctx, ""),
	} {
		s.wantErr(err, task.ErrInvalid, "%s", what)
	}
	_, err := task.Fetch(s.q(), "")
	s.wantErr(err, task.ErrInvalid, "Fetch without a key")
	_, err = s.b.CreateData(s.ctx, task.Storing{})
	s.wantErr(err, task.ErrInvalid, "CreateData of nothing")
}

func (s *stage) tryStore(o task.StoreOption) error {
	_, err := task.Store(s.q(), []byte("x"), o)
	return err
}

func dataReplacedWhileRead(s *stage) {
	s.store(noise(3<<20, "old"), task.Key("k"))
	for what, change := range map[string]func() error{
		"was replaced": func() error { _, err := task.Store(s.q(), noise(3<<20, "new"), task.Key("k")); return err },
		"was deleted":  func() error { return task.DeleteData(s.q(), "k") },
	} {
		s.store(noise(3<<20, "old"), task.Key("k"))
		r, err := task.OpenData(s.q(), "k")
		if err != nil {
			s.Fatalf("OpenData: %v", err)
		}
		if _, err := r.Read(make([]byte, 1)); err != nil {
			s.Fatalf("Read: %v", err)
		}
		if err := change(); err != nil {
			s.Fatalf("after it %s: %v", what, err)
		}
		_, err = io.Copy(io.Discard, r)
		s.wantErr(err, task.ErrReplaced, "read on after the data %s", what)
		if err := r.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
		if _, err := r.Read(make([]byte, 1)); err == nil {
			s.Error("Read after Close succeeded")
		}
	}
}

func dataEnded(s *stage) {
	ctx, cancel := context.WithCancel(s.q())
	w, err := task.CreateData(ctx, task.Key("k"))
	if err != nil {
		s.Fatalf("CreateData: %v", err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		s.Fatalf("Write: %v", err)
	}
	cancel()
	s.wantErr(w.Close(), context.Canceled, "Close after the context has ended")
	s.wantNoData("k")
}
