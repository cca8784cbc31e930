package broker

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlq/mlq/task"
)

// luaFile is a script or a library, taken apart.
type luaFile struct {
	path, name string
	header     string // the comment that it begins with, without its marks
	code       string // without comments
	lib        bool
}

func luaFiles(t *testing.T) []luaFile {
	t.Helper()
	var files []luaFile
	err := fs.WalkDir(luaFS, "lua", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := luaFS.ReadFile(p)
		if err != nil {
			return err
		}
		f := luaFile{path: p, name: strings.TrimSuffix(path.Base(p), ".lua"), lib: path.Base(path.Dir(p)) == "lib"}
		for line := range strings.Lines(string(b)) {
			rest, ok := strings.CutPrefix(line, "--")
			if !ok {
				break
			}
			f.header += strings.TrimPrefix(rest, " ")
		}
		for line := range strings.Lines(string(b)) {
			code, _, _ := strings.Cut(line, "--") // no string of ours has it
			if code = strings.TrimRight(code, " \n"); code != "" {
				f.code += code + "\n"
			}
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestHeadersSayWhatTheScriptsDo holds what the head of each Lua file says against
// what follows.
func TestHeadersSayWhatTheScriptsDo(t *testing.T) {
	t.Parallel()
	files := luaFiles(t)
	libs := map[string]luaFile{}
	for _, f := range files {
		if f.lib {
			libs[f.name] = f
		}
	}
	used := map[string]bool{}
	for _, f := range files {
		t.Run(strings.TrimPrefix(f.path, "lua/"), func(t *testing.T) {
			checkFirstLine(t, f)
			checkKeys(t, f)
			if f.lib {
				checkSize(t, f)
				return
			}
			checkArgs(t, f)
			checkStatuses(t, f)
			for _, lib := range checkIncludes(t, f, libs) {
				used[lib] = true
			}
		})
	}
	for name := range libs {
		if !used[name] {
			t.Errorf("lib/%s.lua is included nowhere", name)
		}
	}
}

func checkFirstLine(t *testing.T, f luaFile) {
	t.Helper()
	want := regexp.MustCompile(`^` + regexp.QuoteMeta(f.name) + `\.lua: `)
	if f.lib {
		want = regexp.MustCompile(`^` + regexp.QuoteMeta(f.name) + `(\([a-z, ]*\))?: `)
	}
	if first, _, _ := strings.Cut(f.header, "\n"); !want.MatchString(first) {
		t.Errorf("it begins with %q, want a line that matches %s", first, want)
	}
}

// maxLibLines is how long a library may be, comments not counted.
const maxLibLines = 75

func checkSize(t *testing.T, f luaFile) {
	t.Helper()
	if n := strings.Count(f.code, "\n"); n > maxLibLines {
		t.Errorf("%d lines, at most %d; find the two things in it", n, maxLibLines)
	}
}

var (
	headerArg = regexp.MustCompile(`(?m)^(KEYS|ARGV)\[(\d+)(\.\.)?\] `)
	codeArg   = regexp.MustCompile(`(KEYS|ARGV)\[(\d+)\]`)
	loopArg   = regexp.MustCompile(`= (\d+)(?: \+ \w+)?, #ARGV`)
)

// checkArgs asks that the header names what the code reads, and nothing else.
func checkArgs(t *testing.T, f luaFile) {
	t.Helper()
	says, reads, from := map[string]bool{"KEYS[1]": false}, map[string]bool{"KEYS[1]": true}, 0 // base reads KEYS[1]
	last := 0
	for _, m := range headerArg.FindAllStringSubmatch(f.header, -1) {
		n, _ := strconv.Atoi(m[2])
		if m[1] == "ARGV" {
			if n != last+1 {
				t.Errorf("the header goes from ARGV[%d] to ARGV[%d]", last, n)
			}
			last = n
		}
		if m[3] != "" {
			from = n
		} else {
			says[fmt.Sprintf("%s[%d]", m[1], n)] = true
		}
	}
	for _, m := range codeArg.FindAllStringSubmatch(f.code, -1) {
		reads[m[0]] = true
	}
	for arg := range says {
		if !reads[arg] {
			t.Errorf("the header has %s, which the code does not read", arg)
		}
	}
	for arg := range reads {
		if n, _ := strconv.Atoi(strings.Trim(arg, "ARGVKEYS[]")); !says[arg] && (from == 0 || n < from) {
			t.Errorf("the code reads %s, which the header does not name", arg)
		}
	}
	loops := loopArg.FindStringSubmatch(f.code)
	whole := strings.Contains(f.code, "ipairs(ARGV)")
	switch {
	case from > 0 && (loops == nil || loops[1] != strconv.Itoa(from)) && (!whole || from != 1):
		t.Errorf("the header has ARGV[%d..], but the code does not go through them from there to the end", from)
	case from == 0 && (loops != nil || whole):
		t.Error("the code goes through ARGV to its end, but the header has no ARGV[n..]")
	case from == 0 && regexp.MustCompile(`ARGV\[[a-z]`).MatchString(f.code) && !strings.Contains(f.header, "for each"):
		t.Error("the code reads a varying number of arguments, but the header does not say of what")
	}
}

var (
	headerStatus = regexp.MustCompile(`\{'([A-Z?+]+)'`)
	codeStatus   = regexp.MustCompile(`\{ '([A-Z?+]+)'`)
)

// checkStatuses asks that the header names the words that the code returns.
func checkStatuses(t *testing.T, f luaFile) {
	t.Helper()
	words := func(re *regexp.Regexp, s string) []string {
		var out []string
		for _, m := range re.FindAllStringSubmatch(s, -1) {
			out = append(out, m[1])
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	if !strings.Contains(f.header, "Returns ") {
		t.Error("the header does not say what it returns")
	}
	if says, returns := words(headerStatus, f.header), words(codeStatus, f.code); !slices.Equal(says, returns) {
		t.Errorf("the header has the words %v, the code returns %v", says, returns)
	}
}

var define = regexp.MustCompile(`(?m)^local (?:function )?(\w+(?:, \w+)*)`)

// checkIncludes asks that a script includes what it needs, in the right order, and
// nothing else. It returns what it includes.
func checkIncludes(t *testing.T, f luaFile, libs map[string]luaFile) []string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^include: (.*)$`).FindStringSubmatch(f.header)
	if m == nil {
		t.Fatal("the header has no include line")
	}
	includes := strings.Fields(m[1])
	all := slices.Clone(includes)
	if m := regexp.MustCompile(`(?m)^seldom: (.*)$`).FindStringSubmatch(f.header); m != nil {
		all = append(all, strings.Fields(m[1])...)
	}
	seldom := all[len(includes):]
	if m := regexp.MustCompile(`(?m)^maps: (.*)$`).FindStringSubmatch(f.header); m != nil {
		all = append(all, strings.Fields(m[1])...)
	}
	maps := all[len(includes)+len(seldom):]
	home := map[string]string{} // name -> library that defines it
	for _, lib := range libs {
		for _, d := range define.FindAllStringSubmatch(lib.code, -1) {
			for name := range strings.SplitSeq(d[1], ", ") {
				home[name] = lib.name
			}
		}
	}
	needs := map[string]bool{"base": true} // everything needs it
	need := func(part, code string, from []string) {
		for _, m := range regexp.MustCompile(`(?:seldom\(\)|\bmade)\.(\w+)`).FindAllStringSubmatch(code, -1) {
			if needs[home[m[1]]] = true; !slices.Contains(seldom, home[m[1]]) {
				t.Errorf("%s asks seldom for %s, which is of lib/%s", part, m[1], home[m[1]])
			}
		}
		for _, m := range regexp.MustCompile(`(?:maps\(\)|\bkin)\.(\w+)`).FindAllStringSubmatch(code, -1) {
			if len(maps) == 0 {
				continue // it meets none: they begin later
			}
			if needs[home[m[1]]] = true; !slices.Contains(maps, home[m[1]]) {
				t.Errorf("%s asks maps for %s, which is of lib/%s", part, m[1], home[m[1]])
			}
		}
		code = field.ReplaceAllString(code, ", ")
		used := map[string]bool{}
		for _, m := range word.FindAllStringSubmatch(code, -1) {
			used[m[1]] = true
		}
		for name, lib := range home {
			if lib == part || !used[name] || local(code, name) {
				continue
			}
			if needs[lib] = true; !slices.Contains(from, lib) {
				t.Errorf("%s uses %s of lib/%s, which is not included before it", part, name, lib)
			}
		}
	}
	for i, lib := range all {
		if _, ok := libs[lib]; !ok {
			t.Fatalf("it includes %s, which does not exist", lib)
		}
		need(lib, libs[lib].code, all[:i])
	}
	need(f.name+".lua", f.code, includes)
	for _, lib := range all {
		if !needs[lib] {
			t.Errorf("it includes %s, which it does not need", lib)
		}
	}
	return all
}

// word is a name that is not a field.
var word = regexp.MustCompile(`(?:^|[^\w.'])([a-zA-Z]\w*)`)

// field is a field that a table is made with.
var field = regexp.MustCompile(`[{,]\s*\w+ = `)

// local reports whether code has a variable or parameter of its own by that name.
func local(code, name string) bool {
	n := regexp.QuoteMeta(name)
	return regexp.MustCompile(`local (function |(\w+, )*)`+n+`\b`).MatchString(code) ||
		regexp.MustCompile(`for (\w+, )*`+n+`\b`).MatchString(code) ||
		regexp.MustCompile(`function \w*\((\w+, )*`+n+`\b`).MatchString(code)
}

var commandKey = regexp.MustCompile(`p?call\(('\w+'|\w+)(?:, ([^,)]*))?`)

// checkKeys asks that each command's key begins with the prefix of the partition.
func checkKeys(t *testing.T, f luaFile) {
	t.Helper()
	for _, m := range commandKey.FindAllStringSubmatch(f.code, -1) {
		key := m[2]
		if m[1] == "'TIME'" || strings.HasPrefix(key, "T .. '") || strings.HasPrefix(key, "T .. ARGV[1]") || key == "r.key" { // runAt made that
			continue
		}
		from := regexp.MustCompile(`\b` + regexp.QuoteMeta(key) + `\b[^=\n]*= [^\n]*T \.\. '`)
		if !regexp.MustCompile(`^\w+$`).MatchString(key) || !from.MatchString(f.code) {
			t.Errorf("%s of %q: not a key that begins with T", m[1], key)
		}
	}
}

// TestScriptsAndGoAgree holds constants that stand on both sides against each other.
func TestScriptsAndGoAgree(t *testing.T) {
	t.Parallel()
	code := map[string]string{}
	for _, f := range luaFiles(t) {
		code[f.name] = f.code
	}
	for _, c := range []struct {
		file, text string
	}{
		{"head", fmt.Sprintf("local INBOX, UNIQUE, IDEM, SUSPECT, HIST, DEAD = %d, %d, %d, %d, %d, %d\n", flagInbox, flagUnique, flagIdem, flagSuspect, flagHist, flagDead)},
		{"follow", fmt.Sprintf("EDGES, CHUNK, KID = 512, %d, %d\n", kidsPerChunk, kidLen)},
		{"line", fmt.Sprintf("local WINDOW = %d\n", task.RunWindow)},
		{"requeue", fmt.Sprintf("'%c' or", laneSuspect)},
	} {
		if !strings.Contains(code[c.file], c.text) {
			t.Errorf("%s.lua does not have %q", c.file, c.text)
		}
	}
}
