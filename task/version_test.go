package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

type (
	mail0 string
	mail1 struct{ To string }
	mail2 struct {
		To   []string
		Text any
	}
)

var (
	up0 = Upgrade(0, func(m mail0) (mail1, error) {
		if m == "" {
			return mail1{}, Permanent(errors.New("nobody"))
		}
		return mail1{string(m)}, nil
	})
	up1 = Upgrade(1, func(m mail1) (mail2, error) { return mail2{To: []string{m.To}}, nil })
)

func mail(_ Context, m mail2) (string, error) { return strings.Join(m.To, "+"), nil }

// told is an attempt of a job with that version, whose log is kept.
type told struct {
	fakeAttempt
	log bytes.Buffer
}

func (a *told) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(&a.log, nil)) }

func ofVersion(ctx context.Context, version string) (Context, *told) {
	a := &told{}
	if version != "" {
		a.job.Spec.Headers = map[string]string{VersionHeader: version}
	}
	return NewContext(ctx, a), a
}

func TestOldPayloadsAreUpgradedStepByStep(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		version string
		payload any
		want    string
	}{
		"before versions":         {"", mail0("ann"), "ann"},
		"one version behind":      {"1", mail1{"bob"}, "bob"},
		"as the worker knows it":  {"2", mail2{To: []string{"cy", "di"}}, "cy+di"},
		"an upgrade that refuses": {"", mail0(""), `task "mail": upgrade of the payload from version 0: nobody`},
		"not what the version is": {"1", []int{1}, `task "mail": the payload is not its input: `},
		"no version":              {"two", mail1{"bob"}, `the header mlq-version is "two"`},
		"a negative one":          {"-1", mail1{"bob"}, `the header mlq-version is "-1"`},
	}
	send := Define("mail", mail, Version(2), up1, up0, Use(func(next InvokeFunc) InvokeFunc { return next }))
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, _ := ofVersion(t.Context(), tt.version)
			out, err := send.Invoke(ctx, mustEncode(t, tt.payload))
			var got string
			if err == nil {
				err = out.Decode(&got)
			}
			if err != nil {
				got = err.Error()
				if !forGood(err) {
					t.Errorf("got %v, want a failure for good", err)
				}
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if err := send.Err(); err != nil {
		t.Error(err)
	}
}

func TestAPayloadOlderThanAllThatIsKnownFailsForGood(t *testing.T) {
	t.Parallel()
	send := Define("mail", mail, Version(2), OldestVersion(1), up1)
	ctx, _ := ofVersion(t.Context(), "1")
	if _, err := send.Invoke(ctx, mustEncode(t, mail1{"ann"})); send.Err() != nil || err != nil {
		t.Errorf("the oldest version: got %v, %v, want nil", send.Err(), err)
	}
	ctx, _ = ofVersion(t.Context(), "")
	if _, err := send.Invoke(ctx, mustEncode(t, mail0("ann"))); !forGood(err) || !strings.Contains(err.Error(), "version 0, and the oldest that this worker knows is 1") {
		t.Errorf("got %v, want a failure for good that names the versions", err)
	}
}

func TestAPayloadThatIsTooNewWaitsAndIsComplainedOfOnce(t *testing.T) {
	t.Parallel()
	ran := false
	plain := Define("plain", func(Context, int) (int, error) { ran = true; return 0, nil })
	for i, version := range []string{"1", "1", "3", "2"} {
		ctx, a := ofVersion(t.Context(), version)
		_, err := plain.Invoke(ctx, mustEncode(t, "not even an int"))
		r, ok := errors.AsType[*Ruling](err)
		if !ok || r.Verdict != Postpone || r.Delay != NewerDelay || r.Err != nil || ran {
			t.Errorf("version %s: got %v, want it postponed for %v", version, err, NewerDelay)
		}
		complained := strings.Contains(a.log.String(), "newer than this worker") && strings.Contains(a.log.String(), "version="+version)
		if want := i == 0 || i == 2; complained != want {
			t.Errorf("version %s, time %d: got log %q, want a complaint: %v", version, i, a.log.String(), want)
		}
	}
}

func TestAnElementOrANodesResultIsUpgradedToo(t *testing.T) {
	t.Parallel()
	send := Define("mail", mail, Version(2), up0, up1)
	ctx, a := ofVersion(t.Context(), "1")
	a.job.Element = &Element{Value: mustEncode(t, mail1{"ann"})}
	out, err := send.Invoke(ctx, Data{Codec: CodecElement})
	var got string
	if err = errors.Join(err, out.Decode(&got)); got != "ann" || err != nil {
		t.Errorf("got %q, %v, want ann", got, err)
	}
}

func TestTheVersionTravelsWithTheCall(t *testing.T) {
	t.Parallel()
	if c := Declare[int, int]("a").Call(1); c.Spec.Headers != nil {
		t.Errorf("version 0: got headers %v, want none", c.Spec.Headers)
	}
	d := Declare[mail2, string]("mail", Version(2))
	c := d.With(Queue("q")).Call(mail2{}, Header("a", "b"))
	if err := c.Err(); err != nil || c.Spec.Headers[VersionHeader] != "2" || c.Spec.Headers["a"] != "b" {
		t.Errorf("got %v, %v, want version 2 beside the caller's header", c.Spec.Headers, err)
	}
	if again := d.Call(mail2{}); len(again.Spec.Headers) != 1 {
		t.Errorf("got %v, want the version alone", again.Spec.Headers)
	}
}

func TestFaultsOfTheChainAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	wrong := Upgrade(1, func(m mail1) (string, error) { return m.To, nil })
	tests := map[string]struct {
		opts []DefineOption
		want []string
	}{
		"missing":      {[]DefineOption{Version(4), OldestVersion(1), Upgrade(2, func(m mail2) (mail2, error) { return m, nil })}, []string{"no Upgrade from version [1 3]"}},
		"very many":    {[]DefineOption{Version(20)}, []string{"[0 1 2 3 4 5 6 7] and 12 more"}},
		"beyond":       {[]DefineOption{Version(1), up0, up1}, []string{"from version 1, want 0 to 0", "makes a task.mail1, but version 1 is a task.mail2"}},
		"types":        {[]DefineOption{Version(2), Upgrade(0, func(m mail0) (mail0, error) { return m, nil }), wrong}, []string{"from version 0 makes a task.mail0, but version 1 is a task.mail1", "from version 1 makes a string, but version 2 is a task.mail2"}},
		"twice":        {[]DefineOption{Version(2), up0, up1, up1}, []string{"from version 1 is given twice"}},
		"nil":          {[]DefineOption{Version(2), up0, Upgrade[mail1, mail2](1, nil)}, []string{"version 1: its function is nil"}},
		"negative":     {[]DefineOption{Version(-1)}, []string{"Version is -1"}},
		"too high":     {[]DefineOption{Version(MaxVersion + 1)}, []string{"Version is 10001"}},
		"oldest":       {[]DefineOption{OldestVersion(1)}, []string{"OldestVersion is 1, want 0 to 0"}},
		"alias":        {[]DefineOption{Aliases("a b")}, []string{`"a b"`}},
		"alias itself": {[]DefineOption{Aliases("post", "mail", "post")}, []string{`alias "mail"`, `alias "post"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Define("mail", mail, tt.opts...).Err()
			for _, want := range tt.want {
				if !isInvalid(err) || !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("got %v, want in it %q", err, want)
				}
			}
		})
	}
	batch := DefineBatch("mail", func(context.Context, []mail2) ([]Result[string], error) { return nil, nil }, Version(1))
	if !isInvalid(batch.Err()) {
		t.Errorf("a batch: got %v, want an error", batch.Err())
	}
	var zero Decl[int, int]
	if zero.Aliases() != nil || !isInvalid(zero.Err()) || zero.With(Timeout(time.Second)).Err() == nil {
		t.Error("a zero Decl is not refused")
	}
}
