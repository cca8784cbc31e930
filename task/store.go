package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Storage is the part of a [Port] that keeps data beside the jobs. [Store], [Fetch] and
// their like are what programs call.
type Storage interface {
	// CreateData begins to write what s names. s is valid and has a key.
	CreateData(ctx context.Context, s Storing) (DataWriter, error)
	// OpenData begins to read what lies under key; [ErrUnknown] if nothing does.
	OpenData(ctx context.Context, key string) (DataReader, error)
	// DeleteData removes what lies under key, if anything does.
	DeleteData(ctx context.Context, key string) error
}

// DataWriter writes data under a key, piece by piece. What lay under the key before
// stays there for readers until Close has put the new data in its place, as a whole.
// It is not safe for concurrent use.
type DataWriter interface {
	// Write adds a piece. [ErrTooLarge] if the data is over the limit of the store.
	// After an error the data will not be stored.
	io.Writer
	// Close stores the data. It returns an error, and stores nothing, if a Write has
	// failed, if Abort was called, or if the context that the writer was made with
	// has ended.
	io.Closer
	// Abort ends the writing without storing anything; after Close it does nothing.
	// So "defer w.Abort()" is right where Close is the last thing to be done.
	Abort()
	// Key returns the key that the data will lie under.
	Key() string
}

// DataReader reads data that was stored, and checks it: instead of [io.EOF], Read
// returns [ErrDamaged] if the data is not what was written. If the data is replaced or
// removed meanwhile, Read may return [ErrReplaced]. It is not safe for concurrent use.
type DataReader interface {
	io.ReadCloser
	// Size returns how many bytes were stored.
	Size() int64
}

// Limits of stored data.
const (
	// DefaultExpire is how long data is kept unless [Expire] says otherwise: as long
	// as a result is by default, since a result may name its key.
	DefaultExpire = DefaultRetention
	// MinExpire is the shortest time that data is kept: less is over before anybody
	// could read it.
	MinExpire = time.Second
	// MaxExpire is the longest, but for [Forever]: as long as records are kept.
	MaxExpire = 366 * 24 * time.Hour
	// MaxDataKey bounds a key, in bytes: it becomes part of a key of the store.
	MaxDataKey = MaxKeyLen
)

// Storing says under which key data is stored, and for how long.
type Storing struct {
	Key    string        // not empty, at most MaxDataKey bytes of UTF-8
	Expire time.Duration // MinExpire to MaxExpire, or Forever
}

// A StoreOption goes with [Store] and [CreateData].
type StoreOption func(*storing)

// storing is what options work on.
type storing struct {
	Storing
	keyed bool // it was given a key
}

// Key stores the data under that key, at most [MaxDataKey] bytes, instead of one that
// is made for it. Data that lies there already is replaced. Keys are the namespace's:
// all its jobs and programs see the same ones. An attempt that was lost, and does not
// know it yet, can still write: keys that should not be overwritten by such a one have
// the attempt's number in them.
func Key(name string) StoreOption { return func(s *storing) { s.Key, s.keyed = name, true } }

// Expire keeps the data for d from the end of its writing, at least [MinExpire], at most
// [MaxExpire]. Default [DefaultExpire], 7 days; [Forever] keeps it until [DeleteData].
func Expire(d time.Duration) StoreOption {
	return func(s *storing) { s.Expire = d }
}

// newStoring returns what the options say, with a key.
func newStoring(opts []StoreOption) (Storing, error) {
	s := storing{Storing: Storing{Expire: DefaultExpire}}
	for _, o := range opts {
		o(&s)
	}
	if !s.keyed { // an empty one that was asked for is a mistake
		s.Key = uuid.NewString()
	}
	return s.Storing, s.Validate()
}

// Validate reports every fault of s at once; each wraps [ErrInvalid].
func (s Storing) Validate() error {
	var err error
	if s.Expire != Forever && (s.Expire < MinExpire || s.Expire > MaxExpire) {
		err = fmt.Errorf("%w: Expire is %v, want %v to %v, or task.Forever", ErrInvalid, s.Expire, MinExpire, MaxExpire)
	}
	return errors.Join(CheckDataKey(s.Key), err)
}

// CheckDataKey reports whether data can lie under key; the error wraps [ErrInvalid].
func CheckDataKey(key string) error {
	if key == "" {
		return fmt.Errorf("%w: the key of stored data is empty; to have one made, store without task.Key", ErrInvalid)
	}
	if len(key) > MaxDataKey || !utf8.ValidString(key) {
		return fmt.Errorf("%w: the key %.40q of stored data has %d bytes; want at most %d, of UTF-8", ErrInvalid, key, len(key), MaxDataKey)
	}
	return nil
}

// Store stores data beside the jobs, for other jobs and programs to [Fetch] by the key
// that it returns. ctx must lead to a queue. Readers see the old data or the new, never
// a mixture. [ErrTooLarge] if data is over the limit of the store, by default 64 MiB.
//
// With [ErrUnavailable] it may or may not have been stored; to store it again is safe.
// Data is not part of the job that stores it: it outlives the job, and an attempt that
// fails leaves behind what it has stored.
func Store(ctx context.Context, data []byte, opts ...StoreOption) (key string, err error) {
	w, err := CreateData(ctx, opts...)
	if err != nil {
		return "", err
	}
	defer w.Abort()
	if _, err := w.Write(data); err != nil {
		return "", err
	}
	return w.Key(), w.Close()
}

// fetches is how often [Fetch] begins anew since the data was replaced meanwhile: who
// replaces it more often than it can be read is in a loop.
const fetches = 10

// Fetch returns what [Store] has stored under key. [ErrUnknown] if there is nothing, or
// it has expired; [ErrDamaged] if a part of it is gone, or it is not what was written.
// Large data is better read with [OpenData], piece by piece.
func Fetch(ctx context.Context, key string) ([]byte, error) {
	for i := 1; ; i++ {
		data, err := fetch(ctx, key)
		if !errors.Is(err, ErrReplaced) || i == fetches {
			return data, err
		}
	}
}

func fetch(ctx context.Context, key string) ([]byte, error) {
	r, err := OpenData(ctx, key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	buf := bytes.NewBuffer(make([]byte, 0, r.Size()+bytes.MinRead)) // which ReadFrom wants free at the end
	if _, err := buf.ReadFrom(r); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// CreateData is [Store] for data that is written piece by piece: it does not have to be
// in memory as a whole. A writer that writes nothing for an hour may find that its
// first pieces have expired; Close says so.
func CreateData(ctx context.Context, opts ...StoreOption) (DataWriter, error) {
	s, err := newStoring(opts)
	if err != nil {
		return nil, err
	}
	p, err := port(ctx)
	if err != nil {
		return nil, err
	}
	return p.CreateData(ctx, s)
}

// OpenData is [Fetch] for data that is read piece by piece. The reader must be read to
// [io.EOF] to know that the data is whole, and closed.
func OpenData(ctx context.Context, key string) (DataReader, error) {
	if err := CheckDataKey(key); err != nil {
		return nil, err
	}
	p, err := port(ctx)
	if err != nil {
		return nil, err
	}
	return p.OpenData(ctx, key)
}

// DeleteData removes what lies under key. It is no error if nothing does.
func DeleteData(ctx context.Context, key string) error {
	if err := CheckDataKey(key); err != nil {
		return err
	}
	p, err := port(ctx)
	if err != nil {
		return err
	}
	return p.DeleteData(ctx, key)
}

// StoreData is the function [Store].
func (c Context) StoreData(data []byte, opts ...StoreOption) (key string, err error) {
	return Store(c, data, opts...)
}

// FetchData is the function [Fetch].
func (c Context) FetchData(key string) ([]byte, error) { return Fetch(c, key) }
