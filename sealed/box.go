package sealed

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/gomlq/mlq/task"
)

// Sealed data, with [task.CodecSealed]:
//
//	format (1), flags (1), length of the key's ID (1), the ID, nonce (12), and what was
//	encrypted: codec (1), data; then the tag (16)
//
// All that stands before the nonce, and what the data are bound to, is authenticated.
// Data that are compressed alone, with [task.CodecZstd], are codec (1), data.
const (
	format     = 1
	headLen    = 3
	nonceLen   = 12
	compressed = 1 // flag
)

// KeyError says that data are sealed with a key that this process does not have.
type KeyError struct{ Key string } // its ID

func (e *KeyError) Error() string {
	return fmt.Sprintf("sealed: there is no key %q in this process; add it to sealed.Config.Keys", e.Key)
}

// seal seals d, bound to what bind says, with the key of that number. If steady, equal
// data are equal bytes.
func (b *box) seal(d task.Data, bind string, number int, steady bool) task.Data {
	if !carries(d) {
		return d
	}
	body, flags := d.Bytes, byte(0)
	if !steady && b.cfg.CompressAbove >= 0 && len(body) > b.cfg.CompressAbove && len(body) <= b.cfg.MaxPlain {
		if small := b.enc.EncodeAll(body, nil); len(small) < len(body) {
			body, flags = small, compressed
		}
	}
	if len(b.keys) == 0 {
		if flags == 0 {
			return d
		}
		return task.Data{Codec: task.CodecZstd, Bytes: append([]byte{byte(d.Codec)}, body...)}
	}
	k := &b.keys[number]
	plain := append([]byte{byte(d.Codec)}, body...)
	out := append([]byte{format, flags, byte(len(k.id))}, k.id...)
	aad := append(slices.Clone(out), bind...)
	nonce := make([]byte, nonceLen)
	if steady {
		mac := hmac.New(sha256.New, k.nonce)
		fmt.Fprintf(mac, "%d ", len(aad))
		mac.Write(aad)
		mac.Write(plain)
		copy(nonce, mac.Sum(nil))
	} else {
		_, _ = rand.Read(nonce) // it never fails
	}
	out = append(out, nonce...)
	return task.Data{Codec: task.CodecSealed, Bytes: k.aead.Seal(out, nonce, plain, aad)}
}

// carries reports whether d is data, and does not stand for other data.
func carries(d task.Data) bool {
	return d.Codec == task.CodecMsgpack || d.Codec == task.CodecJSON || d.Codec == task.CodecBytes
}

// open opens what seal has made. The error is a [*KeyError], or wraps [task.ErrDamaged].
func (b *box) open(d task.Data, bind string) (task.Data, error) {
	switch d.Codec {
	case task.CodecSealed:
	case task.CodecZstd:
		if b.cfg.Strict {
			return d, unsealed()
		}
		return b.unpack(d.Bytes, true)
	default:
		if b.cfg.Strict && carries(d) {
			return d, unsealed()
		}
		return d, nil
	}
	v := d.Bytes
	if len(v) < headLen || v[0] != format || v[1]&^compressed != 0 || len(v) < headLen+int(v[2])+nonceLen {
		return d, fmt.Errorf("sealed: %w: the data are cut short or of an unknown format", task.ErrDamaged)
	}
	head, rest := v[:headLen+int(v[2])], v[headLen+int(v[2]):]
	k := b.named[string(head[headLen:])]
	if k == nil {
		return d, &KeyError{string(head[headLen:])}
	}
	plain, err := k.aead.Open(nil, rest[:nonceLen], rest[nonceLen:], append(slices.Clone(head), bind...))
	if err != nil {
		return d, fmt.Errorf("sealed: %w: the data were changed, or belong to another job, or key %q has another secret", task.ErrDamaged, k.id)
	}
	return b.unpack(plain, v[1]&compressed != 0)
}

func unsealed() error {
	return fmt.Errorf("sealed: %w: the data are not sealed, and sealed.Config.Strict is set", task.ErrDamaged)
}

// unpack reads a codec, and data that may be compressed.
func (b *box) unpack(v []byte, packed bool) (task.Data, error) {
	if len(v) == 0 || !carries(task.Data{Codec: task.Codec(v[0])}) {
		return task.Data{}, fmt.Errorf("sealed: %w: the data are of no codec", task.ErrDamaged)
	}
	d := task.Data{Codec: task.Codec(v[0]), Bytes: v[1:]}
	if !packed {
		return d, nil
	}
	var err error
	if d.Bytes, err = b.dec.DecodeAll(d.Bytes, nil); err != nil {
		return task.Data{}, fmt.Errorf("sealed: %w: the data cannot be decompressed to at most %d bytes, sealed.Config.MaxPlain: %w", task.ErrDamaged, b.cfg.MaxPlain, err)
	}
	return d, nil
}

// marker begins a list, or an element of one, that is sealed: no msgpack value does.
const marker = 0xc1

// sealItem seals a msgpack value that is stored without its codec.
func (b *box) sealItem(v []byte, bind string) []byte {
	d := b.seal(task.Data{Codec: task.CodecMsgpack, Bytes: v}, bind, 0, false)
	if d.Codec == task.CodecMsgpack {
		return v
	}
	return append([]byte{marker, byte(d.Codec)}, d.Bytes...)
}

// openItem opens what sealItem has made.
func (b *box) openItem(v []byte, bind string) ([]byte, error) {
	d := task.Data{Codec: task.CodecMsgpack, Bytes: v}
	if len(v) > 1 && v[0] == marker {
		d = task.Data{Codec: task.Codec(v[1]), Bytes: v[2:]}
	}
	d, err := b.open(d, bind)
	return d.Bytes, err
}
