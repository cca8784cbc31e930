package task

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// idParts are what an ID is composed of.
type idParts struct {
	ms        int64
	kind      Kind
	class     Class
	bucket    uint32
	number    uint32
	partition uint16
}

func (p idParts) id() ID {
	return NewID(p.ms, p.kind, p.class, p.bucket, p.number, p.partition)
}

func drawParts(t *rapid.T, label string) idParts {
	return idParts{
		ms:        rapid.Int64Range(0, 1<<48-1).Draw(t, label+" ms"),
		kind:      Kind(rapid.IntRange(0, 3).Draw(t, label+" kind")),
		class:     Class(rapid.IntRange(0, 15).Draw(t, label+" class")),
		bucket:    rapid.Uint32Range(0, bucketMask).Draw(t, label+" bucket"),
		number:    rapid.Uint32Range(0, MaxNodeNumber).Draw(t, label+" number"),
		partition: rapid.Uint16().Draw(t, label+" partition"),
	}
}

func TestIDKeepsItsPartsApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawParts(t, "p"), drawParts(t, "q")
		id := p.id()
		if id.Time().UnixMilli() != p.ms || id.Kind() != p.kind || id.Class() != p.class ||
			id.Number() != int(p.number) || id.Partition() != int(p.partition) {
			t.Fatalf("%+v became %v of %v", p, id, id.Time())
		}
		sameBucket := p.kind == q.kind && p.class == q.class && p.bucket == q.bucket
		if got := id.Bucket() == q.id().Bucket(); got != sameBucket {
			t.Fatalf("%+v and %+v: buckets equal %v, want %v", p, q, got, sameBucket)
		}
		if moved := id.WithPartition(int(q.partition)); moved.Partition() != int(q.partition) || moved.WithPartition(int(p.partition)) != id {
			t.Fatalf("WithPartition changed more than the partition: %v to %v", id, moved)
		}
	})
}

func TestIDIsAVersion7UUIDAndReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := drawParts(t, "id").id()
		if rapid.Bool().Draw(t, "derived") {
			id = DeriveID(id, [32]byte{1}, rapid.Uint64().Draw(t, "occurrence"), id.Class())
		}
		u, err := uuid.Parse(id.String())
		if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 {
			t.Fatalf("%v is version %v, variant %v (%v), want 7, RFC4122", id, u.Version(), u.Variant(), err)
		}
		back, err := ParseID(id.String())
		if err != nil || back != id {
			t.Fatalf("ParseID(%q) = %v, %v", id, back, err)
		}
		text, err := id.MarshalText()
		if err != nil || string(text) != id.String() {
			t.Fatalf("MarshalText of %v = %q, %v", id, text, err)
		}
		var read ID
		if err := read.UnmarshalText(text); err != nil || read != id {
			t.Fatalf("UnmarshalText(%q) = %v, %v", text, read, err)
		}
	})
}

func TestIDsOfALaterTimeSortLater(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawParts(t, "p"), drawParts(t, "q")
		a, b := p.id(), q.id()
		if p.ms < q.ms && bytes.Compare(a[:], b[:]) >= 0 {
			t.Fatalf("%v of %d sorts after %v of %d", a, p.ms, b, q.ms)
		}
	})
}

func TestNewIDCutsOffBitsThatDoNotFit(t *testing.T) {
	t.Parallel()
	got := NewID(1<<48|7, KindDerived+4, 0xF3, 1<<28|5, 1<<24|9, 3)
	want := NewID(7, KindDerived, 3, 5, 9, 3)
	if got != want {
		t.Errorf("NewID with bits too many = %v, want %v", got, want)
	}
}

func TestNodeAndRunAreInverse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawParts(t, "run")
		p.kind, p.number = KindRun, 0
		run := p.id()
		i := rapid.IntRange(0, MaxNodeNumber).Draw(t, "i")
		node := run.Node(i)
		if node.Kind() != KindNode || node.Number() != i || node.Run() != run {
			t.Fatalf("node %d of %v is %v: kind %d, number %d, run %v", i, run, node, node.Kind(), node.Number(), node.Run())
		}
		if node.Partition() != run.Partition() || node.Class() != run.Class() || !node.Time().Equal(run.Time()) {
			t.Fatalf("node %v does not live where and as long as its run %v", node, run)
		}
	})
	for _, kind := range []Kind{KindLone, KindRun, KindDerived} {
		if id := NewID(1, kind, 0, 0, 0, 0); !id.Run().IsZero() {
			t.Errorf("an ID of kind %d is said to be a node of %v", kind, id.Run())
		}
	}
}

func TestDerivedIDDependsOnAllItIsDerivedFrom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parent := drawParts(t, "parent").id()
		digest := sha256.Sum256([]byte(rapid.String().Draw(t, "payload")))
		n := rapid.Uint64().Draw(t, "occurrence")
		class := Class(rapid.IntRange(0, 15).Draw(t, "class"))
		id := DeriveID(parent, digest, n, class)
		if again := DeriveID(parent, digest, n, class); again != id {
			t.Fatalf("derived twice from the same: %v and %v", id, again)
		}
		if id.Kind() != KindDerived || id.Class() != class || id.Partition() != NoPartition {
			t.Fatalf("%v: kind %d, class %d, partition %d", id, id.Kind(), id.Class(), id.Partition())
		}
		if d := id.Time().Sub(parent.Time()).Abs(); d > 5*time.Hour {
			t.Fatalf("%v is %v away from its parent %v", id, d, parent)
		}

		other := parent
		bit := rapid.IntRange(0, 127).Draw(t, "bit of the parent")
		other[bit/8] ^= 1 << (bit % 8)
		changed := digest
		bit = rapid.IntRange(0, 255).Draw(t, "bit of the digest")
		changed[bit/8] ^= 1 << (bit % 8)
		for what, x := range map[string]ID{
			"parent":     DeriveID(other, digest, n, class),
			"digest":     DeriveID(parent, changed, n, class),
			"occurrence": DeriveID(parent, digest, n+1, class),
			"class":      DeriveID(parent, digest, n, class^1),
		} {
			if x == id {
				t.Fatalf("another %s derives the same ID %v", what, id)
			}
		}
	})
}

func TestSiblingsShareAFewBuckets(t *testing.T) {
	t.Parallel()
	parent := NewID(1, KindLone, 3, 1, 1, 1)
	buckets := make(map[string]bool)
	for i := range 5000 {
		buckets[DeriveID(parent, [32]byte{}, uint64(i), 3).Bucket()] = true
	}
	if len(buckets) > 256 {
		t.Errorf("5000 children lie in %d buckets, want at most 256", len(buckets))
	}
}

func TestChildrenOfOneParentDoNotCollide(t *testing.T) {
	t.Parallel()
	const n = 1_000_000
	parent := NewID(1_767_225_600_000, KindLone, 11, 42, 7, 3)
	digest := sha256.Sum256([]byte("the same call"))
	ids := make([]ID, n)
	for i := range ids {
		ids[i] = DeriveID(parent, digest, uint64(i), 11)
	}
	slices.SortFunc(ids, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	if distinct := len(slices.Compact(ids)); distinct != n {
		t.Errorf("%d of %d children have an ID of their own", distinct, n)
	}
}

func TestParseIDRefusesWhatIsNoID(t *testing.T) {
	t.Parallel()
	good := NewID(1, KindLone, 1, 2, 3, 4).String()
	if _, err := ParseID(strings.ToUpper(good)); err != nil {
		t.Errorf("ParseID in capitals: %v", err)
	}
	for what, s := range map[string]string{
		"nothing":          "",
		"one too short":    good[1:],
		"one too long":     good + "0",
		"without dashes":   strings.ReplaceAll(good, "-", ""),
		"in braces":        "{" + good + "}",
		"as a URN":         "urn:uuid:" + good,
		"spaces":           good[:35] + " ",
		"no hex digit":     good[:35] + "g",
		"dash elsewhere":   "-" + good[:35],
		"version 4":        uuid.NewString(),
		"the nil UUID":     uuid.Nil.String(),
		"the largest UUID": uuid.Max.String(),
		"another variant":  good[:19] + "0" + good[20:],
		"a megabyte":       strings.Repeat("0", 1<<20),
		"not UTF-8":        strings.Repeat("\xff", 36),
	} {
		id, err := ParseID(s)
		if !errors.Is(err, ErrBadID) || !id.IsZero() {
			t.Errorf("%s: %v, %v, want ErrBadID", what, id, err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%s: the error repeats %d bytes", what, len(err.Error()))
		}
	}
}

func TestBadTextLeavesAnIDAsItWas(t *testing.T) {
	t.Parallel()
	id := NewID(1, KindLone, 1, 2, 3, 4)
	was := id
	if err := id.UnmarshalText([]byte("nonsense")); !errors.Is(err, ErrBadID) || id != was {
		t.Errorf("UnmarshalText of nonsense: %v, and the ID is %v, was %v", err, id, was)
	}
}

func TestIDsTravelInJSON(t *testing.T) {
	t.Parallel()
	type message struct {
		ID, None ID
		Counts   map[ID]int
	}
	id := NewID(1, KindRun, 1, 2, 3, 4)
	b, err := json.Marshal(message{ID: id, Counts: map[ID]int{id: 5}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"ID":"` + id.String() + `","None":"","Counts":{"` + id.String() + `":5}}`; string(b) != want {
		t.Errorf("in JSON: %s, want %s", b, want)
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil || m.ID != id || !m.None.IsZero() || m.Counts[id] != 5 {
		t.Errorf("back from JSON: %+v, %v", m, err)
	}
}
