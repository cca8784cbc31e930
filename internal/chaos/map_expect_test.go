package chaos

import (
	"fmt"

	"github.com/gomlq/mlq/task"
)

// give works out what vertex v, which has succeeded, gives to others.
func (v *vertex) give(f *fact) {
	if f.text = madeText(made{Sum: f.sum, Pad: pad(f.sum)}); v.do != "list" {
		return
	}
	for k := range length(f.sum, v.lists.bound) {
		sum := element(f.sum, k)
		f.kids = append(f.kids, fact{state: task.Succeeded, sum: sum, text: madeText(made{Sum: sum, Pad: pad(sum)})})
	}
	f.text = f.listed(false)
}

// listed is what the list says that f gives.
func (f *fact) listed(some bool) string {
	var of []string
	for k := range f.kids {
		if some {
			of = append(of, f.kids[k].token())
		} else {
			of = append(of, f.kids[k].text)
		}
	}
	return listText(of)
}

// expectMap works out what becomes of map i, which has begun, and of its children.
func (v *vertex) expectMap(i int, f *fact, fs []fact, keep bool) {
	given, ok := v.given(fs)
	if !ok {
		f.state, f.failures = task.Failed, []string{unequal}
		return
	}
	failed, bad := false, 0
	for k := range given {
		kid := v.kid(i, k, given[k], fs)
		switch kid.state {
		case task.Failed:
			failed = true
			bad++
			f.failures = append(f.failures, kid.failures[len(kid.failures)-1])
		case task.Skipped:
			if !v.lists.some {
				bad++
			}
		case task.Cancelled:
			bad++
		default:
		}
		f.kids = append(f.kids, kid)
	}
	switch {
	case bad <= v.lists.allowed(len(f.kids)):
		f.state = task.Succeeded
		f.text = f.listed(v.lists.some)
	case failed:
		f.state, f.short = task.Failed, !keep
	default:
		f.state, f.short = task.Skipped, !keep
	}
}

// allowed returns how many of n children may fail.
func (m *mapping) allowed(n int) int {
	switch {
	case !m.some:
		return 0
	case m.allow >= 0 && m.rate >= 0:
		return min(m.allow, int(m.rate*float64(n)))
	case m.allow >= 0:
		return m.allow
	case m.rate >= 0:
		return int(m.rate * float64(n))
	default:
		return n
	}
}

// given returns what the children of v are given, each; false if its lists do not fit.
func (v *vertex) given(fs []fact) (out []string, ok bool) {
	var of [2][]string
	for p, i := range v.lists.of {
		if i == known {
			for _, m := range knownList {
				of[p] = append(of[p], token(task.Succeeded, madeText(m), ""))
			}
			continue
		}
		for k := range fs[i].kids {
			of[p] = append(of[p], fs[i].kids[k].token())
		}
	}
	switch v.lists.form {
	case task.ListZip:
		for k := range of[0] {
			if len(of[0]) != len(of[1]) {
				return nil, false
			}
			out = append(out, pairToken(of[0][k], of[1][k]))
		}
		return out, len(of[0]) == len(of[1])
	case task.ListCross:
		for _, a := range of[0] {
			for _, b := range of[1] {
				out = append(out, pairToken(a, b))
			}
		}
		return out, true
	default:
		return of[0], true
	}
}

// kid works out what becomes of child k of map i.
func (v *vertex) kid(i, k int, given string, fs []fact) fact {
	m := newChild(i, k, given)
	v.mixTies(m, fs)
	f := fact{sum: m.sum(), begun: true}
	fails := failsOf(f.sum)
	if v.lists.tries > 0 && fails >= v.lists.tries {
		f.state = task.Failed
		fails = v.lists.tries
	}
	for a := range fails {
		f.failures = append(f.failures, childComplaint(i, k, a+1))
	}
	if f.state == task.Failed {
		return f
	}
	switch endOf(f.sum, v.lists.hazard, v.lists.ends) {
	case skipped:
		f.state = task.Skipped
	case cancelled:
		f.state = task.Cancelled
	case hopeless:
		f.state = task.Failed
		f.failures = append(f.failures, childComplaint(i, k, fails+1))
	default:
		f.state = task.Succeeded
		f.text = madeText(made{Sum: f.sum, Pad: pad(f.sum)})
	}
	return f
}

// The words that the model and the tasks share.

// unequal stands for the message of a map whose lists are not of one length.
const unequal = "lists are not of one length"

// length is how long a list is.
func length(sum uint64, bound int) int {
	if bound == long {
		bound = 50
		return long - 1 - int(sum>>8%uint64(bound))
	}
	return int(sum >> 8 % uint64(bound))
}

func element(sum uint64, k int) uint64 {
	m := newMix(k)
	m.add(fmt.Sprintf("element of %x", sum))
	return m.sum()
}

func newChild(i, k int, given string) mix {
	m := newMix(i)
	m.add(fmt.Sprint("child ", k))
	m.add(given)
	return m
}

func pairToken(a, b string) string { return listText([]string{a, b}) }

// failsOf says how many attempts of a child fail.
func failsOf(sum uint64) int {
	if sum>>8%16 > 0 {
		return 0
	}
	return 1 + int(sum>>16%3)
}

// endOf says how a child ends.
func endOf(sum, hazard uint64, ends []ended) ended {
	if sum>>24%1000 >= hazard {
		return well
	}
	return ends[sum>>40%uint64(len(ends))]
}

func childComplaint(i, k, attempt int) string {
	return fmt.Sprintf("vertex %d, child %d, attempt %d", i, k, attempt)
}
