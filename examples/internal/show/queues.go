package show

import (
	"context"
	"net"
)

// Queues returns the URL by which this process has the queue at redis, and that by which
// the processes that it starts reach it. If redis is empty the queue is one in this
// process.
func Queues(ctx context.Context, redis string) (own, others string, err error) {
	if redis != "" {
		return redis, redis, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	free := l.Addr().String()
	return "embedded://" + free, "redis://" + free, l.Close()
}
