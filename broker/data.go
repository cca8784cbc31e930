package broker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// Data that is stored lies in two keys: data:<key> says which generation it has, its
// size and digest, and has the bytes themselves if they fit into one chunk; else they
// lie in blob:<generation>, a field for each chunk. A new generation is written whole
// before the key names it.
const (
	dataChunk    = 1 << 20          // bytes: Redis serves nobody else while it copies one
	abandonAfter = time.Hour        // without another chunk, for a writer that is slow
	outlives     = 10 * time.Minute // chunks outlive their key, for a reader that is
)

// dataHead is what data:<key> says.
type dataHead struct {
	generation string // 8 bytes
	size       int64
	chunks     int // 0 if the bytes are there themselves
	digest     [sha256.Size]byte
}

const headInfo = 8 + 4 + sha256.Size // bytes

func (h *dataHead) info() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, headInfo), uint64(h.size))
	b = binary.BigEndian.AppendUint32(b, uint32(h.chunks))
	return append(b, h.digest[:]...)
}

// headOf reads what info has written, false if it is nothing of that kind.
func headOf(generation, info string) (h dataHead, ok bool) {
	r := reader{b: info}
	h.generation, h.size, h.chunks = generation, int64(r.uint(8)), int(r.uint(4))
	copy(h.digest[:], r.bytes(sha256.Size))
	return h, len(generation) == 8 && len(info) == headInfo && h.size >= 0 && h.size <= MaxStored
}

// dataPartition returns where data lies: the key alone decides.
func (b *Broker) dataPartition(key string) int { return spread([]byte(key), len(b.prefixes)) }

// CreateData implements [task.Port]. Up to a chunk, the data is sent by Close in one
// round trip.
func (b *Broker) CreateData(ctx context.Context, s task.Storing) (task.DataWriter, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("broker: store: %w", err)
	}
	return &dataWriter{b: b, ctx: ctx, s: s, head: dataHead{generation: randomName()}, sum: sha256.New()}, nil
}

// dataWriter is a [task.DataWriter].
type dataWriter struct {
	b    *Broker
	ctx  context.Context //nolint:containedctx // io.Writer has none
	s    task.Storing
	head dataHead // of what is written
	sum  hash.Hash
	buf  bytes.Buffer // not sent yet, at most a chunk
	err  error        // why nothing more can be written
}

var (
	errAborted = errors.New("broker: store: the writer was aborted")
	errWritten = errors.New("broker: store: the writer was closed")
)

// Key implements [task.DataWriter].
func (w *dataWriter) Key() string { return w.s.Key }

// Write implements [io.Writer].
func (w *dataWriter) Write(p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	if most := int64(w.b.cfg.MaxStored); w.head.size+int64(len(p)) > most {
		w.err = fmt.Errorf("broker: store %q: %w: more than %d bytes; raise broker.Config.MaxStored, or keep it elsewhere and store where", w.s.Key, task.ErrTooLarge, most)
		return 0, w.err
	}
	w.sum.Write(p)
	w.head.size += int64(len(p))
	for n < len(p) {
		if w.buf.Len() == w.b.chunk { // and there is more
			if w.err = w.send(); w.err != nil {
				return n, w.err
			}
		}
		m := min(w.b.chunk-w.buf.Len(), len(p)-n)
		w.buf.Write(p[n : n+m])
		n += m
	}
	return n, nil
}

// send sends what is in the buffer as the next chunk.
func (w *dataWriter) send() error {
	a, err := w.b.ask(w.ctx, w.b.scripts.chunk, w.b.dataPartition(w.s.Key),
		w.head.generation, w.head.chunks, w.buf.Bytes(), abandonAfter.Milliseconds())
	if err == nil {
		err = statusErr("chunk", a.status)
	}
	if err != nil {
		return fmt.Errorf("store %q: %w", w.s.Key, err)
	}
	w.head.chunks++
	w.buf.Reset()
	return nil
}

// Close implements [io.Closer].
func (w *dataWriter) Close() error {
	if w.err != nil {
		return w.err
	}
	if w.head.chunks > 0 {
		w.err = w.send()
	}
	if w.err == nil {
		w.sum.Sum(w.head.digest[:0])
		w.err = w.b.keep(w.ctx, w.s, &w.head, w.buf.Bytes())
	}
	err := w.err
	w.end(errWritten)
	return err
}

// Abort implements [task.DataWriter]. Chunks that were sent expire.
func (w *dataWriter) Abort() { w.end(errAborted) }

// end frees what w holds; it cannot be used any more, and says so unless it has said
// another reason.
func (w *dataWriter) end(why error) {
	if w.err == nil {
		w.err = why
	}
	w.buf = bytes.Buffer{}
}

// keep lets a key name the data that h is about. text is the data without chunks.
func (b *Broker) keep(ctx context.Context, s task.Storing, h *dataHead, text []byte) error {
	life := max(s.Expire, 0) // 0 is for ever here
	a, err := b.ask(ctx, b.scripts.keep, b.dataPartition(s.Key),
		s.Key, h.generation, h.info(), text, h.chunks, life.Milliseconds(), outlives.Milliseconds())
	switch {
	case err != nil:
		return fmt.Errorf("store %q: %w", s.Key, err)
	case a.status == "GONE":
		return fmt.Errorf("broker: store %q: %w: chunks of it are gone: it was written too slowly, replaced meanwhile, or redis has lost writes; store it again", s.Key, task.ErrUnavailable)
	}
	return statusErr("keep", a.status)
}

// DeleteData implements [task.Port].
func (b *Broker) DeleteData(ctx context.Context, key string) error {
	if err := task.CheckDataKey(key); err != nil {
		return fmt.Errorf("broker: delete data: %w", err)
	}
	a, err := b.ask(ctx, b.scripts.keep, b.dataPartition(key), key, "", "", "", 0, 0, 0)
	if err != nil {
		return fmt.Errorf("delete data %q: %w", key, err)
	}
	return statusErr("keep", a.status)
}

// OpenData implements [task.Port]. Data of up to a chunk comes with it, in one round
// trip.
func (b *Broker) OpenData(ctx context.Context, key string) (task.DataReader, error) {
	if err := task.CheckDataKey(key); err != nil {
		return nil, fmt.Errorf("broker: fetch: %w", err)
	}
	r := &dataReader{b: b, ctx: ctx, key: key, prefix: b.prefixes[b.dataPartition(key)], sum: sha256.New()}
	var head []any
	err := b.retry(ctx, "fetch", func() (err error) {
		head, err = b.rdb.HMGet(ctx, r.prefix+"data:"+key, "g", "i", "c").Result()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fetch %q: %w", key, err)
	}
	generation, found := head[0].(string)
	if !found && head[1] == nil && head[2] == nil {
		return nil, fmt.Errorf("broker: fetch: %w: there is no data under the key %q, or it has expired", task.ErrUnknown, key)
	}
	info, _ := head[1].(string)
	text, whole := head[2].(string)
	var ok bool
	if r.head, ok = headOf(generation, info); !ok || !whole {
		return nil, r.damaged("what its key says cannot be read")
	}
	r.take(text)
	return r, nil
}

// dataReader is a [task.DataReader].
type dataReader struct {
	b      *Broker
	ctx    context.Context //nolint:containedctx // io.Reader has none
	key    string
	prefix string
	head   dataHead
	sum    hash.Hash
	read   int64  // bytes that have come
	next   int    // chunk
	rest   string // of what has come
	err    error  // of every Read from now on
}

// Size implements [task.DataReader].
func (r *dataReader) Size() int64 { return r.head.size }

// Close implements [io.Closer].
func (r *dataReader) Close() error {
	r.rest = ""
	if r.err == nil {
		r.err = fmt.Errorf("broker: fetch %q: %w", r.key, io.ErrClosedPipe)
	}
	return nil
}

// Read implements [io.Reader].
func (r *dataReader) Read(p []byte) (n int, err error) {
	for r.rest == "" && r.err == nil {
		r.err = r.more()
	}
	if r.rest == "" {
		return 0, r.err
	}
	n = copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// more gets the next chunk; [io.EOF] after the last.
func (r *dataReader) more() error {
	if r.next == r.head.chunks {
		if r.read != r.head.size || !bytes.Equal(r.sum.Sum(nil), r.head.digest[:]) {
			return r.damaged("it is not what was stored: its size or its SHA-256 digest differs")
		}
		return io.EOF
	}
	var chunk string
	err := r.b.retry(r.ctx, "fetch", func() (err error) {
		chunk, err = r.b.rdb.HGet(r.ctx, r.prefix+"blob:"+r.head.generation, fmt.Sprint(r.next)).Result()
		return err
	})
	switch {
	case errors.Is(err, redis.Nil):
		return r.missing()
	case err != nil:
		return fmt.Errorf("fetch %q: %w", r.key, err)
	}
	r.next++
	if r.take(chunk); chunk == "" || r.read > r.head.size {
		r.rest = ""
		return r.damaged("a chunk of it is empty or too long")
	}
	return nil
}

// take takes bytes that have come.
func (r *dataReader) take(text string) {
	r.rest = text
	r.read += int64(len(text))
	_, _ = io.WriteString(r.sum, text) // a hash takes all
}

// missing returns why there is no next chunk: the key may name another generation now.
func (r *dataReader) missing() error {
	var now string
	err := r.b.retry(r.ctx, "fetch", func() (err error) {
		now, err = r.b.rdb.HGet(r.ctx, r.prefix+"data:"+r.key, "g").Result()
		return err
	})
	switch {
	case err != nil && !errors.Is(err, redis.Nil):
		return fmt.Errorf("fetch %q: %w", r.key, err)
	case now != r.head.generation:
		return fmt.Errorf("broker: fetch %q: %w", r.key, task.ErrReplaced)
	}
	return r.damaged(fmt.Sprintf("chunk %d of %d is gone; has redis lost writes?", r.next, r.head.chunks))
}

func (r *dataReader) damaged(what string) error {
	return fmt.Errorf("broker: fetch %q: %w: %s", r.key, task.ErrDamaged, what)
}
