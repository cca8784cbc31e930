package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gomlq/mlq/task"
)

// A scenario takes a broker once through everything it does, in an order that is
// always the same, as a client and a worker would: calls that cannot be answered
// are repeated. What jobs do is said by their payloads, which also name them.
type scenario struct {
	b    *Broker
	w    *hand
	ids  map[string]task.ID
	runs []task.RunID
	done map[string]int // how often each job was begun
	said []string       // what the broker answered, where it matters
}

// inRuns are the plans of the scenario, and alone the jobs that run by themselves.
var (
	alone  = []string{"plain", "unique", "idem", "delayed", "retry", "snooze", "release", "note", "waited", "fail"}
	inRuns = []string{"a", "b", "c", "map", "reduced", "broken", "well"}
)

// play runs the scenario on b. It returns the story, to be told.
func play(ctx context.Context, b *Broker) (*scenario, error) {
	s := &scenario{b: b, ids: map[string]task.ID{}, done: map[string]int{}}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"lose", s.lose}, {"store", s.store}, {"post", s.post}, {"submit", s.submit}, {"schedule", s.schedule}, {"cancel", s.cancel}, {"work", s.work}, {"dead", s.dead}, {"end", s.end},
	} {
		if err := step.do(ctx); err != nil {
			return s, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return s, nil
}

func (s *scenario) say(format string, args ...any) {
	s.said = append(s.said, fmt.Sprintf(format, args...))
}

// lose lets a session be lost with a job.
func (s *scenario) lose(ctx context.Context) (err error) {
	if s.w, err = joinHand(ctx, s.b); err != nil {
		return err
	}
	ids, err := s.b.Post(ctx, []task.Call{fCall("lost")})
	if err != nil {
		return err
	}
	s.ids["lost"] = ids[0]
	w, err := joinHand(ctx, s.b)
	if err != nil {
		return err
	}
	jobs, err := w.claim(ctx, 1)
	if err != nil {
		return err
	}
	s.say("the session that is lost has %d job", len(jobs))
	if err := s.b.Leave(ctx, w.id); err != nil {
		return err
	}
	_, err = s.b.Tick(ctx)
	return err
}

// store stores data in chunks, replaces it, reads it, and deletes other data.
func (s *scenario) store(ctx context.Context) error {
	s.b.chunk = 1000
	q := task.WithPort(ctx, s.b)
	for _, text := range []string{"old", "new"} {
		if _, err := task.Store(q, []byte(strings.Repeat(text, 1000)), task.Key("k")); err != nil {
			return err
		}
	}
	data, err := task.Fetch(q, "k")
	if err != nil {
		return err
	}
	s.say("data of %d bytes: %.6s", len(data), data)
	key, err := task.Store(q, []byte("small"))
	if err != nil {
		return err
	}
	if err := task.DeleteData(q, key); err != nil {
		return err
	}
	_, err = task.Fetch(q, key)
	s.say("what was deleted is gone: %t", errors.Is(err, task.ErrUnknown))
	return nil
}

func (s *scenario) post(ctx context.Context) error {
	var cs []task.Call
	for _, name := range append(alone, "ready", "far") {
		c := fCall(name)
		switch name {
		case "unique":
			c.Spec.UniqueKey = "k"
		case "idem":
			c.Spec.IdempotencyKey = "k"
		case "delayed":
			c.Spec.Delay = time.Millisecond
		case "far":
			c.Spec.Delay = time.Hour
		case "waited":
			c.Notify = true
		}
		cs = append(cs, c)
	}
	ids, err := s.b.Post(ctx, cs)
	if err != nil {
		return err
	}
	for i, id := range ids {
		s.ids[string(cs[i].Payload.Bytes)] = id
	}
	again, err := s.b.Post(ctx, []task.Call{cs[1], cs[2]})
	if err != nil {
		return err
	}
	s.say("keys answer with their jobs: %t", again[0] == s.ids["unique"] && again[1] == s.ids["idem"])
	c := fCall("another payload")
	c.Spec.IdempotencyKey = "k"
	_, err = s.b.Post(ctx, []task.Call{c})
	s.say("another payload is a conflict: %t", errors.Is(err, task.ErrConflict))
	return nil
}

func (s *scenario) submit(ctx context.Context) error {
	node := func(name string, parents ...int) task.Node {
		return task.Node{Call: fCall(name), Parents: task.After(parents...)}
	}
	for _, plan := range []task.Plan{
		{Name: "abc", Nodes: []task.Node{node("a"), node("b"), node("c", 0, 1)}, OnExit: []task.Call{fCall("exit")}},
		{Name: "fails", KeepGoing: true, Nodes: []task.Node{node("broken"), node("well"), node("skipped", 0, 1)}},
		{Name: "mapped", Nodes: []task.Node{{Call: fCall("map"), Map: &task.Map{Over: task.List{Form: task.ListValue, Value: []byte{0x90}}}}, node("reduced", 0)}},
		{Name: "cancelled", Nodes: []task.Node{node("gone"), node("gone too", 0)}},
	} {
		id, err := s.b.Submit(ctx, plan)
		if err != nil {
			return err
		}
		s.runs = append(s.runs, id)
		for i, n := range plan.Nodes {
			s.ids[string(n.Payload.Bytes)] = id.Node(i)
		}
	}
	return nil
}

// schedule makes schedules: one is fired, after it was paused and changed, another is
// triggered, a third deleted.
func (s *scenario) schedule(ctx context.Context) error {
	hourly := func(name string) task.Schedule {
		return task.Schedule{Name: name, Every: time.Hour, Call: fCall(name)}
	}
	changed := hourly("fired")
	changed.Overlap = task.OverlapSkip
	err := errors.Join(
		s.b.KeepSchedules(ctx, []task.Schedule{hourly("fired"), hourly("triggered"), hourly("deleted")}),
		s.b.PutSchedule(ctx, changed),
		s.b.DeleteSchedule(ctx, "deleted"),
		s.b.PauseSchedule(ctx, "fired"), s.b.ResumeSchedule(ctx, "fired"), s.b.PauseSchedule(ctx, "triggered"))
	if err != nil {
		return err
	}
	if s.ids["triggered"], err = s.b.TriggerSchedule(ctx, "triggered"); err != nil {
		return err
	}
	rs, err := s.b.Schedules(ctx)
	if err != nil {
		return err
	}
	for _, r := range rs {
		s.say("schedule %s: paused %t, overlap %v", r.Name, r.Paused, r.Overlap)
	}
	f := task.Fire{Schedule: rs[0].Schedule, Revision: rs[0].Revision, At: rs[0].Mark.Add(time.Millisecond)}
	for outcome := task.FireEarly; outcome == task.FireEarly; {
		got, err := s.b.Fire(ctx, []task.Fire{f})
		if err != nil {
			return err
		}
		s.ids["fired"], outcome = got.IDs[0], got.Outcomes[0]
	}
	return nil
}

func (s *scenario) cancel(ctx context.Context) error {
	last := s.runs[len(s.runs)-1]
	for _, id := range []task.ID{s.ids["ready"], s.ids["far"], last} {
		state, err := s.b.Cancel(ctx, id)
		if err != nil {
			return err
		}
		s.say("cancelled: %v", state)
	}
	for _, hold := range []func(context.Context, string) error{s.b.PauseQueue, s.b.ResumeQueue, s.b.PauseQueue} {
		if err := hold(ctx, task.DefaultQueue); err != nil {
			return err
		}
	}
	got, err := s.w.claim(ctx, 1)
	if err != nil {
		return err
	}
	s.say("claimed of a paused queue: %d", len(got))
	if err := s.b.ResumeQueue(ctx, task.DefaultQueue); err != nil {
		return err
	}
	state, err := s.b.Pause(ctx, s.runs[0])
	if err != nil {
		return err
	}
	s.say("paused: %v", state)
	if _, err := s.b.Resume(ctx, s.runs[0]); err != nil {
		return err
	}
	state, err = s.b.Resume(ctx, last)
	if err != nil {
		return err
	}
	s.say("resumed: %v", state)
	if state, err = s.b.Cancel(ctx, last); err != nil {
		return err
	}
	s.say("cancelled again: %v", state)
	return nil
}

// work runs all jobs.
func (s *scenario) work(ctx context.Context) error {
	left := map[string]bool{"lost": true, "follower": true, "exit": true, "fired": true, "triggered": true}
	for _, name := range slices.Concat(alone, inRuns) {
		left[name] = true
	}
	for len(left) > 0 {
		for p := range s.w.numbers {
			got, err := s.w.exchange(ctx, p, 3)
			if err != nil {
				return err
			}
			if len(got.Jobs) == 0 && !got.More {
				sleep(ctx, min(max(got.Next, time.Millisecond), 50*time.Millisecond))
			}
			var done []task.Outcome
			for _, j := range got.Jobs {
				o, err := s.attempt(ctx, j)
				if err != nil {
					return err
				}
				if o.Verdict == task.Succeed && j.Element == nil || o.Verdict == task.Fail || o.Verdict == task.Expand {
					delete(left, string(j.Payload.Bytes))
				}
				done = append(done, o)
			}
			if len(done) == 0 {
				continue
			}
			if got, err = s.w.exchange(ctx, p, 0, done...); err != nil {
				return err
			}
			for _, id := range got.Lost {
				s.say("lost: %v", s.name(id))
			}
		}
	}
	return nil
}

// attempt is what a job does.
func (s *scenario) attempt(ctx context.Context, j task.Job) (task.Outcome, error) {
	name := string(j.Payload.Bytes)
	if j.Element != nil {
		return s.child(ctx, j)
	}
	s.done[name]++
	o := succeeded(j)
	first := s.done[name] == 1
	switch {
	case j.Map != nil:
		chunk, err := s.b.Spread(ctx, j.Lease, [][]byte{{7}, append([]byte{0xc5, 8, 0}, make([]byte, 2048)...), {9}})
		if err != nil {
			return o, err
		}
		o.Verdict, o.Width = task.Expand, &task.Width{N: 3, Chunk: chunk}
	case name == "retry" && first:
		o = task.Outcome{Lease: j.Lease, Verdict: task.Retry, Failure: task.Failure{Attempt: j.Attempt, Message: "once"}}
	case name == "snooze" && first:
		o = task.Outcome{Lease: j.Lease, Verdict: task.Postpone, Delay: time.Millisecond}
	case name == "release" && first:
		o = task.Outcome{Lease: j.Lease, Verdict: task.Release}
	case name == "broken":
		o = task.Outcome{Lease: j.Lease, Verdict: task.Fail, Failure: task.Failure{Attempt: j.Attempt, Message: "broken"}}
	case name == "fail":
		o = task.Outcome{Lease: j.Lease, Verdict: task.Fail, Failure: task.Failure{Attempt: j.Attempt, Message: "for good"}}
		o.Then = []task.Call{fCall("follower")}
	case name == "a" && first:
		s.say("a wait for who waits is refused: %t", errors.Is(s.b.Block(ctx, j, []task.ID{s.ids["c"]}), task.ErrCycle))
	case name == "follower", name == "exit":
		s.ids[name] = j.ID
	case name == "note":
		half, busy := 50.0, "half way"
		o.Note = task.Note{Progress: &half, Text: &busy}
		said := o.Note
		said.Checkpoint = &task.Data{Codec: task.CodecBytes, Bytes: []byte(busy)}
		if err := s.b.Note(ctx, j.Lease, said); err != nil {
			return o, err
		}
		if err := s.b.AppendLog(ctx, j.Lease, 0, []task.LogLine{{Message: "half"}, {Message: "way"}}); err != nil {
			return o, err
		}
		if err := s.b.AppendLog(ctx, j.Lease, 2, []task.LogLine{{Message: "done"}}); err != nil {
			return o, err
		}
		lines, err := s.b.Logs(ctx, j.ID, 0)
		if err != nil {
			return o, err
		}
		for _, l := range lines {
			s.say("line %d: %s", l.Seq, l.Message)
		}
		kept, _, err := s.b.Checkpoint(ctx, j.ID)
		if err != nil {
			return o, err
		}
		s.say("the checkpoint is %q", kept.Bytes)
		if err := s.b.Block(ctx, j, []task.ID{s.ids["plain"]}); err != nil {
			return o, err
		}
		s.say("a cycle is refused: %t", errors.Is(s.b.Block(ctx, j, []task.ID{j.ID}), task.ErrCycle))
		if err := s.b.Unblock(ctx, j); err != nil {
			return o, err
		}
	}
	return o, nil
}

// child is what a child of the map does: the second one's element is not in its job.
func (s *scenario) child(ctx context.Context, j task.Job) (task.Outcome, error) {
	e := j.Element.Value
	if e.Codec == task.CodecElement {
		var err error
		if e, err = s.b.Element(ctx, j); err != nil {
			return task.Outcome{}, err
		}
	}
	s.say("child %d has an element of %d bytes", j.Element.Index, len(e.Bytes))
	name := fmt.Sprintf("child %d", j.Element.Index)
	s.ids[name] = j.ID
	s.done[name]++
	return succeeded(j), nil
}

// dead does what can be done with dead letters: one is deleted, one redriven, which fails
// again, and then is posted anew with another payload.
func (s *scenario) dead(ctx context.Context) error {
	ids, err := s.b.Post(ctx, []task.Call{fCall("doomed")})
	if err == nil {
		err = s.run(ctx, ids[0], task.Fail)
	}
	if err == nil {
		err = s.b.DeleteDead(ctx, ids[0])
	}
	if err != nil {
		return err
	}
	page, err := s.b.DeadLetters(ctx, DeadQuery{Limit: MaxPage})
	if err != nil {
		return err
	}
	s.say("%d dead letters are left", len(page.Records))
	state, err := s.b.Redrive(ctx, s.ids["fail"])
	if err == nil {
		s.say("redriven: %v", state)
		err = s.run(ctx, s.ids["fail"], task.Fail)
	}
	if err != nil {
		return err
	}
	s.ids["mended"], err = s.b.Repost(ctx, s.ids["fail"], fCall("mended").Payload, RepostConfig{Keep: true})
	if err != nil {
		return err
	}
	return s.run(ctx, s.ids["mended"], task.Succeed)
}

// run runs a job that is the only one left.
func (s *scenario) run(ctx context.Context, id task.ID, v task.Verdict) error {
	for ctx.Err() == nil {
		got, err := s.w.exchange(ctx, id.Partition(), 1)
		if err != nil {
			return err
		}
		if len(got.Jobs) == 0 {
			continue
		}
		o := succeeded(got.Jobs[0])
		o.Verdict = v
		s.done[string(got.Jobs[0].Payload.Bytes)]++
		got, err = s.w.exchange(ctx, id.Partition(), 0, o)
		if len(got.Lost) > 0 {
			s.say("lost: %v", s.name(id))
		}
		return err
	}
	return ctx.Err()
}

// end waits for all, and asks for all that can be asked.
func (s *scenario) end(ctx context.Context) error {
	names := s.names()
	ids := make([]task.ID, len(names))
	for i, name := range names {
		ids[i] = s.ids[name]
	}
	ends, err := s.b.Await(ctx, append(ids, s.runs...))
	if err != nil {
		return err
	}
	for i, end := range ends {
		s.say("end %d: %v %q %q", i, end.State, end.Result.Bytes, end.Failure.Message)
	}
	if _, err := s.b.Read(ctx, ids); err != nil {
		return err
	}
	for _, id := range s.runs {
		nodes, err := s.b.RunNodes(ctx, id, 0, 10)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			s.say("node %d %s of %s: %v, %d attempts, after %v", n.Number, n.Name, n.Task, n.State, n.Attempts, n.Parents)
		}
	}
	page, err := s.b.Jobs(ctx, JobQuery{State: task.Ready})
	if err != nil {
		return err
	}
	s.say("ready are %d", len(page.Records))
	// The keys are many where others play, too, so this knows its bucket.
	id := s.ids["ready"]
	l, seen := &search{b: s.b, letter: "C", at: scanPlace{partition: id.Partition(), buckets: []string{id.Bucket()}}}, false
	for len(l.at.buckets) > 0 {
		some, err := l.endedStep(ctx)
		if err != nil {
			return err
		}
		seen = seen || slices.Contains(some, id)
	}
	s.say("what was cancelled is listed: %t", seen)
	if _, err := s.b.Queues(ctx); err != nil {
		return err
	}
	if _, err := s.b.WorkerRecords(ctx); err != nil {
		return err
	}
	n, err := s.b.Shutdown(ctx, s.w.id.String())
	if err != nil {
		return err
	}
	s.say("asked to end: %d", n)
	if _, err := s.b.Beat(ctx, s.w.id); err != nil {
		return err
	}
	if _, err := s.b.Fsck(ctx, FsckConfig{Reaped: true}); err != nil {
		return err
	}
	return s.b.Leave(ctx, s.w.id)
}

// names returns the names of all jobs, in order.
func (s *scenario) names() []string {
	var names []string
	for name := range s.ids {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *scenario) name(id task.ID) string {
	for name, other := range s.ids {
		if id == other {
			return name
		}
	}
	return id.String()
}

// tell returns how the scenario has ended, as b sees it, without what differs from
// one time to the next.
func (s *scenario) tell(ctx context.Context, b *Broker) (string, error) {
	var out strings.Builder
	for _, line := range s.said {
		fmt.Fprintln(&out, line)
	}
	for _, name := range s.names() {
		rs, err := b.Read(ctx, []task.ID{s.ids[name]})
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		r := rs[0]
		fmt.Fprintf(&out, "%s: %v, begun %d x, attempt %d, %d losses, %v%% %q, result %q, failures",
			name, r.State, s.done[name], r.Attempt, r.Losses, r.Progress, r.Note, r.Result.Bytes)
		for _, f := range r.Failures {
			fmt.Fprintf(&out, " %q", f.Message)
		}
		fmt.Fprintln(&out)
	}
	for _, id := range s.runs {
		r, err := b.Run(ctx, id)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "run %s: %v %v\n", r.Name, r.State, r.Counts)
	}
	counts, posted, err := b.count(ctx, nil)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&out, "posted %d: %v\n", posted, counts)
	found, err := b.Fsck(ctx, FsckConfig{Reaped: true})
	if err != nil {
		return "", err
	}
	for _, f := range found.Broken {
		fmt.Fprintln(&out, "fsck:", f)
	}
	return out.String(), nil
}
