package broker

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// openEmbedded starts a server in this process. It keeps nothing, and is for
// examples, tests and trying things out. Others reach it if u names an address.
func openEmbedded(ctx context.Context, u *url.URL, cfg Config) (*Broker, error) {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr(cmp.Or(u.Host, "127.0.0.1:0")); err != nil {
		return nil, fmt.Errorf("%w: broker: embedded server: %w", task.ErrUnavailable, err)
	}
	cfg.Logger.Info("mlq: embedded redis; it ends with this process and keeps nothing", "addr", m.Addr())
	rdb := redis.NewClient(&redis.Options{
		Addr: m.Addr(), Protocol: 2, DisableIdentity: true, MaxRetries: -1, PoolSize: poolSize,
		ReadTimeout: callTimeout, WriteTimeout: callTimeout, ContextTimeoutEnabled: true,
		MaintNotificationsConfig: noNotifications(),
	})
	b, err := connect(ctx, rdb, cfg, func() error { m.Close(); return nil })
	if err != nil {
		return nil, err
	}
	b.spawn(func() { age(b.life, m) })
	return b, nil
}

// age lets keys expire: the embedded server has no clock for it.
func age(ctx context.Context, m *miniredis.Miniredis) {
	last := time.Now()
	for ctx.Err() == nil {
		sleep(ctx, time.Second)
		now := time.Now()
		m.FastForward(now.Sub(last))
		last = now
	}
}
