package brokertest

import (
	"slices"

	"github.com/gomlq/mlq/task"
)

var rejoinStories = stories{
	"AWorkerIsGivenJobsOfWhatItHasLearned": learns,
	"AWorkerIsNotGivenJobsOfWhatItHasNot":  forgets,
	"OnlyASessionThatLivesSaysWhatItCanDo": learnsInVain,
}

// can says anew what a worker can do.
func (w *worker) can(functions ...string) {
	w.s.Helper()
	err := w.s.b.Rejoin(w.s.ctx, w.id, task.Worker{Name: w.s.Name(), Queues: []string{task.DefaultQueue}, Functions: functions, LeaseTTL: long})
	if err != nil {
		w.s.Fatalf("Rejoin: %v", err)
	}
}

func learns(s *stage) {
	w := s.join()
	s.post(call("f", "1"), call("h", "2"))
	first := w.one()
	w.idle("nobody serves h")
	w.can("f", "g", "h")
	w.succeed(first) // it keeps what it has
	w.succeed(w.one())
	w.idle("nothing is left") // and so it is to be woken
	w.hears(task.SignalBell, func() task.ID {
		s.post(call("h", "3"))
		return task.ID{}
	})
	w.succeed(w.one())
}

func forgets(s *stage) {
	w, other := s.join(), s.join()
	w.can("f")
	id := s.post(call("g", "1"))[0]
	w.idle("it does not serve g any more")
	other.succeed(other.one())
	s.wantState(id, task.Succeeded)
}

func learnsInVain(s *stage) {
	w := s.join()
	w.leave()
	err := s.b.Rejoin(s.ctx, w.id, task.Worker{Name: "w", Queues: []string{"q"}, Functions: []string{"f"}, LeaseTTL: long})
	s.wantErr(err, task.ErrGone, "Rejoin of a session that has left")
	err = s.b.Rejoin(s.ctx, s.join().id, task.Worker{Name: "w", Queues: []string{"a,b"}, LeaseTTL: long})
	s.wantErr(err, task.ErrInvalid, "Rejoin with a bad queue")
}

var watchStories = stories{
	"EventsTellWhatBecomesOfEachNode": eventsTell,
	"EventsGoOnAfterANumber":          eventsAfter,
	"APlanThatDoesNotAskHasNoEvents":  eventsUnasked,
	"APausedRunStartsNothing":         pauses,
	"ARunThatHasEndedIsNotPaused":     pausedInVain,
}

// events returns all events of a run from the one after a number on, in one list.
func (s *stage) events(id task.RunID, after uint64) (all []task.Event) {
	s.Helper()
	for {
		es, err := s.b.Events(s.ctx, id, after)
		if err != nil {
			s.Fatalf("Events: %v", err)
		}
		if len(es) == 0 {
			return all
		}
		for _, e := range es {
			if after++; e.Seq != after {
				s.Fatalf("event %d comes where %d is due", e.Seq, after)
			}
		}
		all = append(all, es...)
	}
}

// told returns how each node stands at last, and the run, from its events.
func told(es []task.Event) (nodes map[int]task.State, run task.State) {
	nodes = map[int]task.State{}
	for _, e := range es {
		if e.OfRun() {
			run = e.State
		} else {
			nodes[e.Node] = e.State
		}
	}
	return nodes, run
}

func eventsTell(s *stage) {
	p := abc()
	p.Events = true
	id := s.submit(p)
	w := s.join()
	w.succeed(w.take(2)...)
	w.succeed(w.one())
	s.wantRun(id, task.Succeeded)
	es := s.events(id, 0)
	nodes, run := told(es)
	for n := range p.Nodes {
		if nodes[n] != task.Succeeded {
			s.Errorf("the events leave node %d %v", n, nodes[n])
		}
	}
	if run != task.Succeeded || !es[len(es)-1].OfRun() {
		s.Errorf("the events leave the run %v, and end with %+v", run, es[len(es)-1])
	}
	at := func(node int, state task.State) int {
		return slices.IndexFunc(es, func(e task.Event) bool { return e.Node == node && e.State == state })
	}
	if c := at(2, task.Running); at(2, task.Ready) > c || at(0, task.Succeeded) > c || at(1, task.Succeeded) > c || c < 0 {
		s.Errorf("c is told to run before it was ready, or its parents had succeeded: %+v", es)
	}
}

func eventsAfter(s *stage) {
	p := abc()
	p.Events = true
	id := s.submit(p)
	before := s.events(id, 0)
	last := before[len(before)-1].Seq
	if es := s.events(id, last); len(es) != 0 {
		s.Errorf("there are %+v after the last event", es)
	}
	w := s.join()
	w.succeed(w.take(2)...)
	after := s.events(id, last)
	if len(after) == 0 || after[0].Seq != last+1 {
		s.Fatalf("the events after %d are %+v", last, after)
	}
	if all := s.events(id, 0); !slices.Equal(all, slices.Concat(before, after)) {
		s.Errorf("read at once the events are %+v", all)
	}
}

func eventsUnasked(s *stage) {
	id, w, a, b := s.begin()
	w.succeed(a, b)
	if es := s.events(id, 0); len(es) != 0 {
		s.Errorf("there are %+v", es)
	}
	s.cancel(id)
}

// pause pauses a run, and asks how it stands then.
func (s *stage) pause(id task.RunID, want task.State) {
	s.Helper()
	if state, err := s.b.Pause(s.ctx, id); err != nil || state != want {
		s.Fatalf("Pause: %v, %v; want %v", state, err, want)
	}
}

func pauses(s *stage) {
	id, w, a, b := s.begin()
	for range 2 { // the second time it is paused already
		s.pause(id, task.Running)
	}
	if r := s.run(id); !r.Paused || r.State != task.Running {
		s.Errorf("the paused run is %+v", r)
	}
	w.succeed(a, b) // what runs ends
	w.idle("the run is paused")
	if state, err := s.b.Resume(s.ctx, id); err != nil || state != task.Running {
		s.Fatalf("Resume: %v, %v; want running", state, err)
	}
	if r := s.run(id); r.Paused {
		s.Errorf("the resumed run is %+v", r)
	}
	w.succeed(w.one())
	s.wantRun(id, task.Succeeded)
}

func pausedInVain(s *stage) {
	id, w, a, b := s.begin()
	w.succeed(a, b)
	w.succeed(w.one())
	s.pause(id, task.Succeeded)
	if r := s.run(id); r.Paused || r.State != task.Succeeded {
		s.Errorf("the run is %+v", r)
	}
}
