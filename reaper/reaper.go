// Package reaper moves what time moves: it wakes delayed jobs, gives back the
// jobs of silent workers, goes on with large releases, and removes dead letters
// that have outlived their retention.
//
// Every worker does the same once a second; a reaper of its own is for times
// when no worker runs, or for workers that were told not to. Any number of both
// may run at once: the broker lets each partition be ticked once a second.
package reaper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/gomlq/mlq/task"
)

// Store is what a reaper needs of a broker.
type Store interface {
	Tick(ctx context.Context) (task.Ticked, error)
}

// Config says how a reaper works. The zero value works.
type Config struct {
	// Every is the pause between ticks, give or take a tenth. Default 1s, 10ms to
	// 1min; delays and recoveries are late by up to as much.
	Every time.Duration

	// Observe is called after each tick that moved something, from the reaper's
	// goroutine.
	Observe func(task.Ticked)

	// Logger gets a line when jobs of lost workers were taken back, and when the
	// store cannot be reached. Default [slog.Default].
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Every = cmp.Or(c.Every, time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func (c Config) validate() error {
	if c.Every < 10*time.Millisecond || c.Every > time.Minute {
		return fmt.Errorf("%w: reaper: Every is %v, want 10ms to 1m", task.ErrInvalid, c.Every)
	}
	return nil
}

// Reaper ticks a store. Make one with [New].
type Reaper struct {
	store Store
	cfg   Config
}

// New returns a reaper of a store.
func New(s Store, c Config) (*Reaper, error) {
	if s == nil {
		return nil, fmt.Errorf("%w: reaper: no store", task.ErrInvalid)
	}
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return &Reaper{store: s, cfg: c}, nil
}

// Run ticks until ctx ends, and returns nil then. It rides out a store that
// cannot be reached. It may be called by several goroutines.
func (r *Reaper) Run(ctx context.Context) error {
	down := false
	for {
		t, err := r.store.Tick(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end
		}
		r.report(t)
		if err != nil && !down {
			r.cfg.Logger.Error("mlq: the reaper cannot tick; it goes on trying", "error", err)
		}
		if err == nil && down {
			r.cfg.Logger.Info("mlq: the reaper ticks again")
		}
		down = err != nil && !errors.Is(err, context.Canceled)
		pause := r.cfg.Every - r.cfg.Every/10 + rand.N(r.cfg.Every/5)
		t0 := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t0.Stop()
			return nil
		case <-t0.C:
		}
	}
}

func (r *Reaper) report(t task.Ticked) {
	if t == (task.Ticked{}) {
		return
	}
	if t.Sessions+t.Lost > 0 {
		r.cfg.Logger.Warn("mlq: workers were lost", "sessions", t.Sessions, "jobs", t.Lost, "poisoned", t.Poisoned)
	}
	if r.cfg.Observe != nil {
		r.cfg.Observe(t)
	}
}
