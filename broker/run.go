package broker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/task"
)

// ErrDenied is returned when Redis refuses the user: a wrong password, or an ACL
// without a command, key or channel that the broker needs. For clients and workers
// of namespace NS it is (on one line)
//
//	ACL SETUSER mlq on >SECRET ~mlq:NS:meta ~mlq:{NS:* resetchannels &mlq:{NS:* -@all
//	  +info +time +select +ping +eval +evalsha +subscribe +unsubscribe +publish
//	  +del +exists +get +set +pexpire +hdel +hexists +hget +hgetall +hincrby +hlen +hmget
//	  +hscan +hset +hsetnx +llen +lpop +lpush +lrange +persist +rpop +rpush +sadd +scard +smembers +spop +xadd +xrange
//	  +srandmember +srem +unlink +zadd +zcard +zrange +zrangebyscore +zrank +zrem
//	  +zremrangebyscore +zscore
//
// A Redis Cluster needs +cluster|slots +spublish +ssubscribe +sunsubscribe as well,
// and [Broker.Fsck], [Broker.Jobs] and [Broker.Clear] +scan +type +pttl +sscan +zscan +unlink.
var ErrDenied = errors.New("broker: redis refuses this user; check its password, and that its ACL allows what the documentation of broker.ErrDenied lists")

// ErrReadOnly is returned, with [task.ErrUnavailable], while Redis takes no
// writes: it is a replica, or cannot persist.
var ErrReadOnly = errors.New("broker: redis takes no writes")

// ErrLoading is returned, with [task.ErrUnavailable], while Redis loads its data.
var ErrLoading = errors.New("broker: redis is loading its data")

// Pauses between tries of one call.
const (
	retryMin = 10 * time.Millisecond
	retryMax = time.Second
)

// eval runs a script on partition p, and again while Redis is out of reach or
// cannot serve: every script may be applied several times.
func (b *Broker) eval(ctx context.Context, s *script, p int, args ...any) (any, error) {
	words, _ := wordsPool.Get().(*[]any)
	*words = append((*words)[:0], "evalsha", s.sha, 1, b.prefixes[p])
	*words = append(*words, args...)
	var res any
	err := b.retry(ctx, s.name, func() (err error) {
		if res, err = b.roundTrip(ctx, *words); redis.HasErrorPrefix(err, "NOSCRIPT") {
			whole := slices.Clone(*words)
			whole[0], whole[1] = "eval", s.text
			res, err = b.roundTrip(ctx, whole)
		}
		return err
	})
	clear(*words)
	wordsPool.Put(words)
	return res, err
}

// wordsPool has room for the words of commands, which are many where batches are large.
var wordsPool = sync.Pool{New: func() any { return new([]any) }}

// roundTrip sends one command.
func (b *Broker) roundTrip(ctx context.Context, words []any) (any, error) {
	cmd := redis.NewCmd(ctx, words...)
	_ = b.rdb.Process(ctx, cmd) // the command has the error
	return cmd.Result()
}

// retry calls f until it succeeds, fails for good, or RetryFor has passed.
func (b *Broker) retry(ctx context.Context, what string, f func() error) error {
	deadline := time.Now().Add(b.cfg.RetryFor)
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		err := f()
		if err == nil || errors.Is(err, redis.Nil) {
			return err
		}
		again, err := classify(err)
		if ctx.Err() != nil {
			return fmt.Errorf("broker: %s: %w: %w", what, ended(ctx), err)
		}
		if !again || time.Now().After(deadline) {
			return fmt.Errorf("broker: %s: %w", what, err)
		}
		t := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("broker: %s: %w: %w", what, ended(ctx), err)
		case <-t.C:
		}
	}
}

// ended returns why ctx has ended: an error that is ctx's and not its cause's,
// since that may be one of the very errors that calls return for other reasons.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w (%v)", ctx.Err(), cause) //nolint:errorlint // on purpose: the cause must not match
	}
	return ctx.Err()
}

// classify maps an error of the client library to one of ours, and says whether
// the same call may succeed a little later. Redis tells its errors apart by the
// first word of their text; there is nothing else to go by.
func classify(err error) (again bool, _ error) {
	text := err.Error()
	switch {
	case errors.Is(err, redis.ErrClosed):
		return false, fmt.Errorf("%w: %w", errClosed, err)
	case !isReply(err):
		return true, fmt.Errorf("%w: %w", task.ErrUnavailable, err)
	case strings.HasPrefix(text, "LOADING"):
		return true, fmt.Errorf("%w: %w: %w", task.ErrUnavailable, ErrLoading, err)
	case contains(text, "READONLY", "MISCONF", "NOREPLICAS"):
		return true, fmt.Errorf("%w: %w: %w", task.ErrUnavailable, ErrReadOnly, err)
	case contains(text, "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "MOVED", "ASK", "max number of clients"):
		return true, fmt.Errorf("%w: %w", task.ErrUnavailable, err)
	case contains(text, "OOM", "allow-oom"):
		return false, fmt.Errorf("%w: raise maxmemory, or let finished work expire sooner: %w", task.ErrFull, err)
	case contains(text, "NOAUTH", "WRONGPASS", "NOPERM", "No permissions", "The user executing the script"):
		return false, fmt.Errorf("%w: %w", ErrDenied, err)
	default:
		return false, fmt.Errorf("%w: %w", task.ErrDamaged, err)
	}
}

// isReply reports whether err is an answer of Redis, not a failure to get one.
func isReply(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok && !errors.Is(err, redis.TxFailedErr)
}

// contains reports whether text has one of the words: an error that was raised
// within a script may be wrapped in another's text.
func contains(text string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// answer is what most scripts return: a status word and what goes with it.
type answer struct {
	status string
	rest   []any
}

func (b *Broker) ask(ctx context.Context, s *script, p int, args ...any) (answer, error) {
	res, err := b.eval(ctx, s, p, args...)
	if err != nil {
		return answer{}, err
	}
	list, ok := res.([]any)
	if ok && len(list) > 0 {
		if status, ok := list[0].(string); ok {
			return answer{status, list[1:]}, nil
		}
	}
	return answer{}, fmt.Errorf("broker: %s: %w: unexpected reply %T", s.name, task.ErrDamaged, res)
}

// statusErr maps the status words of scripts to errors.
func statusErr(script, status string) error {
	switch status {
	case "OK", "LATER":
		return nil
	case "GONE":
		return task.ErrGone
	case "LOST":
		return task.ErrLeaseLost
	case "CONFLICT":
		return task.ErrConflict
	case "STALE":
		return fmt.Errorf("broker: %s: %w: overtaken by a later call", script, task.ErrUnavailable)
	default:
		return fmt.Errorf("broker: %s: %w: unknown status %q", script, task.ErrDamaged, status)
	}
}

// str returns part i of the answer as a string, "" if it has none.
func (a answer) str(i int) string {
	if i < len(a.rest) {
		if s, ok := a.rest[i].(string); ok {
			return s
		}
	}
	return ""
}

// list returns part i of the answer as a list, nil if it has none.
func (a answer) list(i int) []any {
	if i < len(a.rest) {
		l, _ := a.rest[i].([]any)
		return l
	}
	return nil
}

// num returns part i of the answer as a number, 0 if it has none.
func (a answer) num(i int) int {
	if i < len(a.rest) {
		if n, ok := a.rest[i].(int64); ok {
			return int(n)
		}
	}
	return 0
}
