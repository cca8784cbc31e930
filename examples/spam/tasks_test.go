package main

import (
	"errors"
	"slices"
	"testing"

	"github.com/gomlq/mlq/task"
	"github.com/gomlq/mlq/task/tasktest"
)

func TestTheSameSeedGivesTheSameMessages(t *testing.T) {
	t.Parallel()
	a, b, c := compose(3, 50), compose(3, 50), compose(4, 50)
	if !slices.Equal(a, b) {
		t.Errorf("seed 3 twice: got\n%v\n%v", a, b)
	}
	if slices.Equal(a, c) {
		t.Errorf("seeds 3 and 4: got the same messages\n%v", a)
	}
}

func TestWordsAreCountedByKind(t *testing.T) {
	t.Parallel()
	ctx, _ := tasktest.New(t)
	documents, err := splitMessages(ctx, []Message{{"Call me: call NOW!", false}, {"Free call.", true}})
	if err != nil {
		t.Fatal(err)
	}
	one, err := countWords(ctx, documents)
	if err != nil {
		t.Fatal(err)
	}
	got, err := mergeCounts(ctx, MergeIn{[]task.Ref[Counts]{task.Value(one), task.Value(one)}})
	if err != nil || got.Ham.Messages != 2 || got.Ham.Words != 8 || got.Ham.Of["call"] != 4 || got.Spam.Of["call"] != 2 || got.Spam.Of["now"] != 0 {
		t.Errorf("two shards of the same messages: got %+v, %v", got, err)
	}
}

// A Ref to a result that failed stands for a model that could not be trained.
func TestAModelThatFailedIsMissing(t *testing.T) {
	t.Parallel()
	ctx, _ := tasktest.New(t)
	failed := task.Result[Model]{Err: &task.JobError{State: task.Failed, Failure: task.Failure{Message: "no luck"}}}
	got, err := gatherModels(ctx, GatherIn{[]Candidate{
		{"a", task.ResultOf(task.Value(Model{Bias: 3}))},
		{"b", task.Value(failed)},
	}})
	if err != nil || len(got) != 2 || got[0].Model.Bias != 3 || got[0].Missing != "" || got[1].Missing != "no luck" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestATieOfVotesLetsAMessageThrough(t *testing.T) {
	t.Parallel()
	ctx, _ := tasktest.New(t)
	yes, no := Voter{Name: "yes", Model: Model{Bias: 1}}, Voter{Name: "no", Model: Model{Bias: -1}}
	in := JudgeIn{HeldOut: task.Value([]Document{{Spam: true}, {Spam: false}})}
	for _, test := range []struct {
		voters []Voter
		want   Row
	}{
		{[]Voter{yes, no}, Row{Name: "vote of 2", Ham: 1, Misses: 1}},
		{[]Voter{yes, no, yes}, Row{Name: "vote of 3", Spam: 1, FalseAlarms: 1}},
		{[]Voter{yes, {Name: "lost", Missing: "it is"}}, Row{Name: "vote of 1", Spam: 1, FalseAlarms: 1}},
	} {
		in.Voters = task.Value(test.voters)
		got, err := judgeVoters(ctx, in)
		if err != nil || got.Rows[len(got.Rows)-1] != test.want {
			t.Errorf("%v: got %+v, %v, want last %+v", test.voters, got, err, test.want)
		}
	}
}

func TestAModelThatIsToFailIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	ctx, _ := tasktest.New(t)
	_, err := trainPerceptron(ctx, FitIn{Fail: true})
	if r, ok := errors.AsType[*task.Ruling](err); !ok || r.Verdict != task.Fail {
		t.Errorf("got %v, want an error that is permanent", err)
	}
}
