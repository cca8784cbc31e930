package main

import (
	"fmt"
	"io"

	"github.com/gomlq/mlq/task"
)

// JudgeIn has the models, and messages that none of them has seen.
type JudgeIn struct {
	Voters  task.Ref[[]Voter]
	HeldOut task.Ref[[]Document]
}

// Report tells how well each model does, and all of them together.
type Report struct {
	Rows []Row // in the order of the models, the vote last
}

// Row is how often a model was right and wrong.
type Row struct {
	Name                string
	Missing             string // why there is no such model
	Spam, Ham           int    // taken rightly for spam, for ham
	FalseAlarms, Misses int    // taken wrongly for spam, for ham
}

func judgeVoters(ctx task.Context, in JudgeIn) (Report, error) {
	voters, err := in.Voters.Get(ctx)
	if err != nil {
		return Report{}, err
	}
	documents, err := in.HeldOut.Get(ctx)
	if err != nil {
		return Report{}, err
	}
	var rows []Row
	votes := make([]int, len(documents)) // for spam, less those against
	there := 0
	for _, v := range voters {
		row := Row{Name: v.Name, Missing: v.Missing}
		if v.Missing != "" {
			rows = append(rows, row)
			continue
		}
		there++
		for k, d := range documents {
			spam := v.Model.score(d) > 0
			row.add(spam, d.Spam)
			if spam {
				votes[k]++
			} else {
				votes[k]--
			}
		}
		rows = append(rows, row)
	}
	vote := Row{Name: fmt.Sprintf("vote of %d", there)}
	for k, d := range documents {
		vote.add(votes[k] > 0, d.Spam) // a tie lets it through
	}
	return Report{append(rows, vote)}, nil
}

// add counts one message that was taken for spam or not.
func (r *Row) add(taken, spam bool) {
	switch {
	case taken && spam:
		r.Spam++
	case taken:
		r.FalseAlarms++
	case spam:
		r.Misses++
	default:
		r.Ham++
	}
}

// print prints a row for each model and for the vote.
func (r Report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%-12s  %9s  %9s  %9s\n", "", "accuracy", "precision", "recall")
	for _, row := range r.Rows {
		if row.Missing != "" {
			fmt.Fprintf(w, "%-12s  failed: %s\n", row.Name, row.Missing)
			continue
		}
		fmt.Fprintf(w, "%-12s  %9s  %9s  %9s\n", row.Name,
			share(row.Spam+row.Ham, row.FalseAlarms+row.Misses), // of all messages, how many were told rightly
			share(row.Spam, row.FalseAlarms),                    // of those taken for spam, how many are
			share(row.Spam, row.Misses))                         // of the spam, how much was found
	}
}

func share(right, wrong int) string {
	return fmt.Sprintf("%.1f %%", 100*float64(right)/float64(max(right+wrong, 1)))
}
