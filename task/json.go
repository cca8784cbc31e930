package task

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// JSON returns the payload of a job that is written as JSON: a message of a program that
// has no Go types. A typed task takes it by the names of its fields, as package
// encoding/json does: bytes in base64, integers of 64 bits as they are. The text is one
// value, in UTF-8; the error wraps [ErrInvalid].
//
// Its digest is that of the text: the same message with other blanks is another one to an
// idempotency key.
func JSON(text []byte) (Data, error) {
	if !utf8.Valid(text) {
		return Data{}, fmt.Errorf("%w: JSON is written in UTF-8, this is not; send bytes in base64", ErrInvalid)
	}
	if err := decodeJSON(text, new(json.RawMessage)); err != nil {
		return Data{}, err
	}
	return Data{CodecJSON, bytes.Clone(text)}, nil
}

// Message returns a call of functions by their names, to be posted with [PostMany] or
// [Context.Post]: they run in that order, on one worker that has them all, each with the
// payload as its input, and the result of the last is the job's. Without names all
// functions run that the worker has as listeners; see [Listener]. A typed call is better
// where the task is known: its compiler checks the input.
//
// What is wrong with it is said by [Call.Err] and by whoever is asked to post it.
func Message(payload Data, functions []string, opts ...PostOption) Call {
	c := Call{Functions: functions, Payload: payload, Spec: specified(Spec{}, opts)}
	for _, f := range functions {
		if err := CheckName("function", f); err != nil {
			c.err = err
			return c
		}
	}
	c.err = c.Spec.Validate()
	return c
}

// decodeJSON decodes one value, and refuses what follows it.
func decodeJSON(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := d.Decode(into)
	if err == nil {
		if _, rest := d.Token(); rest != io.EOF {
			err = fmt.Errorf("there is more after the value, at byte %d", d.InputOffset())
		}
	}
	if err != nil {
		return fmt.Errorf("%w: cannot decode JSON into a %T: %w", ErrInvalid, into, err)
	}
	plainNumbers(into)
	return nil
}

// plainNumbers makes numbers of those in what an untyped pointer points to: int64, else
// uint64, else float64. One that no float64 is stays a [json.Number].
func plainNumbers(into any) {
	switch p := into.(type) {
	case *any:
		*p = plain(*p)
	case *map[string]any:
		plain(*p)
	case *[]any:
		plain(*p)
	}
}

func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil && !integer(v.String()) {
			return f
		}
	}
	return v
}

// integer reports whether a number is written as one: a float64 would round it.
func integer(s string) bool {
	for _, c := range s {
		if c == '.' || c == 'e' || c == 'E' {
			return false
		}
	}
	return true
}

// UnmarshalJSON implements [json.Unmarshaler]: in a message that is written as JSON, a
// value stands where a typed program has a Ref. A null is the zero Ref.
func (r *Ref[T]) UnmarshalJSON(text []byte) error {
	*r = Ref[T]{}
	if string(text) == "null" {
		return nil
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		return err //nolint:wrapcheck // package json wraps it
	}
	*r = Value(v)
	return nil
}
