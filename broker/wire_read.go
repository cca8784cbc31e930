package broker

import (
	"cmp"
	"encoding/binary"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/gomlq/mlq/task"
)

// reader reads fixed fields; past the end it reads zeros and turns bad.
type reader struct {
	b   string
	i   int
	bad bool
}

func (r *reader) bytes(n int) string {
	if n < 0 || n > len(r.b)-r.i {
		r.bad = true
		return ""
	}
	s := r.b[r.i : r.i+n]
	r.i += n
	return s
}

func (r *reader) uint(width int) (n uint64) {
	for _, c := range []byte(r.bytes(width)) {
		n = n<<8 | uint64(c)
	}
	return n
}

func (r *reader) u8() byte { return byte(r.uint(1)) }

// setPend reads queue, functions and priority out of a pend name.
func setPend(j *task.Job, pend string) bool {
	queue, rest, ok := strings.Cut(pend, ":")
	if !ok || len(rest) < 3 || rest[len(rest)-2] != ':' {
		return false
	}
	j.Spec.Queue = queue
	if route := rest[:len(rest)-2]; route != "*" {
		j.Functions = strings.Split(route, "+")
	}
	lane := rest[len(rest)-1]
	if j.Alone = lane == laneSuspect; !j.Alone {
		j.Spec.Priority = task.Level(strings.IndexByte(lanes, lane)%3 - 1)
	}
	return true
}

// setMeta takes what stands in the meta of a job. Of a map, input is how long its payload is.
func setMeta(j *task.Job, info string) (input int, err error) {
	c := &j.Call
	if c.ID.Kind() == task.KindNode && len(c.Functions) == 1 {
		j.Name = c.Functions[0]
	}
	if info == "" {
		return 0, nil
	}
	if name, ok := decodeName(info, metaSuffix); ok {
		j.Name += name
		return 0, nil
	}
	if name, ok := decodeName(info, metaName); ok {
		j.Name = name
		return 0, nil
	}
	var m meta
	if err := decodeMeta(info, &m); err != nil {
		return 0, errDamaged(c.ID, err.Error())
	}
	j.Name = cmp.Or(m.Name, j.Name+m.Suffix)
	c.Spec.MaxAttempts, c.Spec.Timeout = m.MaxAttempts, m.Timeout
	c.Spec.BackoffMin, c.Spec.BackoffMax = m.BackoffMin, m.BackoffMax
	c.Spec.Delay, c.Spec.Headers = m.Delay, m.Headers
	c.Spec.IdempotencyKey, c.Depth = m.Idempotency, m.Depth
	if m.Deadline > 0 {
		c.Spec.Deadline = time.UnixMilli(m.Deadline)
	}
	copy(c.Parent[:], m.Parent)
	j.Map = m.Map
	return m.Input, nil
}

// decodeName reads the meta of a job that has nothing in it but a name.
func decodeName(info, key string) (name string, ok bool) {
	s, ok := strings.CutPrefix(info, key)
	if !ok || len(s) < 2 {
		return "", false
	}
	if n := int(s[0]) - 0xa0; n > 0 && n < shortStr && len(s) == 1+n {
		return s[1:], true
	}
	return s[min(len(s), 2):], s[0] == str8 && len(s) == 2+int(s[1])
}

// setElement takes the element off what follows the payload of a map's child, which has
// n bytes. The job of the map itself has none.
func setElement(j *task.Job, n int) error {
	if n < 0 || n > len(j.Payload.Bytes) {
		return errDamaged(j.ID, "has a payload that is cut short")
	}
	r := reader{b: string(j.Payload.Bytes[n:])}
	if j.Payload.Bytes = j.Payload.Bytes[:n:n]; r.b == "" {
		return nil
	}
	e := task.Element{Index: int(r.uint(3)), Value: task.Data{Codec: task.Codec(r.u8())}}
	if r.bad {
		return errDamaged(j.ID, "has an element that is cut short")
	}
	e.Value.Bytes = []byte(r.b[r.i:])
	j.Element = &e
	return nil
}

// decodeMeta decodes msgpack of our own making that may have been damaged.
func decodeMeta(b string, into any) error {
	if err := task.CheckMsgpack([]byte(b)); err != nil {
		return err
	}
	return msgpack.Unmarshal([]byte(b), into)
}

// A tail is how an attempt ended:
//
//	codec of the result (1), +128 if remarks follow: their length (4) and they;
//	then the result
//
// and a history is the remarks of failed attempts, each with its length (4); that of a
// dead letter ends with when and by whom its last attempt was made.
type remarks struct {
	Failure  task.Failure `msgpack:"f,omitempty"`
	Progress *float64     `msgpack:"p,omitempty"`
	Text     *string      `msgpack:"t,omitempty"`
	Short    *string      `msgpack:"s,omitempty"`
}

const hasRemarks = 0x80

func encodeTail(o *task.Outcome) ([]byte, error) {
	var info []byte
	if o.Failure != (task.Failure{}) || o.Note != (task.Note{}) {
		var err error
		r := remarks{Failure: o.Failure.Clip(), Progress: o.Note.Progress, Text: o.Note.Text, Short: o.Note.Short}
		if info, err = msgpack.Marshal(&r); err != nil {
			return nil, err
		}
	}
	var d task.Data // others than a success have no result
	if o.Verdict == task.Succeed {
		d = o.Result
	}
	b := make([]byte, 0, 5+len(info)+len(d.Bytes))
	b = append(b, byte(d.Codec))
	if info != nil {
		b[0] |= hasRemarks
		b = binary.BigEndian.AppendUint32(b, uint32(len(info)))
		b = append(b, info...)
	}
	return append(b, d.Bytes...), nil
}

func decodeTail(tail string) (d task.Data, m remarks, err error) {
	r := reader{b: tail}
	codec := r.u8()
	if codec&hasRemarks != 0 {
		if info := r.bytes(int(r.uint(4))); !r.bad {
			m, err = decodeRemarks(info)
		}
	}
	if r.bad {
		return d, m, task.ErrDamaged
	}
	d.Codec = task.Codec(codec &^ hasRemarks)
	if d.Codec != task.CodecNone {
		d.Bytes = []byte(tail[r.i:])
	}
	return d, m, err
}

// decodeRemarks decodes remarks, which few tails have.
func decodeRemarks(info string) (m remarks, err error) {
	err = decodeMeta(info, &m)
	return m, err
}

// decodeNote reads what an attempt said of itself, and which epoch it had; see
// lua/note.lua.
func decodeNote(note string) (epoch uint32, m remarks, err error) {
	if note == "" {
		return 0, m, nil
	}
	r := reader{b: note}
	if epoch = uint32(r.uint(3)); r.bad {
		return 0, m, task.ErrDamaged
	}
	err = decodeMeta(note[r.i:], &m)
	return epoch, m, err
}

// history is what is kept of past attempts.
type history struct {
	failures []task.Failure
	last     remarks // of the last one that failed
	// Of the last attempt, if it is a dead letter's; see lua/lib/finish.lua.
	started time.Time
	session string
}

// lastAttempt stands where the length of another failure would.
const lastAttempt = 1<<32 - 1

func decodeHistory(b string) (h history, err error) {
	r := reader{b: b}
	for r.i < len(b) {
		n := r.uint(4)
		if n == lastAttempt {
			h.started, h.session = letterTime(r.uint(6)), r.bytes(8)
			continue
		}
		info := r.bytes(int(n))
		if r.bad {
			return h, task.ErrDamaged
		}
		h.last = remarks{}
		if err := decodeMeta(info, &h.last); err != nil {
			return h, err
		}
		h.failures = append(h.failures, h.last.Failure)
	}
	if r.bad {
		return h, task.ErrDamaged
	}
	return h, nil
}
