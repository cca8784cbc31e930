package task

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSpecReportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	headers := make(map[string]string)
	for i := range MaxHeaders + 1 {
		headers[strings.Repeat("h", i+1)] = "v"
	}
	s := Spec{
		Queue:          "no queue",
		Priority:       7,
		MaxAttempts:    -1,
		Timeout:        -1,
		BackoffMin:     -2,
		BackoffMax:     -3,
		Delay:          -1,
		UniqueKey:      strings.Repeat("k", MaxKeyLen+1),
		IdempotencyKey: "fine",
		Headers:        headers,
	}
	err := s.Validate()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("Validate of a spec that is all wrong: %v", err)
	}
	for _, e := range joined.Unwrap() {
		if !isInvalid(e) {
			t.Errorf("%v does not wrap ErrInvalid", e)
		}
	}
	for _, want := range []string{"queue", "Priority", "MaxAttempts", "Timeout", "Backoff", "Delay", "key", "headers"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the fault in %s is not in the report:\n%v", want, err)
		}
	}
}

func TestSpecLimits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		spec Spec
		want string // in the error; "" if the spec is good
	}{
		{Spec{}, ""},
		{Spec{Queue: strings.Repeat("q", MaxNameLen)}, ""},
		{Spec{Queue: "{q}"}, "the queue name"},
		{Spec{Priority: Low}, ""},
		{Spec{Priority: High}, ""},
		{Spec{Priority: -2}, "Priority is -2"},
		{Spec{MaxAttempts: MaxMaxAttempts}, ""},
		{Spec{MaxAttempts: MaxMaxAttempts + 1}, "MaxAttempts is 10001"},
		{Spec{Timeout: 1}, ""},
		{Spec{BackoffMin: time.Second, BackoffMax: time.Second}, ""},
		{Spec{BackoffMin: 2 * time.Second, BackoffMax: time.Second}, "Backoff begins with 2s"},
		{Spec{BackoffMin: DefaultBackoffMax + 1}, "above its maximum of 10m0s"},
		{Spec{BackoffMax: time.Millisecond}, ""},
		{Spec{Retention: Forever}, ""},
		{Spec{Delay: MaxDelay}, ""},
		{Spec{Delay: MaxDelay + 1}, "Delay"},
		{Spec{UniqueKey: strings.Repeat("k", MaxKeyLen)}, ""},
		{Spec{IdempotencyKey: strings.Repeat("k", MaxKeyLen+1)}, "key is longer"},
		{Spec{Headers: map[string]string{"h": strings.Repeat("v", MaxHeaderBytes-1)}}, ""},
		{Spec{Headers: map[string]string{"h": strings.Repeat("v", MaxHeaderBytes)}}, "1 headers with 8193 bytes"},
	}
	for _, tt := range tests {
		err := tt.spec.Validate()
		if tt.want == "" && err != nil || tt.want != "" && (!isInvalid(err) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("Validate of %.200v: %v, want %q", tt.spec, err, tt.want)
		}
	}
}

func TestWithDefaultsPrefersTheNearer(t *testing.T) {
	t.Parallel()
	under := Spec{
		Queue: "under", Priority: High, MaxAttempts: 7, Timeout: time.Minute,
		BackoffMin: 2 * time.Second, BackoffMax: time.Minute, Retention: time.Hour,
		Delay: time.Hour, UniqueKey: "u", IdempotencyKey: "i", Headers: map[string]string{"a": "b"},
	}
	defaults := Spec{
		Queue: DefaultQueue, MaxAttempts: DefaultMaxAttempts,
		BackoffMin: DefaultBackoffMin, BackoffMax: DefaultBackoffMax, Retention: DefaultRetention,
	}
	inherited := under
	inherited.Delay, inherited.UniqueKey, inherited.IdempotencyKey, inherited.Headers = 0, "", "", nil
	own := Spec{
		Queue: "own", Priority: Low, MaxAttempts: 1, Timeout: time.Second,
		BackoffMin: 3 * time.Second, BackoffMax: 4 * time.Second, Retention: Forever, Delay: 5,
	}
	tests := []struct {
		what           string
		s, under, want Spec
	}{
		{"nothing given", Spec{}, Spec{}, defaults},
		{"nothing of its own", Spec{}, under, inherited},
		{"all of its own", own, under, own},
		{"a long first pause over a short last one", Spec{BackoffMin: 5 * time.Minute}, Spec{BackoffMax: time.Minute},
			with(defaults, 5*time.Minute, 5*time.Minute)},
		{"a short last pause over a long first one", Spec{BackoffMax: time.Second}, Spec{BackoffMin: time.Minute},
			with(defaults, time.Second, time.Second)},
		{"a last pause below the default of the first", Spec{BackoffMax: time.Millisecond}, Spec{},
			with(defaults, time.Millisecond, time.Millisecond)},
		{"the same, inherited", Spec{}, Spec{BackoffMax: time.Millisecond},
			with(defaults, time.Millisecond, time.Millisecond)},
	}
	for _, tt := range tests {
		if got := tt.s.WithDefaults(tt.under); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.what, got, tt.want)
		}
	}
}

func with(s Spec, shortest, longest time.Duration) Spec {
	s.BackoffMin, s.BackoffMax = shortest, longest
	return s
}

func TestDefaultsOfGoodSpecsAreGood(t *testing.T) {
	t.Parallel()
	backoff := rapid.SampledFrom([]time.Duration{0, 1, time.Millisecond, time.Second, time.Minute, 10 * time.Minute, time.Hour})
	draw := func(t *rapid.T, label string) Spec {
		s := Spec{
			Priority:    Level(rapid.IntRange(-1, 1).Draw(t, label+" priority")),
			MaxAttempts: rapid.IntRange(0, 3).Draw(t, label+" attempts"),
			BackoffMin:  backoff.Draw(t, label+" min"),
			BackoffMax:  backoff.Draw(t, label+" max"),
		}
		if s.Validate() != nil {
			t.Skip("not a good spec")
		}
		return s
	}
	rapid.Check(t, func(t *rapid.T) {
		s, under := draw(t, "s"), draw(t, "under")
		got := s.WithDefaults(under)
		if err := got.Validate(); err != nil {
			t.Fatalf("%+v over %+v: %v", s, under, err)
		}
		if again := got.WithDefaults(under); !reflect.DeepEqual(again, got) {
			t.Fatalf("filled in twice: %+v, then %+v", got, again)
		}
		if s.BackoffMax != 0 && got.BackoffMax != s.BackoffMax || s.BackoffMax == 0 && s.BackoffMin != 0 && got.BackoffMin != s.BackoffMin {
			t.Fatalf("%+v over %+v: what was given is not in %+v", s, under, got)
		}
	})
}
