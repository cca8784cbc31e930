package task

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// ID names a job or a run. It is a version 7 UUID (RFC 9562) whose free bits
// say where and how long the thing is kept, so that no lookup table is needed:
//
//	bytes 0-5    milliseconds since 1970 by the broker's clock
//	byte  6      version (7) and retention class
//	byte  7      kind (2 bits) and the high bits of the bucket
//	bytes 8-10   variant (2 bits) and the rest of the bucket
//	bytes 11-13  number within the bucket
//	bytes 14-15  partition
//
// The zero ID names nothing. IDs compare with ==.
type ID [16]byte

// RunID names a run; it is an [ID] of kind [KindRun].
type RunID = ID

// Kind tells what an ID names.
type Kind uint8

// The kinds of ID.
const (
	KindLone    Kind = iota // a job posted by a client
	KindNode                // a job of a run; its number is its place in the plan
	KindRun                 // a run
	KindDerived             // a job posted by a job: the same again when the poster is retried
)

// NoPartition in the last two bytes of an ID means that the broker still has
// to place it.
const NoPartition = 0xFFFF

// MaxNodeNumber is the largest number that fits an ID.
const MaxNodeNumber = 1<<24 - 1

const bucketMask = 1<<28 - 1

// NewID composes an ID. Only brokers and tests need it: bits of class, bucket
// and number that do not fit are cut off.
func NewID(ms int64, kind Kind, class Class, bucket uint32, number uint32, partition uint16) ID {
	var id ID
	bucket &= bucketMask
	id[0], id[1], id[2] = byte(ms>>40), byte(ms>>32), byte(ms>>24)
	id[3], id[4], id[5] = byte(ms>>16), byte(ms>>8), byte(ms)
	id[6] = 0x70 | byte(class&0x0F)
	id[7] = byte(kind&3)<<6 | byte(bucket>>22)
	id[8] = 0x80 | byte(bucket>>16)&0x3F
	id[9], id[10] = byte(bucket>>8), byte(bucket)
	id[11], id[12], id[13] = byte(number>>16), byte(number>>8), byte(number)
	id[14], id[15] = byte(partition>>8), byte(partition)
	return id
}

// DeriveID returns the ID of a job that job parent posts: it depends on the
// parent, on what is called (digest covers the functions and the payload), and
// on how many times the same was posted before (occurrence), and on nothing
// else. A retried attempt therefore posts under the same IDs. Its partition is
// [NoPartition] until a broker places it.
func DeriveID(parent ID, digest [32]byte, occurrence uint64, class Class) ID {
	near := sha256.Sum256(parent[:])
	var in [16 + 32 + 8]byte
	copy(in[:], parent[:])
	copy(in[16:], digest[:])
	binary.BigEndian.PutUint64(in[48:], occurrence)
	own := sha256.Sum256(in[:])
	// The high half of the time is the parent's, so that IDs still sort by age
	// to within hours; most of the bucket is too, so that siblings are kept
	// together. 56 bits are the child's own: a million children of one parent
	// collide with a probability of 10^-5, and then the post is refused.
	ms := parent.ms()&^0xFFFFFF | int64(own[0])<<16 | int64(own[1])<<8 | int64(own[2])
	bucket := binary.BigEndian.Uint32(near[:4])&^0xFF | uint32(own[3])
	number := uint32(own[4])<<16 | uint32(own[5])<<8 | uint32(own[6])
	return NewID(ms, KindDerived, class, bucket, number, NoPartition)
}

// ParseID reads the 36-character form that [ID.String] prints.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return ID{}, fmt.Errorf("%w: %.40q is not the 36-character form of an ID", ErrBadID, s)
	}
	if u.Version() != 7 || u.Variant() != uuid.RFC4122 {
		return ID{}, fmt.Errorf("%w: %q is a UUID, but not of version 7", ErrBadID, s)
	}
	return ID(u), nil
}

// ErrBadID is returned for text that is not an ID.
var ErrBadID = errors.New("task: bad ID")

// String returns the ID in the usual form of a UUID, 36 characters.
func (id ID) String() string { return uuid.UUID(id).String() }

// IsZero reports whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Kind tells what id names.
func (id ID) Kind() Kind { return Kind(id[7] >> 6) }

// Class returns the retention class of id.
func (id ID) Class() Class { return Class(id[6] & 0x0F) }

// Bucket returns the five bytes that IDs kept together have in common.
func (id ID) Bucket() string { return string(id[6:11]) }

// Number returns the place of id within its bucket; for a node, within its plan.
func (id ID) Number() int { return int(id[11])<<16 | int(id[12])<<8 | int(id[13]) }

// Partition returns the partition that id lives in.
func (id ID) Partition() int { return int(id[14])<<8 | int(id[15]) }

// WithPartition returns id, placed in partition p.
func (id ID) WithPartition(p int) ID {
	id[14], id[15] = byte(p>>8), byte(p)
	return id
}

// Time returns when id was made, by the broker's clock. For a derived ID it
// is right to within five hours only.
func (id ID) Time() time.Time {
	return time.UnixMilli(id.ms())
}

// ms returns the first six bytes, a time.
func (id ID) ms() int64 { return int64(binary.BigEndian.Uint64(id[:8]) >> 16) }

// Node returns the ID of node i of run id, and Run the run of a node.
func (id ID) Node(i int) ID { return id.as(KindNode, i) }

// Run returns the run of node id; for other kinds the zero ID.
func (id ID) Run() RunID {
	if id.Kind() != KindNode {
		return RunID{}
	}
	return id.as(KindRun, 0)
}

func (id ID) as(k Kind, number int) ID {
	id[7] = id[7]&0x3F | byte(k)<<6
	id[11], id[12], id[13] = byte(number>>16), byte(number>>8), byte(number)
	return id
}

// MarshalText implements [encoding.TextMarshaler]; the zero ID is empty text.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return []byte{}, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	v, err := ParseID(string(b))
	if err == nil {
		*id = v
	}
	return err
}
