package task

import (
	"bytes"
	"fmt"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"
)

// one is a value of each msgpack type, by the byte it begins with.
var one = map[string]string{
	"positive fixint": "\x00",
	"largest fixint":  "\x7f",
	"negative fixint": "\xe0",
	"nil":             "\xc0",
	"false":           "\xc2",
	"true":            "\xc3",
	"fixstr":          "\xa3abc",
	"empty fixstr":    "\xa0",
	"fixarray":        "\x92\x01\xa1a",
	"empty fixarray":  "\x90",
	"fixmap":          "\x82\xa1a\x01\xa1b\x90",
	"empty fixmap":    "\x80",
	"bin 8":           "\xc4\x02ab",
	"bin 16":          "\xc5\x00\x02ab",
	"bin 32":          "\xc6\x00\x00\x00\x02ab",
	"str 8":           "\xd9\x02ab",
	"str 16":          "\xda\x00\x02ab",
	"str 32":          "\xdb\x00\x00\x00\x02ab",
	"float 32":        "\xca\x00\x00\x00\x00",
	"float 64":        "\xcb\x00\x00\x00\x00\x00\x00\x00\x00",
	"uint 8":          "\xcc\xff",
	"uint 16":         "\xcd\xff\xff",
	"uint 32":         "\xce\xff\xff\xff\xff",
	"uint 64":         "\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
	"int 8":           "\xd0\xff",
	"int 16":          "\xd1\xff\xff",
	"int 32":          "\xd2\xff\xff\xff\xff",
	"int 64":          "\xd3\xff\xff\xff\xff\xff\xff\xff\xff",
	"array 16":        "\xdc\x00\x02\x01\x02",
	"array 32":        "\xdd\x00\x00\x00\x02\x01\x02",
	"map 16":          "\xde\x00\x01\xa1a\x01",
	"map 32":          "\xdf\x00\x00\x00\x01\xa1a\x01",
	"timestamp 32":    "\xd6\xff\x00\x00\x00\x01",
	"timestamp 64":    "\xd7\xff\x00\x00\x00\x01\x00\x00\x00\x01",
	"timestamp 96":    "\xc7\x0c\xff\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01",
}

func TestCheckMsgpackTakesEachTypeWholeAndNeverCutShort(t *testing.T) {
	t.Parallel()
	for name, s := range one {
		for _, in := range []struct{ what, before, after string }{
			{"alone", "", ""},
			{"in a list", "\x93\x01", "\x02"},
			{"as the value of a map", "\x81\xa1k", ""},
		} {
			whole := []byte(in.before + s + in.after)
			if err := CheckMsgpack(whole); err != nil {
				t.Errorf("%s %s, % x: %v", name, in.what, whole, err)
			}
			for n := range whole {
				if err := CheckMsgpack(whole[:n]); !isInvalid(err) {
					t.Errorf("%s %s cut to % x: %v, want ErrInvalid", name, in.what, whole[:n], err)
				}
			}
			if err := CheckMsgpack(append(whole, 0)); !isInvalid(err) || !strings.Contains(err.Error(), "ends before") {
				t.Errorf("%s %s and a byte more: %v, want ErrInvalid", name, in.what, err)
			}
		}
	}
}

func TestCheckMsgpackRefusesHostileData(t *testing.T) {
	t.Parallel()
	for what, s := range map[string]string{
		"nothing":                      "",
		"the byte that is no type":     "\xc1",
		"it in a list":                 "\x91\xc1",
		"4 GiB of bytes":               "\xc6\xff\xff\xff\xff",
		"4 GiB of text":                "\xdb\xff\xff\xff\xff",
		"4 GiB of list":                "\xdd\xff\xff\xff\xff",
		"4 GiB of map":                 "\xdf\xff\xff\xff\xff",
		"4 GiB of extension":           "\xc9\xff\xff\xff\xff\xff",
		"2 GiB, the sign of an int32":  "\xc6\x80\x00\x00\x00",
		"64 KiB of list":               "\xdc\xff\xff\x01",
		"a map that lacks a value":     "\x81\xa1a",
		"a map twice as long":          "\xde\x00\x02\xa1a\x01",
		"a list longer than the rest":  "\x94\x91\x01\x01",
		"each list as long as allowed": strings.Repeat("\xdd\x00\x00\x00\x08", 4) + "\x01\x01\x01\x01\x01\x01\x01\x01",
		"an extension of type 5":       "\xd4\x05\x00",
		"an interned string":           "\xd4\x80\x00",
		"two values":                   "\x01\x02",
		"lists without end":            strings.Repeat("\x91", 1<<20),
		"maps without end":             strings.Repeat("\x81\xa0", 1<<20),
	} {
		began := time.Now()
		err := CheckMsgpack([]byte(s))
		if !isInvalid(err) {
			t.Errorf("%s: %v, want ErrInvalid", what, err)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("%s took %v", what, d)
		}
	}
}

func TestCheckMsgpackAllowsMaxDepthAndNoMore(t *testing.T) {
	t.Parallel()
	for what, open := range map[string]string{"lists": "\x91", "maps": "\x81\xa1k"} {
		at := strings.Repeat(open, MaxDepth) + "\xc0"
		if err := CheckMsgpack([]byte(at)); err != nil {
			t.Errorf("%d %s: %v", MaxDepth, what, err)
		}
		var v any
		if err := (Data{CodecMsgpack, []byte(at)}).Decode(&v); err != nil {
			t.Errorf("decoding %d %s: %v", MaxDepth, what, err)
		}
		err := CheckMsgpack([]byte(open + at))
		if !isInvalid(err) || !strings.Contains(err.Error(), "deeper than 1000") {
			t.Errorf("%d %s: %v, want ErrInvalid", MaxDepth+1, what, err)
		}
	}
	wide := "\xdd\x00\x01\x00\x00" + strings.Repeat("\x91\x91\xc0", 1<<16)
	if err := CheckMsgpack([]byte(wide)); err != nil {
		t.Errorf("a list of 65536 lists, three deep: %v", err)
	}
}

// anything draws a value that the encoder takes, nested at most depth deep.
func anything(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Bool().AsAny(),
		rapid.Int64().AsAny(),
		rapid.Uint64().AsAny(),
		rapid.Int8().AsAny(),
		rapid.Float32().AsAny(),
		rapid.Float64().AsAny(),
		rapid.String().AsAny(),
		rapid.SliceOf(rapid.Byte()).AsAny(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 30, 300), func(b []byte) any { return string(b) }),
		rapid.Custom(func(t *rapid.T) any {
			return time.Unix(rapid.Int64().Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		}),
	)
	if depth == 0 {
		return leaf
	}
	deeper := anything(depth - 1)
	return rapid.OneOf(
		leaf,
		rapid.SliceOfN(deeper, 0, 20).AsAny(),
		rapid.MapOfN(rapid.String(), deeper, 0, 20).AsAny(),
		rapid.MapOfN(rapid.Int(), deeper, 0, 20).AsAny(),
		rapid.MapOf(rapid.String(), rapid.Int()).AsAny(),
		rapid.Map(deeper, func(v any) any { return Value(v) }),
		rapid.Map(deeper, func(v any) any { return struct{ A, B any }{v, 1} }),
	)
}

func TestCheckMsgpackAgreesWithTheEncoder(t *testing.T) {
	t.Parallel()
	value := anything(3)
	rapid.Check(t, func(t *rapid.T) {
		v := value.Draw(t, "v")
		var buf bytes.Buffer
		enc := msgpack.NewEncoder(&buf)
		enc.UseCompactInts(rapid.Bool().Draw(t, "compact"))
		enc.UseArrayEncodedStructs(rapid.Bool().Draw(t, "structs as lists"))
		if err := enc.Encode(v); err != nil {
			t.Fatalf("msgpack does not encode %#v: %v", v, err)
		}
		b := buf.Bytes()
		if err := CheckMsgpack(b); err != nil {
			t.Fatalf("%#v, encoded as % x: %v", v, b, err)
		}
		n := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if CheckMsgpack(b[:n]) == nil {
			t.Fatalf("% x is accepted after %d of %d bytes", b, n, len(b))
		}
		d, err := Encode(v)
		if err != nil {
			t.Fatalf("Encode(%#v): %v", v, err)
		}
		if d.Codec == CodecMsgpack && CheckMsgpack(d.Bytes) != nil {
			t.Fatalf("Encode(%#v) = % x, which CheckMsgpack refuses", v, d.Bytes)
		}
	})
}

// Where it expects a map, the decoder takes the body of an extension for one.
// None of these lengths may be believed.
func TestTimestampsAreNotTakenForMaps(t *testing.T) {
	bodies := []string{
		"\xd6\xff\xdf\xff\xff\xff",                                                             // seconds that read as the head of a huge map
		"\xd7\xff\xdf\xff\xff\xff\xff\x00\x00\x00",                                             //
		"\xd7\xff\xdf\x00\x0f\xff\xff\x00\x00\x00",                                             // one that is allowed to be allocated
		"\xd7\xff\xde\xff\xff\x00\x00\x00\x00\x00",                                             //
		"\xc7\x0c\xff\x81\xa1k\xdf\xff\xff\xff\xff\x00\x00\x00\x00",                            // a small map with a huge one in it
		"\xc7\x0c\xff\x81\xa1k\xdd\xff\xff\xff\xff\x00\x00\x00\x00",                            // with a huge list in it
		"\xc7\x20\xff\xdf\xff\xff\xff\xff" + strings.Repeat("\x00", 27),                        // a timestamp too long
		"\xc8\x00\x05\xff\xdf\xff\xff\xff\xff", "\xc9\x00\x00\x00\x05\xff\xdf\xff\xff\xff\xff", //
	}
	for _, body := range bodies {
		for name, target := range map[string]func() any{
			"map[string]any":      func() any { return new(map[string]any) },
			"map[string]string":   func() any { return new(map[string]string) },
			"map[int]int":         func() any { return new(map[int]int) },
			"map[any]any":         func() any { return new(map[any]any) },
			"*map[string]any":     func() any { return new(*map[string]any) },
			"struct":              func() any { return new(struct{ M map[string]any }) },
			"[]map[string]any":    func() any { return new([]map[string]any) },
			"Ref[map[string]any]": func() any { return new(Ref[map[string]any]) },
		} {
			data := body
			switch name {
			case "struct":
				data = "\x81\xa1M" + body
			case "[]map[string]any":
				data = "\x91" + body
			case "Ref[map[string]any]":
				data = "\x92\x03" + body
			}
			d := Data{CodecMsgpack, []byte(data)}
			var err error
			if n := allocated(func() { err = d.Decode(target()) }); n > 1<<20 {
				t.Errorf("% x into a %s allocates %d bytes", data, name, n)
			}
			if !isInvalid(err) {
				t.Errorf("% x into a %s: %v, want ErrInvalid", data, name, err)
			}
		}
	}
}

// allocated returns roughly how many bytes f allocates, if nothing else runs.
func allocated(f func()) uint64 {
	before := allocs()
	f()
	return allocs() - before
}

func allocs() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func FuzzCheckMsgpack(f *testing.F) {
	for _, s := range one {
		f.Add([]byte(s))
	}
	f.Add([]byte("\xdd\xff\xff\xff\xff"))
	f.Add([]byte("\x91\xd7\xff\xdf\x00\x0f\xff\xff\x00\x00\x00"))
	f.Add([]byte("\x82\xa1b\x02\xa1a\x83\xa0\xc0\xa1a\xd6\xff\x00\x00\x00\x01\xa1b\x90"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := Data{CodecMsgpack, b}
		var v any
		var err error
		if n := allocated(func() { err = d.Decode(&v) }); n > 1<<20+uint64(128*len(b)) {
			t.Errorf("%d bytes make the decoder allocate %d", len(b), n)
		}
		if err != nil && !isInvalid(err) {
			t.Errorf("%v does not wrap ErrInvalid", err)
		}
		if refused := CheckMsgpack(b); refused != nil && err == nil {
			t.Errorf("% x is refused (%v), but decodes into %#v", b, refused, v)
		}
		if err != nil {
			return
		}
		first := mustEncode(t, v)
		var again any
		if err := first.Decode(&again); err != nil {
			t.Fatalf("%#v, encoded as % x, does not decode: %v", v, first.Bytes, err)
		}
		if second := mustEncode(t, again); !bytes.Equal(first.Bytes, second.Bytes) {
			t.Errorf("%#v is encoded as % x,\nand decoded and encoded again as % x", v, first.Bytes, second.Bytes)
		}
	})
}

func mustEncode(tb testing.TB, v any) Data {
	tb.Helper()
	d, err := Encode(v)
	if err != nil {
		tb.Fatalf("Encode(%#v): %v", v, err)
	}
	return d
}

func BenchmarkCheckMsgpack(b *testing.B) {
	for _, n := range []int{1, 100} {
		d := mustEncode(b, map[string]any{"list": make([]int, n), "text": strings.Repeat("x", n)})
		b.Run(fmt.Sprintf("%dB", len(d.Bytes)), func(b *testing.B) {
			for b.Loop() {
				if err := CheckMsgpack(d.Bytes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
