package runtime

import "sync/atomic"

// maxIdleRunners bounds the goroutines kept for attempts to come.
const maxIdleRunners = 256

// runners are goroutines that run attempts one after the other. A goroutine that
// has run one has a stack that is large enough for the next: to grow it anew
// for each takes longer than all else that a worker does for a job.
type runners struct {
	work chan *attempt // to an idle one
	quit chan struct{} // closed when the worker has ended
	idle atomic.Int64
}

func newRunners() *runners {
	return &runners{work: make(chan *attempt), quit: make(chan struct{})}
}

// start runs a on an idle goroutine, or on a new one.
func (r *runners) start(a *attempt) {
	select {
	case r.work <- a:
	default:
		go r.run(a)
	}
}

// run runs a, and then what comes. A task function that ends its goroutine ends
// this one.
func (r *runners) run(a *attempt) {
	for a != nil {
		a.run()
		a = r.next()
	}
}

// next waits for the next attempt; nil if there are enough who wait already.
func (r *runners) next() *attempt {
	defer r.idle.Add(-1)
	if r.idle.Add(1) > maxIdleRunners {
		return nil
	}
	select {
	case a := <-r.work:
		return a
	case <-r.quit:
		return nil
	}
}
