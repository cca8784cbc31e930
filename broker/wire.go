package broker

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/gomlq/mlq/task"
)

// A stored job is a header that scripts read (see lua/lib/head.lua) and an
// envelope that only Go reads:
//
//	codec of the payload (1), length of meta (2), meta, payload;
//	of a map's child: index (3), codec of the element (1), element
//
// meta is msgpack and empty for a job without options.
const (
	wireVersion = 1
	headerLen   = 15

	flagInbox   = 1
	flagUnique  = 2
	flagIdem    = 4
	flagSuspect = 8 // and 16: the lane a suspect had before, l n h being 1 2 3
	flagHist    = 32
	flagDead    = 64
)

// meta is the part of a call that few calls have.
type meta struct {
	MaxAttempts int               `msgpack:"a,omitempty"`
	Timeout     time.Duration     `msgpack:"t,omitempty"`
	BackoffMin  time.Duration     `msgpack:"b,omitempty"`
	BackoffMax  time.Duration     `msgpack:"c,omitempty"`
	Delay       time.Duration     `msgpack:"d,omitempty"`
	Deadline    int64             `msgpack:"x,omitempty"` // ms since 1970
	Idempotency string            `msgpack:"i,omitempty"`
	Headers     map[string]string `msgpack:"h,omitempty"`
	Parent      []byte            `msgpack:"p,omitempty"`
	Depth       int               `msgpack:"l,omitempty"`
	Map         *task.Map         `msgpack:"m,omitempty"`
	Input       int               `msgpack:"n,omitempty"` // of a map: length of the payload, which its children share; their element follows
	Name        string            `msgpack:"e,omitempty"` // of a node whose name does not begin with its function's
	Suffix      string            `msgpack:"s,omitempty"` // of one whose name does: what follows
}

// planned is what a node of a plan has beside its call.
type planned struct {
	name string    // empty for the function's
	over *task.Map // nil unless it is a map
}

func metaOf(c *task.Call, n *planned) meta {
	m := meta{
		MaxAttempts: c.Spec.MaxAttempts, Timeout: c.Spec.Timeout,
		BackoffMin: c.Spec.BackoffMin, BackoffMax: c.Spec.BackoffMax, Delay: c.Spec.Delay,
		Idempotency: c.Spec.IdempotencyKey, Headers: c.Spec.Headers, Depth: c.Depth,
	}
	if !c.Spec.Deadline.IsZero() {
		m.Deadline = c.Spec.Deadline.UnixMilli()
	}
	if !c.Parent.IsZero() {
		m.Parent = c.Parent[:]
	}
	if n == nil {
		return m
	}
	if n.over != nil {
		m.Map, m.Input = n.over, len(c.Payload.Bytes)
	}
	if suffix, ok := strings.CutPrefix(n.name, c.Functions[0]); ok {
		m.Suffix = suffix
	} else {
		m.Name = n.name
	}
	return m
}

// The meta of most nodes is their name alone, and is encoded and decoded by hand: a map
// of one key, then a string of at most task.MaxNodeName bytes.
const (
	metaName   = "\x81\xa1e"
	metaSuffix = "\x81\xa1s"
	shortStr   = 32
	str8       = 0xd9
)

// encodeMeta encodes what few calls have.
func encodeMeta(m meta) ([]byte, error) {
	rest, key, name := m, metaName, m.Name
	if rest.Name, rest.Suffix = "", ""; name == "" {
		key, name = metaSuffix, m.Suffix
	}
	if name == "" || len(name) > task.MaxNodeName || !rest.empty() {
		return marshalMeta(m)
	}
	b := append(make([]byte, 0, len(key)+2+len(name)), key...)
	if len(name) >= shortStr {
		b = append(b, str8, byte(len(name)))
	} else {
		b = append(b, 0xa0|byte(len(name)))
	}
	return append(b, name...), nil
}

func marshalMeta(m meta) ([]byte, error) {
	info, err := msgpack.Marshal(&m)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", task.ErrInvalid, err)
	}
	return info, nil
}

func (m *meta) empty() bool {
	return m.MaxAttempts == 0 && m.Timeout == 0 && m.BackoffMin == 0 && m.BackoffMax == 0 && m.Delay == 0 && m.Deadline == 0 &&
		m.Idempotency == "" && len(m.Headers) == 0 && m.Parent == nil && m.Depth == 0 && m.Map == nil && m.Name == "" && m.Suffix == ""
}

// lanes are the last part of a pend name: by priority, in capitals for jobs that
// were posted by jobs. laneSuspect is for jobs that may lose their worker.
const (
	lanes       = "lnhLNH"
	laneSuspect = 'x'
)

// pendName names the list that c waits in: queue:route:lane.
func pendName(c *task.Call) string {
	queue, route := c.Spec.Queue, "*"
	if queue == "" {
		queue = task.DefaultQueue
	}
	if len(c.Functions) > 0 {
		route = strings.Join(c.Functions, "+")
	}
	lane := int(c.Spec.Priority) + 1
	if !c.Parent.IsZero() {
		lane += 3
	}
	return queue + ":" + route + ":" + lanes[lane:lane+1]
}

// encodeJob returns c as it is stored. inbox is empty unless the poster waits; n is nil
// unless the job is a node.
func encodeJob(c *task.Call, n *planned, pend, inbox string) ([]byte, error) {
	return appendJob(nil, c, n, pend, inbox)
}

// appendJob appends c to buf as it is stored.
func appendJob(buf []byte, c *task.Call, n *planned, pend, inbox string) ([]byte, error) {
	var flags byte
	var info []byte
	if m := metaOf(c, n); !m.empty() {
		var err error
		if info, err = encodeMeta(m); err != nil {
			return nil, err
		}
	}
	size := headerLen + len(pend) + 3 + len(info) + len(c.Payload.Bytes)
	if inbox != "" {
		flags |= flagInbox
		size += len(inbox)
	}
	unique := scoped(c, c.Spec.UniqueKey)
	if unique != "" {
		flags |= flagUnique
		size += 2 + len(unique)
	}
	if c.Spec.IdempotencyKey != "" {
		flags |= flagIdem
		size += 16
	}
	b := slices.Grow(buf, size)
	b = append(b, wireVersion)
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = append(b, flags, 0, 0, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(pend)))
	b = append(b, pend...)
	b = append(b, inbox...)
	if flags&flagUnique != 0 {
		b = binary.BigEndian.AppendUint16(b, uint16(len(unique)))
		b = append(b, unique...)
	}
	if flags&flagIdem != 0 {
		b = append(b, idemKey(c)...)
	}
	b = append(b, byte(c.Payload.Codec))
	b = binary.BigEndian.AppendUint16(b, uint16(len(info)))
	b = append(b, info...)
	return append(b, c.Payload.Bytes...), nil
}

// scoped is what stands for a user's key in the store: a task's keys are its own,
// or a post could be answered with another task's job. An empty key is none.
func scoped(c *task.Call, key string) string {
	if key == "" {
		return ""
	}
	return strings.Join(c.Functions, "+") + "\x00" + key
}

// idemKey is what stands for the idempotency key of c in the store.
func idemKey(c *task.Call) string {
	sum := sha256.Sum256([]byte(scoped(c, c.Spec.IdempotencyKey)))
	return string(sum[:16])
}

// callDigest tells calls with different functions or payloads apart.
func callDigest(c *task.Call) string {
	h := sha256.New()
	for _, f := range c.Functions {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(f))))
		h.Write([]byte(f))
	}
	h.Write([]byte{byte(c.Payload.Codec)})
	h.Write(c.Payload.Bytes)
	return string(h.Sum(nil)[:8])
}

// errDamaged says what is wrong with stored bytes.
func errDamaged(id task.ID, what string) error {
	return fmt.Errorf("%w: job %v %s", task.ErrDamaged, id, what)
}

// splitJob cuts the first stored job off b.
func splitJob(b string) (v, rest string, ok bool) {
	if len(b) < headerLen || b[0] != wireVersion {
		return "", "", false
	}
	n := int(binary.BigEndian.Uint32([]byte(b[1:5])))
	if n < headerLen || n > len(b) {
		return "", "", false
	}
	return b[:n], b[n:], true
}

// decodeJob reads a stored job.
func decodeJob(id task.ID, v string) (j task.Job, flags byte, err error) {
	j, f, err := decodeFront(id, v)
	if err != nil {
		return j, f.flags, err
	}
	j.Payload.Bytes = []byte(f.rest)
	if j.Map != nil {
		err = setElement(&j, f.input)
	}
	return j, f.flags, err
}

// front is what stands before the payload of a stored job and is not the job's own.
type front struct {
	flags byte
	input int    // of a map: how much of the rest is the payload
	rest  string // what follows
}

// decodeFront reads what stands before the payload of a stored job.
func decodeFront(id task.ID, v string) (j task.Job, f front, err error) {
	r := reader{b: v, i: 5}
	flags := r.u8()
	f.flags = flags
	epoch := uint32(r.uint(3))
	fails, losses := int(r.uint(2)), int(r.u8())
	r.u8() // losses while alone: the scripts' business
	pend := r.bytes(int(r.uint(2)))
	if flags&flagInbox != 0 {
		r.bytes(8)
	}
	j.ID, j.Posted = id, id.Time()
	j.Lease = task.Lease{ID: id, Epoch: epoch}
	j.Attempt, j.Losses = fails+1, losses
	if flags&flagUnique != 0 {
		_, j.Spec.UniqueKey, _ = strings.Cut(r.bytes(int(r.uint(2))), "\x00")
	}
	if flags&flagIdem != 0 {
		r.bytes(16)
	}
	j.Payload.Codec = task.Codec(r.u8())
	info := r.bytes(int(r.uint(2)))
	if r.bad || v[0] != wireVersion {
		return j, f, errDamaged(id, "is cut short or of an unknown version")
	}
	if !setPend(&j, pend) {
		return j, f, errDamaged(id, "names no list")
	}
	j.Spec.Retention = id.Class().Duration()
	f.rest = v[r.i:]
	f.input, err = setMeta(&j, info)
	return j, f, err
}
