package brokertest

import (
	"strings"

	"github.com/gomlq/mlq/task"
)

var checkpointStories = stories{
	"ACheckpointOutlivesItsAttempt":             checkpointOutlives,
	"ACheckpointGoesWithItsJob":                 checkpointGoes,
	"ACheckpointOfALostAttemptIsRefused":        checkpointLost,
	"ACheckpointIsBounded":                      checkpointBounded,
	"ANoteWithoutACheckpointLeavesTheLastOne":   checkpointStays,
	"ADeadLetterKeepsItsCheckpointForAResume":   checkpointResumed,
	"TheShortResultIsKeptBesideTheLongOne":      shortResult,
	"AJobWithoutACheckpointSaysThatItHasNone":   checkpointNone,
	"ACheckpointOfNothingIsStillACheckpoint":    checkpointEmpty,
	"ACheckpointIsKeptWhileTheJobIsRescheduled": checkpointSnoozed,
}

// checkpoint keeps a text as the checkpoint of a job.
func (s *stage) checkpoint(j task.Job, text string) error {
	return s.b.Note(s.ctx, j.Lease, task.Note{Checkpoint: &task.Data{Codec: task.CodecBytes, Bytes: []byte(text)}})
}

// saves is checkpoint, which must succeed.
func (s *stage) saves(j task.Job, text string) {
	s.Helper()
	if err := s.checkpoint(j, text); err != nil {
		s.Fatalf("Note with checkpoint %q: %v", text, err)
	}
}

// wantCheckpoint fails the test unless that is the checkpoint of the job; "" is none.
func (s *stage) wantCheckpoint(id task.ID, want string) {
	s.Helper()
	d, ok, err := s.b.Checkpoint(s.ctx, id)
	if err != nil {
		s.Fatalf("Checkpoint of %v: %v", id, err)
	}
	if string(d.Bytes) != want || ok != (want != "") {
		s.Errorf("the checkpoint of %v is %q, %t; want %q", id, d.Bytes, ok, want)
	}
}

func checkpointNone(s *stage) {
	_, js := s.running(1)
	s.wantCheckpoint(js[0].ID, "")
	s.wantCheckpoint(s.in(0, call("f", ""))[0].ID, "")
}

func checkpointEmpty(s *stage) {
	_, js := s.running(1)
	if err := s.b.Note(s.ctx, js[0].Lease, task.Note{Checkpoint: &task.Data{}}); err != nil {
		s.Fatalf("Note: %v", err)
	}
	if d, ok, err := s.b.Checkpoint(s.ctx, js[0].ID); !ok || err != nil || d.Codec != task.CodecNone || len(d.Bytes) > 0 {
		s.Errorf("the checkpoint is %+v, %t, %v; want an empty one", d, ok, err)
	}
}

func checkpointOutlives(s *stage) {
	w, js := s.running(2)
	for i, j := range js {
		s.saves(j, "first")
		s.saves(j, []string{"one", "two"}[i])
	}
	w.end(outcome(js[0], task.Retry, "x"), outcome(js[1], task.Release, ""))
	s.wantCheckpoint(js[0].ID, "one")
	s.wantCheckpoint(js[1].ID, "two")
	w.take(2)
	w.leave() // and both are lost
	next := s.join()
	for _, j := range next.later(2) {
		s.wantCheckpoint(j.ID, map[task.ID]string{js[0].ID: "one", js[1].ID: "two"}[j.ID])
		s.saves(j, "three")
		s.wantCheckpoint(j.ID, "three")
	}
}

func checkpointSnoozed(s *stage) {
	w, js := s.running(1)
	s.saves(js[0], "half")
	w.end(outcome(js[0], task.Postpone, ""))
	s.wantCheckpoint(js[0].ID, "half")
	again := w.later(1)[0]
	s.wantCheckpoint(again.ID, "half")
	w.succeed(again)
	s.wantCheckpoint(again.ID, "")
}

func checkpointGoes(s *stage) {
	w, js := s.running(4)
	for _, j := range js {
		s.saves(j, "half")
	}
	w.end(success(js[0], ""), outcome(js[1], task.SkipJob, ""), outcome(js[2], task.Fail, "x"))
	s.cancel(js[3].ID)
	s.wantCheckpoint(js[0].ID, "")
	s.wantCheckpoint(js[1].ID, "")
	s.wantCheckpoint(js[2].ID, "half") // it is a dead letter
	s.wantCheckpoint(js[3].ID, "")
}

func checkpointLost(s *stage) {
	w, js := s.running(1)
	s.saves(js[0], "first")
	w.end(outcome(js[0], task.Release, ""))
	s.wantErr(s.checkpoint(js[0], "late"), task.ErrLeaseLost, "a checkpoint of an attempt that was released")
	again := w.one()
	s.saves(again, "second")
	s.wantErr(s.checkpoint(js[0], "late"), task.ErrLeaseLost, "a checkpoint of an attempt that another has followed")
	s.wantCheckpoint(again.ID, "second")
	w.succeed(again)
	s.wantErr(s.checkpoint(again, "late"), task.ErrLeaseLost, "a checkpoint of an attempt that has succeeded")
	s.wantCheckpoint(again.ID, "")
}

func checkpointBounded(s *stage) {
	_, js := s.running(1)
	most := strings.Repeat("x", task.MaxCheckpoint)
	s.saves(js[0], most)
	s.wantErr(s.checkpoint(js[0], most+"x"), task.ErrTooLarge, "a checkpoint of a byte too many")
	s.wantCheckpoint(js[0].ID, most)
}

func checkpointStays(s *stage) {
	_, js := s.running(1)
	s.saves(js[0], "half")
	if err := s.says(js[0], 60, "more than half"); err != nil {
		s.Fatalf("Note: %v", err)
	}
	s.wantCheckpoint(js[0].ID, "half")
	s.wantNote(js[0].ID, 60, "more than half")
}

func checkpointResumed(s *stage) {
	id := s.submit(task.Plan{Name: "p", Nodes: []task.Node{{Call: call("f", "a")}}})
	w := s.join()
	j := w.one()
	s.saves(j, "half")
	w.end(outcome(j, task.Fail, "x"))
	s.wantRun(id, task.Failed)
	if state, err := s.b.Resume(s.ctx, id); err != nil || state != task.Running {
		s.Fatalf("Resume: %v, %v", state, err)
	}
	again := w.later(1)[0]
	s.wantCheckpoint(again.ID, "half")
	w.succeed(again)
	s.wantCheckpoint(again.ID, "")
}

func shortResult(s *stage) {
	w, js := s.running(2)
	short := "3 of 4 are right"
	for i, j := range js {
		if err := s.b.Note(s.ctx, j.Lease, task.Note{Short: &short}); err != nil {
			s.Fatalf("Note: %v", err)
		}
		if r := s.read(j.ID); r.ShortResult != short || r.State != task.Running {
			s.Errorf("while it runs, the short result is %q in state %v", r.ShortResult, r.State)
		}
		o := success(j, "the long one")
		if i == 1 {
			o = outcome(j, task.Fail, "x")
		}
		o.Note.Short = &short // as the runtime sends it along with the end
		w.end(o)
		if r := s.read(j.ID); r.ShortResult != short || !r.State.Terminal() {
			s.Errorf("after its end, the short result is %q in state %v", r.ShortResult, r.State)
		}
	}
	if r := s.read(js[0].ID); string(r.Result.Bytes) != "the long one" {
		s.Errorf("the long result is %q", r.Result.Bytes)
	}
}
