package task

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// embedded is part of needy.
type embedded struct{ Base Ref[int] }

// needy has Refs wherever there can be one.
type needy struct {
	embedded
	One     Ref[string]
	Many    []Ref[int]
	Two     [2]Ref[int]
	Absent  *Ref[int]
	Present *Ref[int]
	Named   map[string]Ref[int]
	Any     any
	Deep    *struct{ In []map[int]Inner }
	Number  int
	None    []Ref[int]
}

type Inner struct {
	Result Ref[Result[int]]
	Opt    Ref[Opt[int]]
}

func TestNeedsFindsRefsWhereverTheyAre(t *testing.T) {
	t.Parallel()
	node := func(i int) Ref[int] { return NodeRef[int](7, i) }
	present := node(6)
	in := needy{
		embedded: embedded{node(1)},
		One:      NodeRef[string](7, 2),
		Many:     []Ref[int]{node(3), node(3)},
		Two:      [2]Ref[int]{node(4), node(5)},
		Present:  &present,
		Named:    map[string]Ref[int]{"k": node(7)},
		Any:      []any{1, node(8), nil},
		Deep:     &struct{ In []map[int]Inner }{[]map[int]Inner{{9: {ResultOf(node(9)), OptOf(node(10))}}}},
	}
	want := []string{
		"embedded.Base 1 success", "One 2 success", "Many[0] 3 success", "Many[1] 3 success", "Two[0] 4 success", "Two[1] 5 success",
		"Present 6 success", "Named[k] 7 success", "Any[1] 8 success", "Deep.In[0][9].Result 9 any end", "Deep.In[0][9].Opt 10 success or skipped",
	}
	found := mustNeed(t, in)
	got := make([]string, len(found))
	for i, n := range found {
		got[i] = fmt.Sprint(n.Path, " ", n.Node, " ", n.Accept)
		if n.Kind != NeedNode || n.Graph != 7 || n.Lost != (n.Path == "Any[1]") {
			t.Errorf("%+v, want a node of graph 7 that is encoded, unless it is in an interface", n)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("Needs found\n%q, want\n%q", got, want)
	}
	sent := mustNeed(t, roundTrip(t, in)) // an any has lost its type, and with it the Ref
	if paths := pathsOf(sent); !slices.Equal(paths, slices.DeleteFunc(pathsOf(found), func(p string) bool { return p == "Any[1]" })) {
		t.Errorf("the input has the Refs %q, once it was sent %q", pathsOf(found), paths)
	}
	if again := mustNeed(t, &in); len(again) != len(want) {
		t.Errorf("a pointer to it has %d Refs, want %d", len(again), len(want))
	}
}

func TestNeedsRefusesAStructThatEmbedsARef(t *testing.T) {
	t.Parallel()
	type wraps struct {
		Ref[int]
		Other Ref[int]
	}
	if found, err := Needs(struct{ In []wraps }{[]wraps{{}}}); !errors.Is(err, ErrInvalid) {
		t.Errorf("Needs: %v, %v; want ErrInvalid: it would be encoded as one Ref", found, err)
	}
}

func pathsOf(found []Need) []string {
	paths := make([]string, len(found))
	for i := range found {
		paths[i] = found[i].Path
	}
	return paths
}

func mustNeed(t *testing.T, v any) []Need {
	t.Helper()
	found, err := Needs(v)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestNeedsTellsWhatARefStandsFor(t *testing.T) {
	t.Parallel()
	id := NewID(1, KindLone, 1, 0, 0, 0)
	for what, tt := range map[string]struct {
		ref  any
		want Need
	}{
		"nothing":             {Ref[int]{}, Need{}},
		"nothing, as Result":  {ResultOf(Ref[int]{}), Need{Accept: AcceptAny}},
		"a node":              {NodeRef[int](3, 4), Need{Kind: NeedNode, Graph: 3, Node: 4}},
		"a node, as Opt":      {OptOf(NodeRef[int](3, 4)), Need{Kind: NeedNode, Graph: 3, Node: 4, Accept: AcceptSkip}},
		"a job":               {At[int](t.Context(), id).Ref(), Need{Kind: NeedJob, Job: id}},
		"a job, as Result":    {ResultOf(At[int](t.Context(), id).Ref()), Need{Kind: NeedJob, Job: id, Accept: AcceptAny}},
		"a value":             {Value(1), Need{Kind: NeedValue}},
		"a value, as Opt":     {OptOf(Value(1)), Need{Kind: NeedValue, Accept: AcceptSkip}},
		"a slice of Results":  {NodeRef[[]Result[int]](3, 4), Need{Kind: NeedNode, Graph: 3, Node: 4}},
		"a Result, by choice": {NodeRef[Result[int]](3, 4), Need{Kind: NeedNode, Graph: 3, Node: 4, Accept: AcceptAny}},
	} {
		if got := mustNeed(t, tt.ref); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s: %+v, want %+v", what, got, tt.want)
		}
	}
}

func TestNeedsTellsWhichRefsAreNotSent(t *testing.T) {
	t.Parallel()
	type part struct{ R Ref[int] }
	type input struct {
		Sent    Ref[int] `json:"sent"`
		Msgpack Ref[int] `json:"-"       msgpack:"m"` // msgpack's tag is the one that counts
		JSON    Ref[int] `json:"-"`
		Dropped Ref[int] `json:"dropped" msgpack:"-"`
		hidden  Ref[int]
		parts   []part
		Parts   []part `msgpack:"-"`
	}
	r := NodeRef[int](1, 1)
	in := input{r, r, r, r, r, []part{{r}}, []part{{r}}}
	lost := map[string]bool{
		"Sent": false, "Msgpack": false, "JSON": true, "Dropped": true, "hidden": true, "parts[0].R": true, "Parts[0].R": true,
	}
	got := map[string]bool{}
	for _, n := range mustNeed(t, in) {
		got[n.Path] = n.Lost
	}
	if !reflect.DeepEqual(got, lost) {
		t.Errorf("lost are %v, want %v", got, lost)
	}
	for _, n := range mustNeed(t, roundTrip(t, in)) {
		if arrived := n.Kind == NeedNode; arrived == lost[n.Path] {
			t.Errorf("%s: arrived %v, but lost %v", n.Path, arrived, lost[n.Path])
		}
	}
}

func TestNeedsOfInputsWithoutEndOrRefs(t *testing.T) {
	t.Parallel()
	type loop struct {
		R    Ref[int]
		Next *loop
	}
	round := &loop{}
	round.Next = round
	if _, err := Needs(round); !isInvalid(err) {
		t.Errorf("an input that leads to itself: %v, want ErrInvalid", err)
	}
	if got := mustNeed(t, &loop{Next: &loop{}}); len(got) != 2 || got[1].Path != "Next.R" {
		t.Errorf("a list of two: %+v", got)
	}
	type plain struct{ Next *plain }
	without := &plain{}
	without.Next = without
	for _, v := range []any{nil, 1, "text", without, []any{nil, 1}, map[string]any{"k": nil}, (*loop)(nil), None{}} {
		if got := mustNeed(t, v); len(got) != 0 {
			t.Errorf("%T has the Refs %+v, want none", v, got)
		}
	}
}
