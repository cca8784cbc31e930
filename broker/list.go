package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/gomlq/mlq/task"
)

// The elements of a list that a map runs over lie beside the map's record, some of
// them in each field, so that a child reads few but its own: where each begins and
// where the last one ends, four bytes each, then the elements.
const (
	maxChunk      = 256      // elements; see lua/lib/kin.lua
	maxChunkBytes = 16 << 10 // unless one is larger: what a child reads for an element that is not in its job
	maxSpread     = 1 << 20  // bytes of one call, unless one chunk is larger
)

// Spread stores the elements of the list that a map runs over, each encoded, for its
// children, and returns how many lie together. [task.ErrLeaseLost] if l is not the lease
// of the map's job any more.
func (b *Broker) Spread(ctx context.Context, l task.Lease, elements [][]byte) (chunk int, err error) {
	p, err := b.partition(l.ID)
	if err != nil {
		return 0, err
	}
	size := 0
	for _, e := range elements {
		size += len(e)
	}
	if len(elements) > task.MaxMapWidth || size > b.cfg.MaxPlanBytes {
		return 0, fmt.Errorf("%w: a list of %d elements and %d bytes, want at most %d and MaxPlanBytes, %d", task.ErrTooLarge, len(elements), size, task.MaxMapWidth, b.cfg.MaxPlanBytes)
	}
	chunk = maxChunk
	if n := len(elements); n > 0 {
		chunk = min(max(maxChunkBytes*n/max(size, 1), 1), maxChunk)
	}
	args, bytes := []any{l.ID[:], token(l)}, 0
	for i := 0; i < len(elements); i += chunk {
		v := packChunk(elements[i:min(i+chunk, len(elements))])
		args, bytes = append(args, chunkField(l.ID, i/chunk), v), bytes+len(v)
		if bytes < maxSpread && i+chunk < len(elements) {
			continue
		}
		a, err := b.ask(ctx, b.scripts.spread, p, args...)
		if err == nil {
			err = statusErr("spread", a.status)
		}
		if err != nil {
			return 0, err
		}
		args, bytes = args[:2:2], 0
	}
	return chunk, nil
}

// chunkField names the field that has a chunk of the elements of map id.
func chunkField(id task.ID, chunk int) string { return string(id[:]) + number(chunk) }

func packChunk(elements [][]byte) []byte {
	at := 4 * (len(elements) + 1)
	b := make([]byte, 0, at)
	for _, e := range elements {
		b = binary.BigEndian.AppendUint32(b, uint32(at))
		at += len(e)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(at))
	for _, e := range elements {
		b = append(b, e...)
	}
	return b
}

// unpackChunk returns element i of a chunk.
func unpackChunk(c string, i int) (string, bool) {
	r := reader{b: c, i: 4 * i}
	from, to := int(r.uint(4)), int(r.uint(4))
	if r.bad || from > to || to > len(c) {
		return "", false
	}
	return c[from:to], true
}

// Element returns the element that j, a child of a map, is for; [task.ErrExpired] if it
// is gone.
func (b *Broker) Element(ctx context.Context, j task.Job) (task.Data, error) {
	p, err := b.partition(j.ID)
	if err != nil {
		return task.Data{}, err
	}
	chunk := 0
	if e := j.Element; e != nil && e.Value.Codec == task.CodecElement && len(e.Value.Bytes) == 3 {
		chunk = place(string(e.Value.Bytes))
	}
	if j.Map == nil || chunk == 0 {
		return task.Data{}, fmt.Errorf("%w: job %v is no child of a map whose elements are stored", task.ErrInvalid, j.ID)
	}
	var c string
	err = b.retry(ctx, "element", func() (err error) {
		id := j.ID.Run().Node(j.Map.Node)
		c, err = b.rdb.HGet(ctx, b.prefixes[p]+"res:"+id.Bucket(), chunkField(id, j.Element.Index/chunk)).Result()
		return err
	})
	if errors.Is(err, redis.Nil) {
		return task.Data{}, fmt.Errorf("%w: element %d of the list that job %v is for", task.ErrExpired, j.Element.Index, j.ID)
	}
	if err != nil {
		return task.Data{}, err
	}
	e, ok := unpackChunk(c, j.Element.Index%chunk)
	if !ok {
		return task.Data{}, errDamaged(j.ID, "is for an element that cannot be read")
	}
	return task.Data{Codec: task.CodecMsgpack, Bytes: []byte(e)}, nil
}

// expandTail is what exchange.lua is told of a map; see lua/lib/expand.lua: how many
// elements, the first of the nodes whose results they are, how many lie together, how many
// children may be under way, how many may fail, three bytes each, and s if they may.
func expandTail(w *task.Width) []byte {
	some := byte('-')
	if w.Some {
		some = 's'
	}
	parallel := w.MaxParallel
	if parallel == 0 {
		parallel = task.MaxMapWidth
	}
	b := append([]byte(number(w.N)+number(w.First)+number(w.Chunk)+number(parallel)+number(w.MaxFailures)), some)
	info, err := msgpack.Marshal(&remarks{Failure: task.Failure{
		Kind: task.FailureError, Message: fmt.Sprintf("the run has no numbers left for %d more nodes: it may have %d, and each map takes them by 256", w.N, task.MaxNodeNumber+1),
	}})
	if err != nil {
		return append(b, 0)
	}
	return append(binary.BigEndian.AppendUint32(append(b, hasRemarks), uint32(len(info))), info...)
}
