package broker

import (
	"go/parser"
	gotoken "go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/gomlq/mlq/internal/brokertest"
	"github.com/gomlq/mlq/internal/redistest"
	"github.com/gomlq/mlq/task"
)

// aclRules returns the rules in the doc comment of ErrDenied: of the ACL line, and
// what Cluster and Fsck need beside. NS stands for the namespace there.
func aclRules(t *testing.T) (rules, cluster, fsck []string) {
	t.Helper()
	f, err := parser.ParseFile(gotoken.NewFileSet(), "run.go", nil, parser.ParseComments)
	must(t, err)
	for _, g := range f.Comments {
		doc, ok := strings.CutPrefix(g.Text(), "ErrDenied ")
		if !ok {
			continue
		}
		_, line, ok1 := strings.Cut(doc, "ACL SETUSER mlq on >SECRET")
		line, rest, ok2 := strings.Cut(line, "Cluster")
		onCluster, forFsck, ok3 := strings.Cut(rest, "Fsck")
		if !ok1 || !ok2 || !ok3 {
			t.Fatalf("the comment of ErrDenied has no ACL line, or not what Cluster and Fsck need:\n%s", doc)
		}
		rule := regexp.MustCompile(`[+~&-]\S+|reset\w+`)
		command := regexp.MustCompile(`\+[a-z|]+`)
		return rule.FindAllString(line, -1), command.FindAllString(onCluster, -1), command.FindAllString(forFsck, -1)
	}
	t.Fatal("run.go has no comment of ErrDenied")
	return nil, nil, nil
}

// allow makes a user on s for a namespace, with the rules, and returns its name
// and password.
func allow(t *testing.T, s *redistest.Server, namespace string, rules ...string) (user, password string) {
	t.Helper()
	args := []any{"ACL", "SETUSER", namespace, "reset", "on", ">secret"}
	for _, r := range rules {
		args = append(args, strings.ReplaceAll(r, "NS", namespace))
	}
	do(t, s, args...)
	return namespace, "secret"
}

// calls returns which commands were called on s.
func calls(t *testing.T, s *redistest.Server) map[string]bool {
	t.Helper()
	called := map[string]bool{}
	for name, stat := range parseInfo(do(t, s, "INFO", "commandstats").(string)) {
		if c, ok := strings.CutPrefix(name, "cmdstat_"); ok && !strings.HasPrefix(stat, "calls=0,") { // but for refused ones
			called[c] = true
		}
	}
	return called
}

// unused fails the test for rules that allow what was never called.
func unused(t *testing.T, called map[string]bool, rules []string) {
	t.Helper()
	for _, r := range rules {
		if c, ok := strings.CutPrefix(r, "+"); ok && !called[c] {
			t.Errorf("the ACL in the comment of ErrDenied allows %s, which is not needed", c)
		}
	}
}

func TestTheDocumentedUserIsAllowedWhatBrokersDoAndNoMore(t *testing.T) {
	t.Parallel()
	rules, _, _ := aclRules(t)
	security, err := os.ReadFile("../SECURITY.md")
	must(t, err)
	if line := strings.Join(rules, " "); !strings.Contains(strings.Join(strings.Fields(string(security)), " "), line) {
		t.Errorf("SECURITY.md does not quote the ACL line in the comment of ErrDenied: %s", line)
	}
	s := redistest.Start(t)
	t.Run("Conformance", func(t *testing.T) {
		brokertest.Run(t, func(t *testing.T) brokertest.Broker {
			ns := redistest.Namespace(t)
			user, password := allow(t, s, ns, rules...)
			b := open(t, "redis://"+user+":"+password+"@"+s.Addr()+"/1", Config{Namespace: ns, RetryFor: patient.RetryFor})
			if _, err := b.Counts(t.Context()); err != nil {
				t.Errorf("Counts: %v", err)
			}
			if _, err := b.Workers(t.Context()); err != nil {
				t.Errorf("Workers: %v", err)
			}
			administer(t, b)
			run, err := b.Submit(t.Context(), task.Plan{Name: "seen", Nodes: []task.Node{{Call: task.Call{Functions: []string{"unserved"}}}}})
			must(t, err)
			if ns, err := b.RunNodes(t.Context(), run, 0, 1); err != nil || len(ns) != 1 {
				t.Errorf("RunNodes: %v, %v", ns, err)
			}
			_, err = b.Cancel(t.Context(), run)
			must(t, err)
			return b
		})
	})
	called := calls(t, s)
	unused(t, called, rules)
	t.Logf("commands that were called: %s", strings.Join(slices.Sorted(maps.Keys(called)), " "))

	ns := redistest.Namespace(t)
	user, password := allow(t, s, ns, rules...)
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Username: user, Password: password, Protocol: 2, DisableIdentity: true, MaxRetries: -1})
	defer c.Close()
	for _, denied := range [][]any{
		{"GET", "mlq:other:meta"}, {"HGET", "mlq:{" + ns + "x:0}:jobs", "f"}, {"PUBLISH", "mlq:{other:0}:in:x", ""},
		{"EVAL", "return redis.call('GET', 'other')", 0}, {"EVAL", "return redis.call('FLUSHALL')", 0},
		{"KEYS", "*"}, {"FLUSHALL"}, {"CONFIG", "GET", "*"}, {"CLIENT", "LIST"}, {"MONITOR"}, {"ACL", "LIST"}, {"SHUTDOWN"},
	} {
		err := c.Do(t.Context(), denied...).Err()
		if err == nil {
			t.Errorf("the user may %v", denied)
			continue
		}
		_, err = classify(err)
		wantErr(t, denied[0].(string), err, ErrDenied)
	}
}

func TestTheDocumentedUserOfAClusterIsAllowedWhatBrokersDoAndNoMore(t *testing.T) {
	t.Parallel()
	rules, more, _ := aclRules(t)
	c := redistest.Cluster(t)
	ns := redistest.Namespace(t)
	for _, s := range c.Nodes() {
		allow(t, s, ns, append(rules, more...)...)
	}
	url := strings.Replace(clusterURL(c), "://", "://"+ns+":secret@", 1)
	b := open(t, url, Config{Namespace: ns})
	h := newHand(t, b)
	for range 20 {
		must(t, load(t.Context(), b, h))
	}
	must(t, b.Leave(t.Context(), h.id))
	called := map[string]bool{}
	for _, s := range c.Nodes() {
		maps.Copy(called, calls(t, s))
	}
	unused(t, called, more)
	t.Logf("commands that were called: %s", strings.Join(slices.Sorted(maps.Keys(called)), " "))
}

func TestTheDocumentedUserMayCheckTheStore(t *testing.T) {
	t.Parallel()
	rules, _, more := aclRules(t)
	s := redistest.Start(t)
	ns := redistest.Namespace(t)
	user, password := allow(t, s, ns, append(rules, more...)...)
	b := open(t, "redis://"+user+":"+password+"@"+s.Addr()+"/0", Config{Namespace: ns})
	h := newHand(t, b)
	must(t, load(t.Context(), b, h))
	if _, err := b.Fsck(t.Context(), FsckConfig{}); err != nil {
		t.Errorf("Fsck: %v", err)
	}
	if _, err := b.Jobs(t.Context(), JobQuery{State: task.Succeeded}); err != nil {
		t.Errorf("Jobs: %v", err)
	}
	if n, err := b.Clear(t.Context(), ClearConfig{Force: true}); err != nil || n == 0 {
		t.Errorf("Clear: %d, %v", n, err)
	}
	unused(t, calls(t, s), more)
}

func TestAUserWithoutACommandIsDenied(t *testing.T) {
	t.Parallel()
	rules, _, _ := aclRules(t)
	s := redistest.Start(t)
	ns := redistest.Namespace(t)
	user, password := allow(t, s, ns, rules...)
	b := open(t, "redis://"+user+":"+password+"@"+s.Addr()+"/0", Config{Namespace: ns, RetryFor: soon})
	h := newHand(t, b)
	for _, c := range []string{"evalsha", "hset", "rpush"} {
		do(t, s, "ACL", "SETUSER", ns, "-"+c)
		_, err := post1(t.Context(), b)
		if c == "rpush" { // what a script swallows is not an error of the call
			_ = err
		} else {
			wantErr(t, "Post without "+c, err, ErrDenied)
		}
		do(t, s, "ACL", "SETUSER", ns, "+"+c)
	}
	do(t, s, "ACL", "SETUSER", ns, "-publish")
	jobs, err := h.claim(t.Context(), 10)
	must(t, err)
	must(t, h.finish(t.Context(), jobs...))
	for _, j := range jobs {
		if r, err := b.Read(t.Context(), []task.ID{j.ID}); err != nil || r[0].State != task.Succeeded {
			t.Errorf("Read: %+v, %v", r, err)
		}
	}
}
