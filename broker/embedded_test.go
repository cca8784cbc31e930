package broker

import (
	"net"
	"testing"

	"github.com/gomlq/mlq/task"
)

func TestAnEmbeddedServerWithAnAddressIsReachedByOthers(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Namespace: "shared"}
	own, other := open(t, "embedded://"+addr, cfg), open(t, "redis://"+addr, cfg)
	ids, err := own.Post(t.Context(), []task.Call{{Functions: []string{"f"}}})
	if err != nil {
		t.Fatal(err)
	}
	if recs, err := other.Read(t.Context(), ids); err != nil || recs[0].State != task.Ready {
		t.Errorf("the job as another broker sees it: got %+v, %v, want it ready", recs, err)
	}
}
