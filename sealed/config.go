package sealed

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/gomlq/mlq/task"
)

// Limits and defaults.
const (
	SecretLen = 32 // bytes of a secret: those of an AES-256 key
	MaxKeyID  = 64 // bytes; the ID goes with each piece of data
	MaxKeys   = 64 // more are not rotated, but kept for ever

	// DefaultCompressAbove is above which size compression gains more than its head costs.
	DefaultCompressAbove = 1 << 10 // bytes
	// DefaultMaxPlain bounds what compressed data may become: as much as a broker lets
	// one payload be.
	DefaultMaxPlain = 64 << 20 // bytes
	// KeyDelay is how long a job waits for a worker that has its key.
	KeyDelay = 30 * time.Second
)

// Key is a secret with a name.
type Key struct {
	ID     string // 1 to 64 bytes; not secret
	Secret []byte // 32 random bytes
}

// Config is how data are sealed.
type Config struct {
	// Keys are the keys: the first seals, all of them open. None: data are compressed
	// only.
	Keys []Key
	// CompressAbove is the size in bytes above which data are compressed, if that makes
	// them smaller. Default 1 KiB; negative: nothing is.
	CompressAbove int
	// MaxPlain bounds what compressed data may become when they are opened, in bytes:
	// a few kilobytes may be made to become gigabytes. Default 64 MiB.
	MaxPlain int
	// Strict: data that are not sealed are refused. It needs a key. Default false: they
	// are read as they are, whoever wrote them.
	Strict bool
	// Logger is told of keys that are missing, once for each. Default [slog.Default].
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.CompressAbove = cmp.Or(c.CompressAbove, DefaultCompressAbove)
	c.MaxPlain = cmp.Or(c.MaxPlain, DefaultMaxPlain)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// validate reports every fault of c, which has its defaults.
func (c Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("sealed: %w: "+format, append([]any{task.ErrInvalid}, args...)...))
	}
	if len(c.Keys) > MaxKeys {
		bad("there are %d Keys, want at most %d", len(c.Keys), MaxKeys)
	}
	seen := make(map[string]bool)
	for i, k := range c.Keys {
		if k.ID == "" || len(k.ID) > MaxKeyID {
			bad("Keys[%d]: its ID has %d bytes, want 1 to %d", i, len(k.ID), MaxKeyID)
		}
		if len(k.Secret) != SecretLen {
			bad("Keys[%d], %q: its secret has %d bytes, want %d random ones", i, k.ID, len(k.Secret), SecretLen)
		}
		if seen[k.ID] {
			bad("Keys[%d]: the ID %q is given twice", i, k.ID)
		}
		seen[k.ID] = true
	}
	if c.MaxPlain < 0 {
		bad("MaxPlain is %d, want a positive number (0 means %d)", c.MaxPlain, DefaultMaxPlain)
	}
	if len(c.Keys) == 0 && c.CompressAbove < 0 {
		bad("there are no Keys, and CompressAbove is negative: nothing would be done")
	}
	if len(c.Keys) == 0 && c.Strict {
		bad("Strict needs Keys")
	}
	return errors.Join(errs...)
}

// box seals and opens data.
type box struct {
	cfg    Config
	keys   []key
	named  map[string]*key
	enc    *zstd.Encoder
	dec    *zstd.Decoder
	missed sync.Map // IDs of keys that were complained of
}

// key is a [Key] in use.
type key struct {
	id    string
	aead  cipher.AEAD
	nonce []byte // the key that nonces of equal calls are made with
}

func newBox(c Config) (*box, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	b := &box{cfg: c, keys: make([]key, len(c.Keys)), named: make(map[string]*key, len(c.Keys))}
	for i, k := range c.Keys {
		var err error
		if b.keys[i], err = newKey(k); err != nil {
			return nil, fmt.Errorf("sealed: key %q: %w", k.ID, err)
		}
		b.named[k.ID] = &b.keys[i]
	}
	var errs [2]error
	b.enc, errs[0] = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(0))
	b.dec, errs[1] = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(uint64(c.MaxPlain)))
	return b, errors.Join(errs[:]...)
}

func newKey(k Key) (key, error) {
	data, err := hkdf.Expand(sha256.New, k.Secret, "mlq sealed 1 data", SecretLen)
	if err != nil {
		return key{}, err
	}
	nonce, err := hkdf.Expand(sha256.New, k.Secret, "mlq sealed 1 nonce", sha256.Size)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(data)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	return key{k.ID, aead, nonce}, err
}
