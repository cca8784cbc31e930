package runtime

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/gomlq/mlq/task"
)

// births gives the jobs that an attempt posts their IDs. An ID depends on the
// posting job, on what is called, and on how many times the attempt has called
// the same before; so the next attempt finds what this one has posted.
//
// An ID whose post failed is given to the next equal call: a function that
// tries again, after an error that leaves open whether the job is posted, means
// the same job.
type births struct {
	mu     sync.Mutex
	posted map[digest]uint64  // how many IDs were given out
	failed map[digest][]birth // those to be given out again, oldest first
}

// digest covers what is called: the functions and the payload.
type digest = [sha256.Size]byte

// birth is one ID that was given out.
type birth struct {
	digest     digest
	occurrence uint64
	id         task.ID
	call       int // its index in the calls of a post
}

// name makes the calls those of parent, gives IDs to those without, and returns
// which these were.
func (b *births) name(parent *task.Job, calls []task.Call) []birth {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []birth
	for i := range calls {
		c := &calls[i]
		c.Parent, c.Depth = parent.ID, parent.Depth+1
		if !c.ID.IsZero() {
			b.forgive(c)
			continue
		}
		d := digestOf(c)
		n := b.next(d)
		c.ID = task.DeriveID(parent.ID, d, n, task.ClassFor(c.Spec.Retention))
		out = append(out, birth{digest: d, occurrence: n, id: c.ID, call: i})
	}
	return out
}

// plan makes the nodes of p children of parent, and gives the run its ID.
func (b *births) plan(parent *task.Job, p task.Plan) (task.Plan, []birth) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.Nodes = slices.Clone(p.Nodes)
	h := sha256.New()
	for i := range p.Nodes {
		n := &p.Nodes[i]
		n.Parent, n.Depth = parent.ID, parent.Depth+1
		d := digestOf(&n.Call)
		h.Write(d[:])
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(n.AtLeast)))
		if n.Map != nil {
			fmt.Fprintf(h, "%v", *n.Map)
		}
		for _, e := range n.Parents {
			h.Write(binary.BigEndian.AppendUint32(nil, uint32(e.From)))
			h.Write([]byte{byte(e.Accept)})
		}
	}
	p.OnExit = slices.Clone(p.OnExit)
	for i := range p.OnExit {
		p.OnExit[i].Depth = parent.Depth + 1
		d := digestOf(&p.OnExit[i])
		h.Write(d[:])
	}
	h.Write([]byte(p.Name))
	fmt.Fprintf(h, " %t %t %d", p.KeepGoing, p.Events, p.Deadline)
	if !p.ID.IsZero() {
		return p, nil
	}
	d := digest(h.Sum(nil))
	n := b.next(d)
	p.ID = task.DeriveID(parent.ID, d, n, 0)
	return p, []birth{{digest: d, occurrence: n, id: p.ID}}
}

// next returns the occurrence of the next call of d.
func (b *births) next(d digest) uint64 {
	if again := b.failed[d]; len(again) > 0 {
		b.failed[d] = again[1:]
		return again[0].occurrence
	}
	if b.posted == nil {
		b.posted = make(map[digest]uint64)
	}
	n := b.posted[d]
	b.posted[d] = n + 1
	return n
}

// forgive takes the ID of c off the failed ones: it is being posted again, as
// it is, and so is not free any more.
func (b *births) forgive(c *task.Call) {
	if len(b.failed) == 0 {
		return
	}
	d := digestOf(c)
	b.failed[d] = slices.DeleteFunc(b.failed[d], func(f birth) bool { return f.id == c.ID })
}

// fail takes the IDs of the calls from first on back.
func (b *births) fail(named []birth, first int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range named {
		if n.call < first {
			continue
		}
		if b.failed == nil {
			b.failed = make(map[digest][]birth)
		}
		b.failed[n.digest] = append(b.failed[n.digest], n)
	}
}

func digestOf(c *task.Call) digest {
	h := sha256.New()
	var size [8]byte
	for _, f := range c.Functions {
		binary.BigEndian.PutUint64(size[:], uint64(len(f)))
		h.Write(size[:])
		h.Write([]byte(f))
	}
	// No name is that long: a length of all ones ends the names.
	binary.BigEndian.PutUint64(size[:], ^uint64(0))
	h.Write(size[:])
	h.Write([]byte{byte(c.Payload.Codec)})
	h.Write(c.Payload.Bytes)
	return digest(h.Sum(nil))
}
