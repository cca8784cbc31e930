package brokertest

import (
	"github.com/gomlq/mlq/task"
)

var noteStories = stories{
	"ANoteIsReadWhileTheJobRuns":          noteRead,
	"ANoteReplacesTheOneBefore":           noteReplaced,
	"ANoteOfALostAttemptIsRefused":        noteLost,
	"ANoteStaysUntilTheNextAttemptBegins": noteRetried,
	"ANoteIsNotOfTheAttemptAfterALoss":    noteAfterLoss,
	"ACancelledAttemptKeepsItsOwnNote":    noteCancelled,
}

// says notes progress and a text.
func (s *stage) says(j task.Job, progress float64, text string) error {
	return s.b.Note(s.ctx, j.Lease, task.Note{Progress: &progress, Text: &text})
}

// wantNote fails the test unless that is what the job says of itself.
func (s *stage) wantNote(id task.ID, progress float64, text string) {
	s.Helper()
	if r := s.read(id); r.Progress != progress || r.Note != text {
		s.Errorf("job %v is at %v with note %q, want %v with %q", id, r.Progress, r.Note, progress, text)
	}
}

func noteRead(s *stage) {
	_, js := s.running(2)
	s.wantNote(js[0].ID, 0, "")
	if err := s.says(js[0], 12.5, "counting"); err != nil {
		s.Fatalf("Note: %v", err)
	}
	s.wantNote(js[0].ID, 12.5, "counting")
	s.wantNote(js[1].ID, 0, "")
	short := "so far"
	if err := s.b.Note(s.ctx, js[1].Lease, task.Note{Short: &short}); err != nil {
		s.Fatalf("Note: %v", err)
	}
	if r := s.read(js[1].ID); r.ShortResult != short {
		s.Errorf("the short result is %q, want %q", r.ShortResult, short)
	}
}

func noteReplaced(s *stage) {
	_, js := s.running(1)
	for i, text := range []string{"one", "two", "three"} {
		if err := s.says(js[0], float64(i), text); err != nil {
			s.Fatalf("Note: %v", err)
		}
		s.wantNote(js[0].ID, float64(i), text)
	}
}

func noteLost(s *stage) {
	w, js := s.running(3)
	w.end(success(js[0], ""))
	s.wantErr(s.says(js[0], 1, "late"), task.ErrLeaseLost, "Note of an attempt that has succeeded")
	w.end(outcome(js[1], task.Release, ""))
	s.wantErr(s.says(js[1], 1, "late"), task.ErrLeaseLost, "Note of an attempt that was released")
	again := w.one()
	s.wantErr(s.says(js[1], 1, "late"), task.ErrLeaseLost, "Note of an attempt that another has followed")
	s.wantNote(again.ID, 0, "")
	forged := js[2]
	forged.Lease.Session = s.join().id
	s.wantErr(s.says(forged, 1, "forged"), task.ErrLeaseLost, "Note of another session")
	s.wantNote(js[2].ID, 0, "")
	unknown := task.Job{}
	unknown.Lease.ID = s.in(0, call("f", ""))[0].ID
	s.wantErr(s.says(unknown, 1, "forged"), task.ErrLeaseLost, "Note of a job that was never posted")
}

func noteRetried(s *stage) {
	w, js := s.running(2)
	for _, j := range js {
		if err := s.says(j, 50, "half"); err != nil {
			s.Fatalf("Note: %v", err)
		}
	}
	retry := outcome(js[0], task.Retry, "x")
	progress, text := 60.0, "more than half"
	retry.Note = task.Note{Progress: &progress, Text: &text}
	w.end(retry, outcome(js[1], task.Release, ""))
	s.wantNote(js[0].ID, 60, "more than half")
	s.wantNote(js[1].ID, 50, "half")
	again := w.take(2)
	for _, j := range again {
		s.wantNote(j.ID, 0, "")
		if err := s.says(j, 10, "again"); err != nil {
			s.Fatalf("Note: %v", err)
		}
		s.wantNote(j.ID, 10, "again")
	}
	w.end(success(again[0], ""), success(again[1], ""))
	for _, j := range again {
		if r := s.read(j.ID); r.State != task.Succeeded || r.Progress != 100 {
			s.Errorf("the record is %+v", r)
		}
	}
}

func noteAfterLoss(s *stage) {
	id := s.post(call("f", ""))[0]
	lost := s.join()
	if err := s.says(lost.one(), 50, "half"); err != nil {
		s.Fatalf("Note: %v", err)
	}
	lost.leave()
	w := s.join()
	j := w.later(1)[0]
	s.wantNote(id, 0, "")
	s.cancel(id)
	s.wantNote(id, 0, "")
	s.wantErr(s.says(j, 1, "late"), task.ErrLeaseLost, "Note of an attempt that was cancelled")
}

func noteCancelled(s *stage) {
	_, js := s.running(2)
	if err := s.says(js[0], 50, "half"); err != nil {
		s.Fatalf("Note: %v", err)
	}
	for _, j := range js {
		s.cancel(j.ID)
	}
	s.wantNote(js[0].ID, 50, "half")
	s.wantNote(js[1].ID, 0, "")
}
