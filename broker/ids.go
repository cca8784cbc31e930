package broker

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

// bucketIDs is how many IDs share a bucket: large hashes are cheap, but what
// lies in one bucket expires together.
const bucketIDs = 4096

// idMaker makes the IDs of jobs that clients post. It is safe for concurrent use.
type idMaker struct {
	mu     sync.Mutex
	blocks [16]idBlock // by retention class
}

// idBlock is a run of neighbouring IDs.
type idBlock struct {
	bucket uint32
	next   uint32 // number of the next ID
	left   int
	until  time.Time // then a new block is begun, so that old records can expire
}

// lone returns a new ID for partition p at the given time.
func (m *idMaker) lone(at time.Time, class task.Class, p int) task.ID {
	m.mu.Lock()
	b := &m.blocks[class&0x0F]
	if b.left == 0 || at.After(b.until) {
		*b = newBlock(at, class)
	}
	number := b.next
	b.next++
	b.left--
	bucket := b.bucket
	m.mu.Unlock()
	return task.NewID(at.UnixMilli(), task.KindLone, class, bucket, number, uint16(p))
}

// newBlock begins a block at a random place. It lasts for at most an eighth of
// its class's retention, so that nothing is kept much longer than it must be.
func newBlock(at time.Time, class task.Class) idBlock {
	var r [8]byte
	rand.Read(r[:]) // never fails, see crypto/rand
	span := class.Duration() / 8
	if span <= 0 {
		span = 24 * time.Hour
	}
	return idBlock{
		bucket: binary.BigEndian.Uint32(r[:4]),
		next:   binary.BigEndian.Uint32(r[4:]) &^ (bucketIDs - 1) & task.MaxNodeNumber,
		left:   bucketIDs,
		until:  at.Add(span),
	}
}

// spread returns the partition of n that bytes belong to.
func spread(b []byte, n int) int {
	if n == 1 {
		return 0
	}
	sum := sha256.Sum256(b)
	return int(binary.BigEndian.Uint64(sum[:8]) % uint64(n))
}
