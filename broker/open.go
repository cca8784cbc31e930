package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/gomlq/mlq/task"
)

// Settings of the client library. Its own retries are off: they would repeat a
// call without its number.
const (
	poolSize    = 10
	dialTimeout = 3 * time.Second
	callTimeout = 5 * time.Second
)

// Open connects to the Redis that rawURL names; see the package comment for the
// forms. It waits up to cfg.RetryFor for it, and refuses a server that would not
// keep what it is given.
func Open(ctx context.Context, rawURL string, cfg Config) (*Broker, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%w: broker: the URL cannot be parsed; want something like redis://localhost:6379/0", task.ErrInvalid)
	}
	open, ok := schemes[u.Scheme]
	if !ok {
		return nil, fmt.Errorf("%w: broker: unknown scheme %q; want redis, rediss, redis+sentinel, redis+cluster, unix, local or embedded", task.ErrInvalid, u.Scheme)
	}
	quiet.Do(func() { redis.SetLogger(clientLog{}) })
	cfg = cfg.withDefaults(u.Scheme == "redis+cluster" || u.Scheme == "rediss+cluster")
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return open(ctx, u, cfg)
}

// quiet sends what the client library logs, for the whole process, where our own
// log goes: it reports each failed dial, and so do we.
var quiet sync.Once

type clientLog struct{}

func (clientLog) Printf(ctx context.Context, format string, args ...any) {
	slog.Default().DebugContext(ctx, "mlq: redis client", "said", fmt.Sprintf(format, args...))
}

var schemes = map[string]func(context.Context, *url.URL, Config) (*Broker, error){
	"redis": openSingle, "rediss": openSingle, "unix": openSingle,
	"redis+sentinel": openSentinel, "rediss+sentinel": openSentinel,
	"redis+cluster": openCluster, "rediss+cluster": openCluster,
	"embedded": openEmbedded, "local": openLocal,
}

func openSingle(ctx context.Context, u *url.URL, cfg Config) (*Broker, error) {
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, badURL(u, err)
	}
	setTLS(&o.TLSConfig, cfg)
	o.Protocol, o.DisableIdentity, o.MaxRetries = 2, true, -1
	o.PoolSize, o.DialTimeout, o.ReadTimeout, o.WriteTimeout = poolSize, dialTimeout, callTimeout, callTimeout
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = noNotifications()
	return connect(ctx, redis.NewClient(o), cfg)
}

func openSentinel(ctx context.Context, u *url.URL, cfg Config) (*Broker, error) {
	o, err := redis.ParseFailoverURL(plainScheme(u))
	if err == nil && o.MasterName == "" {
		err = errors.New("no master_name=… in it")
	}
	if err != nil {
		return nil, badURL(u, err)
	}
	setTLS(&o.TLSConfig, cfg)
	o.Protocol, o.DisableIdentity, o.MaxRetries = 2, true, -1
	o.PoolSize, o.DialTimeout, o.ReadTimeout, o.WriteTimeout = poolSize, dialTimeout, callTimeout, callTimeout
	o.ContextTimeoutEnabled = true
	return connect(ctx, redis.NewFailoverClient(o), cfg)
}

func openCluster(ctx context.Context, u *url.URL, cfg Config) (*Broker, error) {
	o, err := redis.ParseClusterURL(plainScheme(u))
	if err != nil {
		return nil, badURL(u, err)
	}
	setTLS(&o.TLSConfig, cfg)
	o.Protocol, o.DisableIdentity, o.MaxRetries = 2, true, -1
	o.PoolSize, o.DialTimeout, o.ReadTimeout, o.WriteTimeout = poolSize, dialTimeout, callTimeout, callTimeout
	o.ContextTimeoutEnabled = true
	o.MaintNotificationsConfig = noNotifications()
	return connect(ctx, redis.NewClusterClient(o), cfg)
}

// noNotifications keeps the client library from asking for push messages that
// only one vendor's servers send.
func noNotifications() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// plainScheme returns u as the client library's parsers take it.
func plainScheme(u *url.URL) string {
	v := *u
	v.Scheme, _, _ = strings.Cut(v.Scheme, "+")
	return v.String()
}

func setTLS(dst **tls.Config, cfg Config) {
	if cfg.TLS != nil {
		*dst = cfg.TLS.Clone()
	}
}

// badURL says what is wrong with a URL without repeating its password.
func badURL(u *url.URL, err error) error {
	return fmt.Errorf("%w: broker: %s: %w", task.ErrInvalid, u.Redacted(), err)
}

// connect checks the server behind rdb and makes a broker of it.
func connect(ctx context.Context, rdb redis.UniversalClient, cfg Config, closers ...func() error) (*Broker, error) {
	b, err := newBroker(cfg, rdb, dialect{}, "")
	if err != nil {
		return nil, err
	}
	b.closers = closers
	if err := b.check(ctx); err != nil {
		_ = b.Close()
		return nil, err
	}
	return b, nil
}
