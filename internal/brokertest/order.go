package brokertest

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/gomlq/mlq/task"
)

var orderStories = stories{
	"JobsOfOneListAreClaimedInTheOrderOfPosting":      fifo,
	"HighGoesBeforeNormalBeforeLow":                   priorities,
	"OnlyAWorkerWithAllFunctionsGetsAJob":             filters,
	"OnlyAWorkerWithListenersGetsJobsWithoutAFilter":  listeners,
	"HeadsOfSeveralFiltersAreTakenInTurn":             turns,
	"QueuesAreApart":                                  queues,
	"QueuesOfOneWorkerAreServedInTurn":                queueTurns,
	"AWorkerMayAskForJobsOfJobsFirstAndGetsTheNewest": children,
	"JobsOfJobsAndOthersShareAClaim":                  shares,
	"AnIdleWorkerHearsOfAJob":                         bell,
	"AWorkerThatCannotRunAJobDoesNotHoldUpOneThatCan": strangers,
}

func fifo(s *stage) {
	s.post(s.in(0, calls("f", 40)...)...)
	w := s.join()
	var got []string
	for len(got) < 40 {
		jobs := w.exchange(0, task.Exchange{Want: 7}).Jobs
		if len(jobs) == 0 {
			break
		}
		got = append(got, payloads(jobs)...)
	}
	var want []string
	for i := range 40 {
		want = append(want, strconv.Itoa(i))
	}
	wantEqual(s, "order of claims", got, want)
}

func priorities(s *stage) {
	var cs []task.Call
	for i := range 3 {
		for _, l := range []task.Level{task.Low, task.Normal, task.High} {
			c := call("f", fmt.Sprint(l, " ", i))
			c.Spec.Priority = l
			cs = append(cs, c)
		}
	}
	s.post(s.in(0, cs...)...)
	w := s.join()
	var got []string
	for range cs {
		for _, j := range w.exchange(0, task.Exchange{Want: 1}).Jobs {
			got = append(got, string(j.Payload.Bytes))
			if want := fmt.Sprint(j.Spec.Priority); want != got[len(got)-1][:len(want)] {
				s.Errorf("job %q was claimed with priority %v", j.Payload.Bytes, j.Spec.Priority)
			}
		}
	}
	wantEqual(s, "order of claims", got, []string{"1 0", "1 1", "1 2", "0 0", "0 1", "0 2", "-1 0", "-1 1", "-1 2"})
}

func filters(s *stage) {
	both := call("f", "both")
	both.Functions = []string{"f", "h"}
	id := s.post(both)[0]
	stay := s.post(call("elsewhere", ""))[0]
	only := func(fs ...string) *worker {
		return s.joinAs(task.Worker{Functions: fs, Listeners: true, LeaseTTL: long})
	}
	only("f").idle("it has f alone")
	only("h").idle("it has h alone")
	only("fh", "hf", "ff").idle("its names only look alike")
	w := only("a", "f", "h", "z")
	j := w.one()
	if j.ID != id {
		s.Errorf("claimed %v, want %v", j.ID, id)
	}
	wantEqual(s, "functions of the job", j.Functions, both.Functions)
	w.idle("nobody here has the function of the job that is left")
	s.wantState(stay, task.Ready)
}

func listeners(s *stage) {
	c := call("", "a message")
	c.Functions = nil
	id := s.post(c)[0]
	s.join().idle("it has no listeners")
	s.post(call("f", ""))
	w := s.joinAs(task.Worker{Listeners: true, LeaseTTL: long})
	if j := w.one(); j.ID != id || len(j.Functions) != 0 {
		s.Errorf("claimed %v for %v, want %v for no function", j.ID, j.Functions, id)
	}
	w.idle("it has nothing but listeners")
}

func turns(s *stage) {
	s.post(s.in(0, slices.Concat(calls("f", 10), calls("g", 10))...)...)
	w := s.join()
	count := map[string]int{}
	for i := range 5 {
		jobs := w.exchange(0, task.Exchange{Want: 2}).Jobs
		if len(jobs) != 2 || jobs[0].Functions[0] == jobs[1].Functions[0] {
			s.Errorf("claim %d of two gave %d jobs (%q), want one of each function", i, len(jobs), payloads(jobs))
		}
	}
	for range 6 {
		for _, j := range w.exchange(0, task.Exchange{Want: 1}).Jobs {
			count[j.Functions[0]]++
		}
	}
	if count["f"] < 2 || count["g"] < 2 {
		s.Errorf("six claims of one gave %v, want both functions in turn", count)
	}
}

func queues(s *stage) {
	c := call("f", "other")
	c.Spec.Queue = "other"
	id := s.post(c)[0]
	s.join().idle("it serves the default queue alone")
	w := s.joinAs(task.Worker{Queues: []string{"other"}, Functions: []string{"f"}, LeaseTTL: long})
	if j := w.one(); j.ID != id || j.Spec.Queue != "other" {
		s.Errorf("claimed %v of queue %q, want %v of other", j.ID, j.Spec.Queue, id)
	}
	s.post(call("f", "default"))
	w.idle("the job is in the default queue")
}

func queueTurns(s *stage) {
	var cs []task.Call
	for _, q := range []string{"a", "b"} {
		for _, c := range calls("f", 20) {
			c.Spec.Queue = q
			cs = append(cs, c)
		}
	}
	s.post(s.in(0, cs...)...)
	w := s.joinAs(task.Worker{Queues: []string{"a", "b"}, Functions: []string{"f"}, LeaseTTL: long})
	count := map[string]int{}
	for range 10 {
		for _, j := range w.exchange(0, task.Exchange{Want: 1}).Jobs {
			count[j.Spec.Queue]++
		}
	}
	if count["a"] < 3 || count["b"] < 3 {
		s.Errorf("ten claims gave %v, want both queues in turn", count)
	}
}

// offspring returns n calls as if job parent had posted them.
func offspring(parent task.ID, fn string, n int) []task.Call {
	cs := calls(fn, n)
	for i := range cs {
		cs[i].Parent, cs[i].Depth = parent, 1
		cs[i].Payload.Bytes = append([]byte("child "), cs[i].Payload.Bytes...)
	}
	return cs
}

func children(s *stage) {
	parent := s.in(0, call("f", "parent"))
	s.post(parent...)
	w := s.join()
	w.one()
	s.post(s.in(0, slices.Concat(calls("f", 5), offspring(parent[0].ID, "f", 5))...)...)
	got := w.exchange(0, task.Exchange{Want: 3, Children: true}).Jobs
	wantEqual(s, "first claim of children", payloads(got), []string{"child 4", "child 3", "child 2"})
	got = w.exchange(0, task.Exchange{Want: 9, Children: true}).Jobs
	wantEqual(s, "second claim of children", payloads(got), []string{"child 1", "child 0", "0", "1", "2", "3", "4"})
	for _, j := range got[:2] {
		if j.Parent != parent[0].ID || j.Depth != 1 {
			s.Errorf("child %v has parent %v and depth %d, want %v and 1", j.ID, j.Parent, j.Depth, parent[0].ID)
		}
	}
}

func shares(s *stage) {
	parent := s.in(0, call("f", "parent"))
	s.post(parent...)
	w := s.join()
	w.one()
	s.post(s.in(0, slices.Concat(calls("f", 10), offspring(parent[0].ID, "f", 10))...)...)
	for range 4 {
		n := 0
		got := w.exchange(0, task.Exchange{Want: 4}).Jobs
		for _, j := range got {
			if !j.Parent.IsZero() {
				n++
			}
		}
		if n != 2 {
			s.Errorf("a claim of 4 got %q, want 2 children", payloads(got))
		}
	}
}

func bell(s *stage) {
	w := s.join()
	for range 3 { // the first bells may tell of nothing but that it is listened to
		w.hears(task.SignalBell, func() task.ID {
			w.claim(task.MaxWant) // all there are: it is idle
			s.post(call("f", ""))
			return task.ID{}
		})
	}
	w.one()
}

func strangers(s *stage) {
	s.post(calls("elsewhere", 300)...)
	s.post(call("f", "mine"))
	if j := s.join().one(); string(j.Payload.Bytes) != "mine" {
		s.Errorf("claimed %q", j.Payload.Bytes)
	}
}
