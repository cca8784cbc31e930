package task

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"
)

// prover is what a test and a property have in common.
type prover interface {
	Helper()
	Fatalf(format string, args ...any)
}

// roundTrip encodes and decodes v, as from a poster to a worker.
func roundTrip[T any](t prover, v T) T {
	t.Helper()
	d, err := encode(v)
	if err != nil {
		t.Fatalf("encode(%#v): %v", v, err)
	}
	got, err := decode[T](Data{d.Codec, bytes.Clone(d.Bytes)})
	if err != nil {
		t.Fatalf("decode of %#v: %v", v, err)
	}
	return got
}

func sameAfterTrip[T any](t prover, v T) {
	t.Helper()
	if got := roundTrip(t, v); !reflect.DeepEqual(got, v) {
		t.Fatalf("%#v came back as %#v", v, got)
	}
}

type inner struct {
	N    int64
	Text string `json:"t,omitempty"`
	Blob []byte
	List []inner
}

type outer struct {
	inner

	Ptr    *inner
	Names  map[string]string
	Counts map[int]uint64
	Deep   map[string][]inner
	Pair   [2]float64
	Key    [4]byte
	Flag   bool
	Took   time.Duration
	State  State
	ID     ID
}

func TestValuesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sameAfterTrip(t, rapid.Int().Draw(t, "int"))
		sameAfterTrip(t, rapid.Int8().Draw(t, "int8"))
		sameAfterTrip(t, rapid.Uint64().Draw(t, "uint64"))
		sameAfterTrip(t, rapid.Float64().Draw(t, "float64"))
		sameAfterTrip(t, rapid.Bool().Draw(t, "bool"))
		sameAfterTrip(t, rapid.String().Draw(t, "string"))
		sameAfterTrip(t, string(rapid.SliceOf(rapid.Byte()).Draw(t, "binary string")))
		sameAfterTrip(t, rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		sameAfterTrip(t, rapid.SliceOf(rapid.String()).Draw(t, "strings"))
		sameAfterTrip(t, rapid.MapOf(rapid.String(), rapid.Int()).Draw(t, "map"))
		sameAfterTrip(t, rapid.MapOf(rapid.Int(), rapid.SliceOf(rapid.String())).Draw(t, "map of lists"))
		sameAfterTrip(t, rapid.MapOf(rapid.Bool(), rapid.Ptr(rapid.Int(), true)).Draw(t, "map of pointers"))
	})
}

func TestStructsRoundTrip(t *testing.T) {
	t.Parallel()
	in := rapid.Custom(func(t *rapid.T) inner {
		return inner{
			N:    rapid.Int64().Draw(t, "n"),
			Text: rapid.String().Draw(t, "text"),
			Blob: rapid.SliceOf(rapid.Byte()).Draw(t, "blob"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		v := outer{
			inner:  in.Draw(t, "inner"),
			Ptr:    rapid.Ptr(in, true).Draw(t, "ptr"),
			Names:  rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "names"),
			Counts: rapid.MapOf(rapid.Int(), rapid.Uint64()).Draw(t, "counts"),
			Deep:   rapid.MapOf(rapid.String(), rapid.SliceOfN(in, 0, 3)).Draw(t, "deep"),
			Pair:   [2]float64{rapid.Float64().Draw(t, "x"), rapid.Float64().Draw(t, "y")},
			Key:    [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "key")),
			Flag:   rapid.Bool().Draw(t, "flag"),
			Took:   time.Duration(rapid.Int64().Draw(t, "took")),
			State:  rapid.SampledFrom(States()).Draw(t, "state"),
			ID:     drawParts(t, "id").id(),
		}
		v.List = rapid.SliceOfN(in, 0, 3).Draw(t, "list")
		sameAfterTrip(t, v)
	})
}

func TestEmptyIsNotNil(t *testing.T) {
	t.Parallel()
	sameAfterTrip(t, []int(nil))
	sameAfterTrip(t, []int{})
	sameAfterTrip(t, []string(nil))
	sameAfterTrip(t, []string{})
	sameAfterTrip(t, []byte(nil))
	sameAfterTrip(t, []byte{})
	sameAfterTrip(t, map[string]any(nil))
	sameAfterTrip(t, map[string]any{})
	sameAfterTrip(t, map[string]int(nil))
	sameAfterTrip(t, map[string]int{})
	sameAfterTrip(t, struct {
		A, B []int
		C, D []byte
		E, F map[int]int
		G, H *int
	}{B: []int{}, D: []byte{}, F: map[int]int{}, H: new(int)})
	sameAfterTrip[any](t, nil)
	sameAfterTrip[*int](t, nil)
}

func TestLargeIntegersStayExact(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{1<<53 - 1, 1 << 53, 1<<53 + 1, -(1<<53 + 1), math.MaxInt64, math.MinInt64} {
		sameAfterTrip(t, n)
		sameAfterTrip(t, map[string]int64{"n": n})
		sameAfterTrip(t, inner{N: n})
		if got := roundTrip[any](t, n); fmt.Sprint(got) != fmt.Sprint(n) {
			t.Errorf("%d came back as %v, a %T", n, got, got)
		}
	}
	sameAfterTrip(t, uint64(math.MaxUint64))
	sameAfterTrip[any](t, uint64(math.MaxUint64))
	sameAfterTrip(t, map[uint64]uint64{math.MaxUint64: 1<<53 + 1})
}

func TestTimesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		if got := roundTrip(t, v); !got.Equal(v) {
			t.Fatalf("%v came back as %v", v, got)
		}
		w := struct{ At []time.Time }{[]time.Time{v, {}}}
		if got := roundTrip(t, w); !got.At[0].Equal(v) || !got.At[1].IsZero() {
			t.Fatalf("%v came back as %v", w, got)
		}
	})
}

func TestNoneAndBytesTravelAsTheyAre(t *testing.T) {
	t.Parallel()
	if d := mustEncode(t, None{}); d.Codec != CodecNone || d.Bytes != nil {
		t.Errorf("None is encoded as %+v", d)
	}
	sameAfterTrip(t, None{})
	sameAfterTrip(t, struct{ None None }{})
	if d := mustEncode(t, []byte("raw")); d.Codec != CodecBytes || string(d.Bytes) != "raw" {
		t.Errorf("bytes are encoded as %+v", d)
	}
	if got := roundTrip[any](t, []byte("raw")); !reflect.DeepEqual(got, []byte("raw")) {
		t.Errorf("bytes in an any came back as %#v", got)
	}
	if got, err := decode[inner](Data{}); err != nil || !reflect.DeepEqual(got, inner{}) {
		t.Errorf("a struct from no data: %+v, %v, want zero", got, err)
	}
}

func TestJSONTagsServe(t *testing.T) {
	t.Parallel()
	type tagged struct {
		A int    `json:"a"`
		B string `json:"b,omitempty"`
		C int    `json:"c" msgpack:"see"`
		D string `json:"-"`
		e int
	}
	got := roundTrip[any](t, tagged{A: 1, C: 2, D: "secret", e: 3})
	if want := map[string]any{"a": int8(1), "see": int8(2)}; !reflect.DeepEqual(got, want) {
		t.Errorf("a struct with json tags is encoded as %v, want %v", got, want)
	}
	sameAfterTrip(t, tagged{A: 1, B: "b", C: 2})
}

func TestUnknownFieldsAreLeftOut(t *testing.T) {
	t.Parallel()
	d := mustEncode(t, map[string]any{"N": 7, "New": map[string]any{"at": time.Now(), "list": []any{1, "x"}}})
	got, err := decode[inner](d)
	if err != nil || got.N != 7 {
		t.Errorf("a message with a field more: %+v, %v", got, err)
	}
}

func TestRefsRoundTripInInputs(t *testing.T) {
	t.Parallel()
	type in struct {
		Job, Zero Ref[int]
		Node      Ref[string]
		Value     Ref[map[string]int]
		List      []Ref[inner]
	}
	id := NewID(1, KindLone, 1, 2, 3, 4)
	v := in{
		Job:   Handle[int]{id: id}.Ref(),
		Node:  NodeRef[string](0, MaxNodeNumber),
		Value: Value(map[string]int{"a": 1}),
		List:  []Ref[inner]{Value(inner{N: 5}), {}},
	}
	sameAfterTrip(t, v)
}

func TestRefsRefuseForeignData(t *testing.T) {
	t.Parallel()
	for what, v := range map[string]any{
		"a number":              1,
		"too short":             []any{1},
		"too long":              []any{0, nil, nil},
		"no form":               []any{"job", nil},
		"an unknown form":       []any{7, nil},
		"an element with more":  []any{4, 1},
		"one list, not two":     []any{5, []any{[]any{2, 1}}},
		"a list of no form":     []any{6, []any{[]any{2, 1}, 5}},
		"a short ID":            []any{1, []byte("short")},
		"a number for an ID":    []any{1, 5},
		"a negative node":       []any{2, -1},
		"a node beyond the run": []any{2, MaxNodeNumber + 1},
		"text for a node":       []any{2, "one"},
		"another type":          []any{3, "one"},
		"nothing, with a value": []any{0, 1},
	} {
		_, err := decode[Ref[int]](mustEncode(t, v))
		if !isInvalid(err) || strings.Contains(err.Error(), "%!") {
			t.Errorf("a Ref from %s: %v, want ErrInvalid", what, err)
		}
	}
	if got, err := decode[Ref[int]](mustEncode(t, nil)); err != nil || got != (Ref[int]{}) {
		t.Errorf("a Ref from nil: %+v, %v, want the zero Ref", got, err)
	}
}

type deep struct{ Next *deep }

type garbler []byte

func (g garbler) MarshalMsgpack() ([]byte, error) { return g, nil }

type interned struct {
	A, B string `msgpack:",intern"`
}

func TestWhatNoWorkerCouldDecodeIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	var chain *deep
	for range MaxDepth + 1 {
		chain = &deep{chain}
	}
	for what, v := range map[string]any{
		"a channel":             make(chan int),
		"a function":            func() {},
		"a complex number":      complex(1, 2),
		"one deep in a map":     map[string]any{"a": []any{1, func() {}}},
		"too deep":              chain,
		"a bad marshaler":       garbler("\xdd\xff\xff\xff\xff"),
		"a marshaler of two":    garbler("\x01\x02"),
		"a marshaler of none":   garbler(""),
		"interned strings":      interned{"long enough", "long enough"},
		"a bad value in a Ref":  Value[any](func() {}),
		"a bad key of all keys": map[any]int{complex(1, 2): 1},
	} {
		c := Declare[any, None]("t").Call(v)
		if !isInvalid(c.Err()) || !strings.Contains(c.Err().Error(), `task "t"`) {
			t.Errorf("%s: %v, want ErrInvalid that names the task", what, c.Err())
		}
	}
}

// Job IDs are derived from the bytes of the input, and idempotency compares them.
func TestEqualValuesAreEqualBytes(t *testing.T) {
	t.Parallel()
	type odd string
	typed := struct {
		Ints   map[int]string
		Odd    map[odd]map[int]bool
		Any    any
		Ref    Ref[map[float64]int]
		Plain  map[string]any
		Nested []map[[2]int]inner
	}{
		Ints: map[int]string{}, Odd: map[odd]map[int]bool{}, Ref: Value(map[float64]int{}), Plain: map[string]any{},
		Nested: []map[[2]int]inner{{}},
	}
	ref, _ := typed.Ref.Get(t.Context())
	loose := map[int]int{}
	typed.Any = loose
	for i := range 40 {
		typed.Ints[i], loose[i], ref[float64(i)] = fmt.Sprint(i), i, i
		typed.Odd[odd(fmt.Sprint(i))] = map[int]bool{1: true, 2: true, 3: true}
		typed.Plain[fmt.Sprint(i)] = map[int]int{1: i, 2: i, 300: i}
		typed.Nested[0][[2]int{i, i}] = inner{N: int64(i)}
	}
	first, err := encode(typed)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, _ := encode(typed); !bytes.Equal(again.Bytes, first.Bytes) {
			t.Fatal("one value was encoded in two ways")
		}
	}
	sameAfterTrip(t, typed.Ints)
	sameAfterTrip(t, typed.Nested)

	a := Declare[map[int]int, None]("t").Call(loose).Payload
	b := Declare[any, None]("t").Call(loose).Payload
	if !bytes.Equal(a.Bytes, b.Bytes) {
		t.Error("a map is encoded otherwise when it is in an any")
	}
}

func TestSortMapsChangesTheOrderOnly(t *testing.T) {
	t.Parallel()
	value := anything(3)
	rapid.Check(t, func(t *rapid.T) {
		v := value.Draw(t, "v")
		b, err := msgpack.Marshal(v)
		if err != nil {
			t.Skip(err)
		}
		sorted := sortMaps(b)
		if err := CheckMsgpack(sorted); err != nil || len(sorted) != len(b) {
			t.Fatalf("% x sorted is % x: %v", b, sorted, err)
		}
		if again := sortMaps(sorted); !bytes.Equal(again, sorted) {
			t.Fatalf("% x sorted again is % x", sorted, again)
		}
		x, y := slices.Sorted(slices.Values(b)), slices.Sorted(slices.Values(sorted))
		if !bytes.Equal(x, y) {
			t.Fatalf("% x sorted is % x: other bytes", b, sorted)
		}
	})
}

func TestOnlyTypesThatMayHoldMapsAreSorted(t *testing.T) {
	t.Parallel()
	type tree struct {
		Kids []tree
		Up   *tree
	}
	type leafy struct {
		tree
		M *struct{ X [1]map[int]int }
	}
	for typ, want := range map[reflect.Type]bool{
		reflect.TypeFor[int]():                      false,
		reflect.TypeFor[tree]():                     false,
		reflect.TypeFor[time.Time]():                false,
		reflect.TypeFor[[]Ref[string]]():            false,
		reflect.TypeFor[leafy]():                    true,
		reflect.TypeFor[Ref[leafy]]():               true,
		reflect.TypeFor[any]():                      true,
		reflect.TypeFor[error]():                    true,
		reflect.TypeFor[[]garbler]():                true,
		reflect.TypeFor[map[string]string]():        true,
		reflect.TypeFor[struct{ V *Result[int] }](): true,
	} {
		if got := holdsMaps(typ); got != want {
			t.Errorf("holdsMaps(%v) = %v, want %v", typ, got, want)
		}
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	var n int
	var unset *int
	tests := []struct {
		what string
		d    Data
		into any
		want string
	}{
		{"no pointer", mustEncode(t, 1), 5, "into a int, want a pointer"},
		{"nil", mustEncode(t, 1), nil, "want a pointer"},
		{"a nil pointer", mustEncode(t, 1), unset, "into a *int, want a pointer that is not nil"},
		{"no pointer for no data", Data{}, n, "want a pointer"},
		{"a nil pointer for bytes", Data{CodecBytes, []byte("x")}, (*[]byte)(nil), "want a pointer"},
		{"bytes for a number", Data{CodecBytes, []byte("x")}, &n, "plain bytes cannot be decoded into a *int"},
		{"text for a number", mustEncode(t, "x"), &n, "cannot decode into a *int"},
		{"an unknown codec", Data{'?', []byte("x")}, &n, `unknown codec '?'`},
		{"trailing bytes", Data{CodecMsgpack, []byte{1, 2}}, &n, "ends before the data does"},
		{"nil for a time", mustEncode(t, []any{nil}), new([]time.Time), "cannot decode into a *[]time.Time"},
		{"a number for an error", mustEncode(t, []any{1}), new([]error), "cannot decode into a *[]error"},
		{"a list as a key", Data{CodecMsgpack, []byte("\x81\x90\x01")}, new(map[any]any), "cannot decode into a *map"},
		{"an unknown state", mustEncode(t, "gone"), new(State), `no state is called "gone"`},
	}
	for _, tt := range tests {
		if err := tt.d.Decode(tt.into); !isInvalid(err) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want ErrInvalid with %q", tt.what, err, tt.want)
		}
	}
	if n != 0 {
		t.Errorf("a refused decode wrote %d", n)
	}
}

func TestAFailedDecodeLeavesNoTrace(t *testing.T) {
	t.Parallel()
	d := mustEncode(t, []any{1, 2, "three"})
	for range 100 { // decoders are pooled
		if got, err := decode[[]int](d); got != nil || !isInvalid(err) {
			t.Fatalf("decode of a list that is half good: %v, %v, want nil and ErrInvalid", got, err)
		}
		sameAfterTrip(t, outer{Ptr: &inner{Text: "x"}})
	}
}

// input has a field for each road through the decoder.
type input struct {
	Int     int8
	Uint    uint64
	Float   float32
	Text    string
	Bytes   []byte
	Array   [3]byte
	Floats  [2]float64
	Strings []string
	Structs []inner
	Self    *input
	Any     any
	Map     map[string]any
	Texts   map[string]string
	Odd     map[any]any
	IDs     map[ID]State
	At      time.Time
	Until   *time.Time
	Took    time.Duration
	Err     error
	Result  Result[int]
	Ref     Ref[map[string]any]
	Refs    []Ref[*input]
	Fail    Failure
	None    None
	Raw     msgpack.RawMessage
}

func FuzzDecode(f *testing.F) {
	now := time.Unix(1_767_225_600, 5)
	for _, v := range []any{
		nil, 1, "x", []any{},
		input{},
		input{
			Strings: []string{"a"}, Structs: []inner{{}, {N: 1}}, Self: &input{Text: "y"}, Any: map[string]any{"k": now},
			Map: map[string]any{"m": []any{1}}, Texts: map[string]string{"a": "b"}, Odd: map[any]any{1: "x"},
			IDs: map[ID]State{NewID(1, 0, 0, 0, 0, 0): Ready}, At: now, Until: &now, Err: errors.New("e"),
			Ref: Value(map[string]any{"k": 1}), Refs: []Ref[*input]{NodeRef[*input](0, 3)}, Raw: msgpack.RawMessage{0xc0},
		},
		map[string]any{"At": nil},
		map[string]any{"Err": 1},
		map[string]any{"Map": now},
		map[string]any{"Ref": []any{3, now}},
		map[string]any{"Odd": map[string]any{"a": []any{}}},
	} {
		f.Add(mustEncode(f, v).Bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := Data{CodecMsgpack, b}
		var v input
		var err error
		limit := 1<<20 + 4*uint64(len(b))*uint64(reflect.TypeFor[input]().Size())
		if n := allocated(func() { err = d.Decode(&v) }); n > limit {
			t.Errorf("%d bytes make the decoder allocate %d", len(b), n)
		}
		if err != nil {
			if !isInvalid(err) {
				t.Errorf("%v does not wrap ErrInvalid", err)
			}
			return
		}
		if CheckMsgpack(b) != nil {
			t.Errorf("% x is refused, but decodes", b)
		}
		again, err := encode(v)
		if err != nil {
			t.Fatalf("what % x decodes into cannot be encoded: %v", b, err)
		}
		if _, err := decode[input](again); err != nil {
			t.Errorf("% x decodes, but encoded again, % x, does not: %v", b, again.Bytes, err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	v := inner{N: 1 << 40, Text: "some text that is a hundred bytes long", Blob: make([]byte, 40)}
	b.Run("struct", func(b *testing.B) {
		for b.Loop() {
			_, _ = encode(v)
		}
	})
	m := map[string]int{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
	b.Run("map", func(b *testing.B) {
		for b.Loop() {
			_, _ = encode(m)
		}
	})
}
