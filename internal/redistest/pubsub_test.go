package redistest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/internal/redistest"
)

// subscribe subscribes to channel and waits for the server's word on it.
func subscribe(ctx context.Context, t *testing.T, c *redis.Client, channel string) (*redis.PubSub, error) {
	t.Helper()
	sub := c.SSubscribe(ctx, channel)
	t.Cleanup(func() { _ = sub.Close() })
	_, err := sub.Receive(ctx)
	return sub, err
}

func TestSubscriptionsPassThroughTheProxy(t *testing.T) {
	t.Parallel()
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", protocol), func(t *testing.T) {
			t.Parallel()
			s := redistest.Shared(t)
			p := redistest.StartProxy(t, s.Addr())
			ctx, channel := brief(t, patience), redistest.Namespace(t)
			sub, err := subscribe(ctx, t, dial(t, p.URL(), protocol), channel)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				do(t, s, "SPUBLISH", channel, i)
			}
			for i := range 100 {
				m, err := sub.ReceiveMessage(ctx)
				if err != nil || m.Payload != fmt.Sprint(i) {
					t.Fatalf("message %d: %v, %v", i, m, err)
				}
			}
			if err := sub.SSubscribe(ctx, channel); err != nil { // a second command on the stream
				t.Fatal(err)
			}
			if m, err := sub.Receive(ctx); err != nil {
				t.Errorf("subscribe again: %v, %v", m, err)
			}
			if got := p.Names()["SSUBSCRIBE"]; got != 2 {
				t.Errorf("%d SSUBSCRIBE counted, want 2", got)
			}
		})
	}
}

func TestSubscriptionsAreCutByFaultsAndKillConns(t *testing.T) {
	t.Parallel()
	for _, mode := range []redistest.Mode{redistest.DropRequest, redistest.ApplyDropReply, redistest.ResetBefore} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			p := redistest.StartProxy(t, redistest.Shared(t).Addr())
			client, ctx, channel := dial(t, p.URL(), 3), brief(t, patience), redistest.Namespace(t)
			sub, err := subscribe(ctx, t, client, channel)
			if err != nil {
				t.Fatal(err)
			}

			p.SetFault(only("SSUBSCRIBE", mode))
			if _, err := subscribe(ctx, t, client, channel+"2"); err == nil {
				t.Error("subscribe with the fault: no error")
			}
			p.KillConns()
			if m, err := sub.Receive(ctx); err == nil {
				t.Errorf("received %v on a killed connection, want an error", m)
			}
		})
	}
}

func TestProxyDeliversPushesBetweenCommands(t *testing.T) {
	t.Parallel()
	s := redistest.Shared(t)
	p := redistest.StartProxy(t, s.Addr())
	key := redistest.Namespace(t)
	conn := newRawConn(t, p.Addr())
	conn.expect("HELLO 3", '%')
	conn.expect("CLIENT TRACKING ON", '+')
	conn.expect("GET "+key, '_')
	do(t, s, "SET", key, "v")
	conn.expect("", '>') // the invalidation, which no command asked for
	conn.expect("GET "+key, '$')
}
