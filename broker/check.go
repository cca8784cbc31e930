package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// schemaVersion is the version of what lies in Redis. It changes when an older
// broker would misread what a newer one has stored.
const schemaVersion = 1

// Errors of Open.
var (
	// ErrVersion says that the server is older than Redis 6.2.
	ErrVersion = errors.New("broker: the server is too old; want Redis 6.2 or Valkey 7.2 at least")
	// ErrEviction says that the server may throw away jobs when memory is short.
	ErrEviction = errors.New("broker: the server's maxmemory-policy may throw away jobs; set it to noeviction, or Config.AllowEviction")
	// ErrSchema says that the namespace was made by another version, or with other settings.
	ErrSchema = errors.New("broker: the namespace was made differently")
)

// maxSkew is how far apart the clocks may be before it is worth a warning. All
// deadlines are Redis' own, so nothing breaks.
const maxSkew = 5 * time.Second

// check looks at the server and the namespace, and adapts the broker to them.
func (b *Broker) check(ctx context.Context) error {
	var info string
	err := b.retry(ctx, "connect", func() (err error) {
		info, err = b.rdb.Info(ctx).Result()
		return err
	})
	if err != nil {
		return err
	}
	d, err := b.checkServer(parseInfo(info))
	if err != nil {
		return err
	}
	if b.scripts, err = loadScripts(d, b.clock); err != nil {
		return err
	}
	b.inbox = newInbox(b, d.sharded)
	if err := b.checkClock(ctx); err != nil {
		return err
	}
	return b.checkSchema(ctx)
}

func parseInfo(info string) map[string]string {
	m := make(map[string]string)
	for line := range strings.Lines(info) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			m[k] = v
		}
	}
	return m
}

// checkServer judges what the server says of itself; where it hides something,
// the benefit of the doubt is the server's.
func (b *Broker) checkServer(info map[string]string) (dialect, error) {
	var d dialect
	major, minor, known := version(info["redis_version"])
	if known && (major < 6 || major == 6 && minor < 2) {
		return d, fmt.Errorf("%w: it is %s", ErrVersion, info["redis_version"])
	}
	switch policy := info["maxmemory_policy"]; {
	case policy == "" || policy == "noeviction":
	case b.cfg.AllowEviction:
		b.log.Warn("mlq: redis may evict jobs", "maxmemory_policy", policy)
	default:
		return d, fmt.Errorf("%w: it is %s", ErrEviction, policy)
	}
	_, clustered := b.rdb.(*redis.ClusterClient)
	if info["cluster_enabled"] == "1" && !clustered {
		return d, fmt.Errorf("%w: the server is part of a cluster; use redis+cluster://", task.ErrInvalid)
	}
	d.shebang = known && major >= 7
	d.sharded = d.shebang && clustered
	d.deaf = clustered && !d.sharded
	return d, nil
}

func version(s string) (major, minor int, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err1 == nil && err2 == nil
}

// checkClock learns how far Redis' clock is from ours, so that IDs carry its time.
func (b *Broker) checkClock(ctx context.Context) error {
	return b.retry(ctx, "clock", func() error {
		before := time.Now()
		at, err := b.rdb.Time(ctx).Result()
		if err != nil {
			return err
		}
		skew := at.Sub(before.Add(time.Since(before) / 2))
		b.skew.Store(int64(skew))
		if skew.Abs() > maxSkew {
			b.log.Warn("mlq: this machine's clock and redis' are apart; deadlines are redis' own", "redis_ahead", skew)
		}
		return nil
	})
}

// checkSchema makes sure that all who use the namespace mean the same by it.
func (b *Broker) checkSchema(ctx context.Context) error {
	key := metaKey(b.cfg.Namespace)
	var got map[string]string
	err := b.retry(ctx, "schema", func() error {
		err := b.rdb.HSetNX(ctx, key, "schema", schemaVersion).Err()
		if err == nil {
			err = b.rdb.HSetNX(ctx, key, "partitions", b.cfg.Partitions).Err()
		}
		if err != nil {
			return err
		}
		got, err = b.rdb.HGetAll(ctx, key).Result()
		return err
	})
	if err != nil {
		return err
	}
	if got["schema"] != strconv.Itoa(schemaVersion) {
		return fmt.Errorf("%w: namespace %q has schema %s, this program knows %d; use the program's matching version, or another namespace", ErrSchema, b.cfg.Namespace, got["schema"], schemaVersion)
	}
	if got["partitions"] != strconv.Itoa(b.cfg.Partitions) {
		return fmt.Errorf("%w: namespace %q has %s partitions, Config.Partitions is %d; they cannot be changed later", ErrSchema, b.cfg.Namespace, got["partitions"], b.cfg.Partitions)
	}
	return nil
}
