package sealed

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/gomlq/mlq/task"
)

// secret returns a secret; each n has its own.
func secret(n byte) []byte { return bytes.Repeat([]byte{n}, SecretLen) }

var first, second = Key{"first", secret(1)}, Key{"second", secret(2)}

func boxOf(t *testing.T, c Config) *box {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	b, err := newBox(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsSealedIsOpenedAsItWas(t *testing.T) {
	t.Parallel()
	long := []byte(strings.Repeat("again and ", 1000))
	tests := map[string]struct {
		cfg     Config
		d       task.Data
		codec   task.Codec
		smaller bool
	}{
		"short":               {Config{Keys: []Key{first}}, task.Data{Codec: task.CodecMsgpack, Bytes: []byte{1}}, task.CodecSealed, false},
		"empty":               {Config{Keys: []Key{first}}, task.Data{Codec: task.CodecBytes, Bytes: []byte{}}, task.CodecSealed, false},
		"long":                {Config{Keys: []Key{first}}, task.Data{Codec: task.CodecJSON, Bytes: long}, task.CodecSealed, true},
		"never compressed":    {Config{Keys: []Key{first}, CompressAbove: -1}, task.Data{Codec: task.CodecJSON, Bytes: long}, task.CodecSealed, false},
		"beyond MaxPlain":     {Config{Keys: []Key{first}, MaxPlain: 100}, task.Data{Codec: task.CodecJSON, Bytes: long}, task.CodecSealed, false},
		"compressed alone":    {Config{}, task.Data{Codec: task.CodecBytes, Bytes: long}, task.CodecZstd, true},
		"no key and short":    {Config{}, task.Data{Codec: task.CodecMsgpack, Bytes: []byte{1}}, task.CodecMsgpack, false},
		"nothing":             {Config{Keys: []Key{first}}, task.Data{}, task.CodecNone, false},
		"a node's result":     {Config{Keys: []Key{first}}, task.NodeResult(7), task.CodecNode, false},
		"an element":          {Config{Keys: []Key{first}}, task.Data{Codec: task.CodecElement}, task.CodecElement, false},
		"the result of a map": {Config{Keys: []Key{first}}, task.Data{Codec: task.CodecList, Bytes: make([]byte, 6)}, task.CodecList, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := boxOf(t, tt.cfg)
			for _, steady := range []bool{false, true} {
				d := b.seal(tt.d, "here", 0, steady)
				if !steady && (d.Codec != tt.codec || tt.smaller != (len(d.Bytes) < len(tt.d.Bytes))) {
					t.Errorf("got codec %q and %d bytes of %d, want %q, smaller: %v", d.Codec, len(d.Bytes), len(tt.d.Bytes), tt.codec, tt.smaller)
				}
				got, err := b.open(d, "here")
				if err != nil || got.Codec != tt.d.Codec || !bytes.Equal(got.Bytes, tt.d.Bytes) {
					t.Errorf("steady %v: got %q, %d bytes, %v, want what was sealed", steady, got.Codec, len(got.Bytes), err)
				}
			}
		})
	}
}

func TestSealedDataThatWereChangedAreRefused(t *testing.T) {
	t.Parallel()
	b := boxOf(t, Config{Keys: []Key{first}})
	d := b.seal(task.Data{Codec: task.CodecMsgpack, Bytes: []byte("payload")}, "here", 0, false)
	for i := range d.Bytes {
		v := bytes.Clone(d.Bytes)
		v[i] ^= 1
		_, err := b.open(task.Data{Codec: d.Codec, Bytes: v}, "here")
		if _, other := errors.AsType[*KeyError](err); !other && !errors.Is(err, task.ErrDamaged) {
			t.Errorf("byte %d changed: got %v, want %v", i, err, task.ErrDamaged)
		}
	}
	for n := range d.Bytes {
		if _, err := b.open(task.Data{Codec: d.Codec, Bytes: d.Bytes[:n]}, "here"); err == nil {
			t.Errorf("cut at %d of %d bytes: got nil, want an error", n, len(d.Bytes))
		}
	}
	if _, err := b.open(d, "there"); !errors.Is(err, task.ErrDamaged) {
		t.Errorf("moved elsewhere: got %v, want %v", err, task.ErrDamaged)
	}
	liar := boxOf(t, Config{Keys: []Key{{"first", secret(9)}}})
	if _, err := liar.open(d, "here"); !errors.Is(err, task.ErrDamaged) || !strings.Contains(err.Error(), `"first"`) {
		t.Errorf("another secret under the same ID: got %v, want %v", err, task.ErrDamaged)
	}
}

func TestTheFirstKeySealsAndAllOpen(t *testing.T) {
	t.Parallel()
	plain := task.Data{Codec: task.CodecBytes, Bytes: []byte("x")}
	before := boxOf(t, Config{Keys: []Key{first}})
	during := boxOf(t, Config{Keys: []Key{second, first}})
	after := boxOf(t, Config{Keys: []Key{second}})
	old, now := before.seal(plain, "", 0, false), during.seal(plain, "", 0, false)
	for name, b := range map[string]*box{"during": during, "after": after} {
		if _, err := b.open(now, ""); err != nil {
			t.Errorf("sealed now, opened %s: %v", name, err)
		}
	}
	if _, err := during.open(old, ""); err != nil {
		t.Errorf("sealed before, opened during the rotation: %v", err)
	}
	for d, b := range map[*task.Data]*box{&old: after, &now: before} {
		var ke *KeyError
		if _, err := b.open(*d, ""); !errors.As(err, &ke) || !strings.Contains(err.Error(), ke.Key) || ke.Key != map[*task.Data]string{&old: "first", &now: "second"}[d] {
			t.Errorf("without the key: got %v, want a KeyError that names it", err)
		}
	}
}

func TestEqualCallsAreEqualBytesOnlyWhereTheyMustBe(t *testing.T) {
	t.Parallel()
	b := boxOf(t, Config{Keys: []Key{first, second}})
	one, two := task.Data{Codec: task.CodecBytes, Bytes: []byte("1")}, task.Data{Codec: task.CodecBytes, Bytes: []byte("2")}
	same := func(a, c task.Data) bool { return bytes.Equal(a.Bytes, c.Bytes) }
	if same(b.seal(one, "", 0, false), b.seal(one, "", 0, false)) {
		t.Error("data are sealed twice the same way, though they need not be")
	}
	s := b.seal(one, "", 0, true)
	if !same(s, b.seal(one, "", 0, true)) {
		t.Error("equal calls are not equal bytes")
	}
	nonce := func(d task.Data) string { return string(d.Bytes[headLen+len("first"):][:nonceLen]) }
	for what, other := range map[string]task.Data{"data": b.seal(two, "", 0, true), "a place": b.seal(one, "there", 0, true)} {
		if nonce(other) == nonce(s) {
			t.Errorf("another %s has the same nonce under the same key", what)
		}
	}
	if same(s, b.seal(one, "", 1, true)) {
		t.Error("another key makes the same bytes")
	}
}

func TestABombIsNotUnpacked(t *testing.T) {
	t.Parallel()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, 8<<20), []byte{byte(task.CodecBytes)})
	b := boxOf(t, Config{MaxPlain: 1 << 20})
	if _, err := b.open(task.Data{Codec: task.CodecZstd, Bytes: bomb}, ""); !errors.Is(err, task.ErrDamaged) || !strings.Contains(err.Error(), "MaxPlain") {
		t.Errorf("%d bytes that become 8 MiB: got %v, want an error that names MaxPlain", len(bomb), err)
	}
	if d, err := boxOf(t, Config{}).open(task.Data{Codec: task.CodecZstd, Bytes: bomb}, ""); err != nil || len(d.Bytes) != 8<<20 {
		t.Errorf("within the limit: got %d bytes, %v", len(d.Bytes), err)
	}
	for _, v := range [][]byte{nil, {0}, {'s', 1}, {'m', 1, 2, 3}} {
		if _, err := b.open(task.Data{Codec: task.CodecZstd, Bytes: v}, ""); !errors.Is(err, task.ErrDamaged) {
			t.Errorf("%v: got %v, want %v", v, err, task.ErrDamaged)
		}
	}
}

func TestStrictRefusesWhatIsNotSealed(t *testing.T) {
	t.Parallel()
	b := boxOf(t, Config{Keys: []Key{first}, Strict: true})
	packed := boxOf(t, Config{}).seal(task.Data{Codec: task.CodecBytes, Bytes: make([]byte, 5000)}, "", 0, false)
	for _, d := range []task.Data{{Codec: task.CodecMsgpack, Bytes: []byte{1}}, packed} {
		if _, err := b.open(d, ""); !errors.Is(err, task.ErrDamaged) {
			t.Errorf("%q: got %v, want %v", d.Codec, err, task.ErrDamaged)
		}
	}
	if _, err := b.open(task.Data{}, ""); err != nil {
		t.Errorf("no data: got %v, want nil", err)
	}
}

func TestAllFaultsOfAConfigAreReported(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		c    Config
		want []string
	}{
		"keys":    {Config{Keys: []Key{{"", secret(1)}, {"a", nil}, {"a", secret(1)}}}, []string{"Keys[0]", "want 32 random ones", `"a" is given twice`}},
		"nothing": {Config{CompressAbove: -1, MaxPlain: -1, Strict: true}, []string{"nothing would be done", "MaxPlain is -1", "Strict needs Keys"}},
		"many":    {Config{Keys: make([]Key, MaxKeys+1)}, []string{"65 Keys"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newBox(tt.c)
			for _, want := range tt.want {
				if !errors.Is(err, task.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("got %v, want in it %q", err, want)
				}
			}
		})
	}
	if _, err := Wrap(nil, Config{}); !errors.Is(err, task.ErrInvalid) {
		t.Errorf("a nil broker: got %v, want %v", err, task.ErrInvalid)
	}
}
