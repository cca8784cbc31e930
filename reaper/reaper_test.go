package reaper

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomlq/mlq/task"
)

// store answers ticks from a list, and counts them.
type store struct {
	answers []func() (task.Ticked, error)
	ticks   int
}

func (s *store) Tick(context.Context) (task.Ticked, error) {
	s.ticks++
	if len(s.answers) == 0 {
		return task.Ticked{}, nil
	}
	f := s.answers[0]
	s.answers = s.answers[1:]
	return f()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestRunTicksAboutOnceASecondUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		r, err := New(s, Config{Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Fatalf("Run = %v, want nil", err)
		}
		if s.ticks < 54 || s.ticks > 68 {
			t.Errorf("%d ticks in a minute, want about 60", s.ticks)
		}
	})
}

func TestRunRidesOutAStoreThatCannotBeReached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		moved := task.Ticked{Sessions: 1, Lost: 3}
		fail := func() (task.Ticked, error) { return task.Ticked{}, task.ErrUnavailable }
		s := &store{answers: []func() (task.Ticked, error){fail, fail, func() (task.Ticked, error) { return moved, nil }}}
		var seen []task.Ticked
		r, err := New(s, Config{Logger: quiet(), Observe: func(t task.Ticked) { seen = append(seen, t) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Fatalf("Run = %v, want nil", err)
		}
		if len(seen) != 1 || seen[0] != moved {
			t.Errorf("observed %+v, want once %+v", seen, moved)
		}
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{Every: time.Millisecond}, {Every: time.Hour}, {Every: -1}} {
		if _, err := New(&store{}, c); !errors.Is(err, task.ErrInvalid) {
			t.Errorf("New(%v) = %v, want ErrInvalid", c.Every, err)
		}
	}
	if _, err := New(nil, Config{}); !errors.Is(err, task.ErrInvalid) {
		t.Errorf("New(nil) = %v, want ErrInvalid", err)
	}
}
