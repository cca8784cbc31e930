package broker

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gomlq/mlq/task"
)

// Config says how a broker keeps its jobs. The zero value works.
type Config struct {
	// Namespace keeps the jobs of several systems on one Redis apart. Default
	// "mlq_default"; see [task.CheckName] for what is allowed.
	Namespace string

	// Partitions is over how many hash tags the jobs are spread, 1 to 1024. It is
	// fixed when the namespace is first used; another number is refused later.
	// Default 1, on Cluster 16.
	Partitions int

	// MaxPayload and MaxResult bound the encoded input and output of one job, in
	// bytes. Default 8 MiB, at most 256 MiB: Redis serves nobody else while it
	// copies one. Larger things are better stored elsewhere and named.
	MaxPayload int
	MaxResult  int
	// MaxPlanBytes bounds the inputs of all nodes of one plan, in bytes: all of them are
	// in the memory of who submits it, twice. Default 256 MiB, at most 1 GiB.
	MaxPlanBytes int

	// MaxStored bounds one piece of data that is stored with [task.Store], in bytes.
	// Default 64 MiB: Redis keeps all of it in memory. At most 1 GiB. It goes there and
	// back in chunks of 1 MiB.
	MaxStored int

	// DeadRetention is how long dead letters are kept. Default 90 days, at least
	// a minute; [task.Forever] keeps them until they are deleted.
	DeadRetention time.Duration

	// Poison is how many sessions a job may cost while it runs alone before it
	// becomes a dead letter. Default 3, 1 to 100.
	Poison int

	// RetryFor is how long a call goes on trying while Redis cannot be reached or
	// cannot serve, if its context allows. Default 5s, at most 5min: posts are
	// remembered for twice that, so that they are never doubled.
	RetryFor time.Duration

	// AllowEviction lets the broker use a Redis whose maxmemory-policy is not
	// noeviction: it may then throw away jobs and results when memory is short.
	AllowEviction bool

	// TLS replaces the TLS settings that follow from a rediss:// URL.
	TLS *tls.Config

	// Logger gets what is worth a line. Default [slog.Default].
	Logger *slog.Logger
}

// Limits of a [Config] and of single calls.
const (
	DefaultNamespace     = "mlq_default"
	DefaultMaxData       = 8 << 20
	DefaultDeadRetention = 90 * 24 * time.Hour
	DefaultPoison        = 3
	DefaultRetryFor      = 5 * time.Second
	ClusterPartitions    = 16

	MaxPartitions = 1024
	MaxData       = 256 << 20
	MaxRetryFor   = 5 * time.Minute

	DefaultMaxStored = 64 << 20
	MaxStored        = 1 << 30

	DefaultMaxPlanBytes = 256 << 20
	MaxPlanBytes        = 1 << 30

	// MaxPlanNodes bounds a plan: a node takes some 400 bytes of Redis.
	MaxPlanNodes = 1_000_000
)

func (c Config) withDefaults(cluster bool) Config {
	partitions := 1
	if cluster {
		partitions = ClusterPartitions
	}
	c.Namespace = cmp.Or(c.Namespace, DefaultNamespace)
	c.Partitions = cmp.Or(c.Partitions, partitions)
	c.MaxPayload = cmp.Or(c.MaxPayload, DefaultMaxData)
	c.MaxResult = cmp.Or(c.MaxResult, DefaultMaxData)
	c.MaxPlanBytes = cmp.Or(c.MaxPlanBytes, DefaultMaxPlanBytes)
	c.MaxStored = cmp.Or(c.MaxStored, DefaultMaxStored)
	c.DeadRetention = cmp.Or(c.DeadRetention, DefaultDeadRetention)
	c.Poison = cmp.Or(c.Poison, DefaultPoison)
	c.RetryFor = cmp.Or(c.RetryFor, DefaultRetryFor)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: broker: "+format, append([]any{task.ErrInvalid}, args...)...))
	}
	if err := task.CheckName("namespace", c.Namespace); err != nil {
		errs = append(errs, err)
	}
	if c.Partitions < 1 || c.Partitions > MaxPartitions {
		bad("Partitions is %d, want 1 to %d", c.Partitions, MaxPartitions)
	}
	if c.MaxPayload < 1 || c.MaxPayload > MaxData {
		bad("MaxPayload is %d, want 1 to %d", c.MaxPayload, MaxData)
	}
	if c.MaxResult < 1 || c.MaxResult > MaxData {
		bad("MaxResult is %d, want 1 to %d", c.MaxResult, MaxData)
	}
	if c.MaxPlanBytes < 1 || c.MaxPlanBytes > MaxPlanBytes {
		bad("MaxPlanBytes is %d, want 1 to %d", c.MaxPlanBytes, MaxPlanBytes)
	}
	if c.MaxStored < 1 || c.MaxStored > MaxStored {
		bad("MaxStored is %d, want 1 to %d", c.MaxStored, MaxStored)
	}
	if c.DeadRetention < time.Minute && c.DeadRetention != task.Forever {
		bad("DeadRetention is %v, want at least 1m, or task.Forever", c.DeadRetention)
	}
	if c.Poison < 1 || c.Poison > 100 {
		bad("Poison is %d, want 1 to 100", c.Poison)
	}
	if c.RetryFor < 0 || c.RetryFor > MaxRetryFor {
		bad("RetryFor is %v, want up to %v", c.RetryFor, MaxRetryFor)
	}
	return errors.Join(errs...)
}
