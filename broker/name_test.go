package broker

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gomlq/mlq/task"
)

func TestNamesOfNodesAreStoredAsOthersWouldStoreThem(t *testing.T) {
	t.Parallel()
	id := task.NewID(1, task.KindRun, 1, 0, 0, 0).Node(3)
	for _, c := range []struct{ name, want string }{
		{"", "train"},
		{"train", "train"},
		{"train-2", "train-2"},
		{"fold-1/train", "fold-1/train"},
		{"a name\n", "a name\n"},
		{strings.Repeat("n", 31), ""}, {strings.Repeat("n", 32), ""}, {strings.Repeat("n", task.MaxNodeName), ""},
		{"train" + strings.Repeat("n", 31), ""}, {"train" + strings.Repeat("n", 32), ""},
	} {
		if c.want == "" {
			c.want = c.name
		}
		for what, call := range map[string]task.Call{
			"alone": {ID: id}, "with options": {ID: id, Spec: task.Spec{MaxAttempts: 3}},
		} {
			call.Functions, call.Payload = []string{"train"}, task.Data{Codec: task.CodecBytes, Bytes: []byte("in")}
			v, err := encodeJob(&call, &planned{name: c.name}, pendName(&call), "")
			must(t, err)
			j, _, err := decodeJob(id, string(v))
			must(t, err)
			if j.Name != c.want || string(j.Payload.Bytes) != "in" || j.Spec.MaxAttempts != call.Spec.MaxAttempts {
				t.Errorf("%q %s: got %q, want %q; the job is %+v", c.name, what, j.Name, c.want, j)
			}
			m := metaOf(&call, &planned{name: c.name})
			if m.empty() {
				continue
			}
			ours, err := encodeMeta(m)
			must(t, err)
			library, err := marshalMeta(m)
			must(t, err)
			if !bytes.Equal(ours, library) {
				t.Errorf("%q %s: stored as %q, by the library as %q", c.name, what, ours, library)
			}
		}
	}
	lone := task.Call{ID: task.NewID(1, task.KindLone, 1, 0, 0, 0), Functions: []string{"train"}}
	v, err := encodeJob(&lone, nil, pendName(&lone), "")
	must(t, err)
	if j, _, err := decodeJob(lone.ID, string(v)); err != nil || j.Name != "" {
		t.Errorf("a job of no run is called %q, %v", j.Name, err)
	}
}
