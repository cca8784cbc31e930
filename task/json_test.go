package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gomlq/mlq/task"
)

func ExampleMessage() {
	payload, err := task.JSON([]byte(`{"to": "ann@example.com", "lines": []}`))
	if err != nil {
		panic(err)
	}
	c := task.Message(payload, []string{"render", "send"}, task.Queue("mail"))
	fmt.Println(c.Functions, c.Err())
	// Output: [render send] <nil>
}

func TestJSONReachesATypedInputAsItWas(t *testing.T) {
	t.Parallel()
	type inner struct {
		At time.Time `json:"at"`
	}
	type input struct {
		Big    int64            `json:"big"`
		Huge   uint64           `json:"huge"`
		Rate   float64          `json:"rate"`
		Bytes  []byte           `json:"bytes"`
		Empty  []string         `json:"empty"`
		Absent []string         `json:"absent"`
		Null   *inner           `json:"null"`
		Inner  inner            `json:"inner"`
		Ref    task.Ref[int64]  `json:"ref"`
		NoRef  task.Ref[string] `json:"no_ref"`
		Any    any              `json:"any"`
	}
	d, err := task.JSON([]byte(`{"big": 9007199254740993, "huge": 18446744073709551615, "rate": 0.1, "bytes": "AP8Q", "empty": [],
		"null": null, "inner": {"at": "2026-01-02T03:04:05Z"}, "ref": 9007199254740993, "no_ref": null, "any": 9007199254740993}`))
	if err != nil {
		t.Fatal(err)
	}
	var got input
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	ref, err := got.Ref.Get(context.Background())
	if err != nil || ref != 9007199254740993 {
		t.Errorf("the Ref is %d, %v", ref, err)
	}
	if _, err := got.NoRef.Get(context.Background()); !errors.Is(err, task.ErrInvalid) {
		t.Errorf("the Ref that was null: %v", err)
	}
	got.Ref, got.NoRef = task.Ref[int64]{}, task.Ref[string]{}
	want := input{
		Big: 9007199254740993, Huge: math.MaxUint64, Rate: 0.1, Bytes: []byte{0, 0xff, 0x10}, Empty: []string{},
		Inner: inner{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, Any: json.Number("9007199254740993"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestJSONWithoutATypeKeepsItsNumbers(t *testing.T) {
	t.Parallel()
	d, err := task.JSON([]byte(`[9007199254740993, 18446744073709551615, -1, 0.5, 1e3, 100000000000000000000, {"n": 1}, null, "s", true]`))
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := []any{
		int64(9007199254740993), uint64(math.MaxUint64), int64(-1), 0.5, 1000.0, json.Number("100000000000000000000"),
		map[string]any{"n": int64(1)}, nil, "s", true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestWhatIsNoJSONIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "{", `{"a":1} 2`, `[1,]`, "nul", "\xff", "\"\xff\"", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)} {
		if _, err := task.JSON([]byte(text)); !errors.Is(err, task.ErrInvalid) {
			t.Errorf("JSON(%.20q): %v, want ErrInvalid", text, err)
		}
	}
	var n struct{ N int }
	d, err := task.JSON([]byte(`{"N": "one"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(&n); !errors.Is(err, task.ErrInvalid) || !strings.Contains(err.Error(), "N") {
		t.Errorf("a string where a number should be: %v", err)
	}
}

func TestAMessageSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	d := task.Data{Codec: task.CodecBytes, Bytes: []byte("hello")}
	for name, c := range map[string]task.Call{
		"a bad name":   task.Message(d, []string{"good", "not good"}),
		"a bad option": task.Message(d, nil, task.Queue("not good")),
	} {
		if err := c.Err(); !errors.Is(err, task.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	c := task.Message(d, []string{"a", "b"}, task.Queue("q"), task.Priority(task.High))
	if err := c.Err(); err != nil || c.Spec.Queue != "q" || len(c.Functions) != 2 || c.Spec.Priority != task.High {
		t.Errorf("the message is %+v, %v", c, err)
	}
}
