package task

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetentionIsRoundedUpToAClass(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	tests := []struct{ asked, kept time.Duration }{
		{0, DefaultRetention},
		{1, time.Minute},
		{time.Minute, time.Minute},
		{time.Minute + 1, 5 * time.Minute},
		{5 * time.Minute, 5 * time.Minute},
		{time.Hour - 1, time.Hour},
		{25 * time.Hour, 2 * day},
		{7 * day, 7 * day},
		{7*day + 1, 14 * day},
		{90 * day, 90 * day},
		{366 * day, 366 * day},
		{366*day + 1, Forever},
		{1<<63 - 1, Forever},
		{Forever, Forever},
		{-1 << 63, Forever},
	}
	for _, tt := range tests {
		if got := ClassFor(tt.asked).Duration(); got != tt.kept {
			t.Errorf("ClassFor(%v) keeps %v, want %v", tt.asked, got, tt.kept)
		}
	}
}

func TestNothingIsKeptShorterThanAsked(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		asked := time.Duration(rapid.Int64Min(1).Draw(t, "asked"))
		c := ClassFor(asked)
		if kept := c.Duration(); kept != Forever && kept < asked {
			t.Fatalf("ClassFor(%v) keeps %v", asked, kept)
		}
		if c > 1 && (c-1).Duration() >= asked {
			t.Fatalf("ClassFor(%v) = %d, but %d would do", asked, c, c-1)
		}
		if ClassFor(c.Duration()) != c {
			t.Fatalf("class %d is not its own class", c)
		}
	})
}

func TestClassOfTooManyBitsIsSafe(t *testing.T) {
	t.Parallel()
	if got, want := Class(0xFF).Duration(), Class(0x0F).Duration(); got != want {
		t.Errorf("Class(0xFF) keeps %v, want %v", got, want)
	}
}
