package broker

import (
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/gomlq/mlq/task"
)

//go:embed lua
var luaFS embed.FS

// script is one Lua script, ready to be sent.
type script struct {
	name string
	text string
	sha  string
}

// scripts are all scripts of a broker.
type scripts struct {
	post, admit, submit, exchange, tick, cancel     *script
	join, leave, beat, note, block, edges           *script
	watch, read, resume, pause, spread, kids, nodes *script
	chunk, keep, log                                *script
	agenda, arrange, suspend, drop, fire            *script
	dead, redrive, remove, repost, hold             *script
	heads, running, dismiss, jobs, records          *script
}

// dialect is what a server understands.
type dialect struct {
	shebang bool // #!lua with flags: Redis 7.0
	sharded bool // SPUBLISH, on a cluster of Redis 7.0
	deaf    bool // a node does not know who hears what it publishes: a cluster without SPUBLISH
}

// loaded keeps what was put together before: all brokers of a process need the same.
var loaded sync.Map // source -> script

// source is what the text of a script depends on.
type source struct {
	name string
	d    dialect
	now  string
}

// loadScripts puts the scripts together for a server. now replaces the library
// file of that name unless it is empty: tests set the clock with it.
func loadScripts(d dialect, now string) (*scripts, error) {
	var first error
	load := func(name string) *script {
		v, _ := loaded.Load(source{name, d, now})
		if s, ok := v.(script); ok {
			return &s
		}
		s, err := loadScript(name, d, now)
		if err == nil {
			loaded.Store(source{name, d, now}, *s)
		}
		if first == nil {
			first = err
		}
		return s
	}
	s := &scripts{
		post: load("post"), admit: load("admit"), submit: load("submit"), exchange: load("exchange"), tick: load("tick"),
		cancel: load("cancel"), join: load("join"), leave: load("leave"), beat: load("beat"),
		note: load("note"), block: load("block"), edges: load("edges"), watch: load("watch"), read: load("read"), resume: load("resume"), pause: load("pause"), spread: load("spread"), kids: load("kids"), nodes: load("nodes"),
		chunk: load("chunk"), keep: load("keep"), log: load("log"),
		agenda: load("agenda"), arrange: load("arrange"), suspend: load("suspend"), drop: load("drop"), fire: load("fire"),
		dead: load("dead"), redrive: load("redrive"), remove: load("remove"), repost: load("repost"), hold: load("hold"),
		heads: load("heads"), running: load("running"), dismiss: load("dismiss"), jobs: load("jobs"), records: load("records"),
	}
	return s, first
}

var headerLine = regexp.MustCompile(`(?m)^-- (include|seldom|maps|flags): (.*)$`)

func loadScript(name string, d dialect, now string) (*script, error) {
	body, err := luaFS.ReadFile("lua/" + name + ".lua")
	if err != nil {
		return nil, fmt.Errorf("broker: script %s: %w", name, err)
	}
	var text strings.Builder
	var includes, seldom, maps []string
	for _, m := range headerLine.FindAllStringSubmatch(string(body), -1) {
		switch {
		case m[1] == "include":
			includes = strings.Fields(m[2])
		case m[1] == "seldom":
			seldom = strings.Fields(m[2])
		case m[1] == "maps":
			maps = strings.Fields(m[2])
		case d.shebang:
			fmt.Fprintf(&text, "#!lua flags=%s\n", m[2])
		}
	}
	text.WriteString(constants(d))
	if len(seldom) > 0 {
		text.WriteString("local made, seldom\n")
	}
	always, err := libraries(includes, now)
	if err != nil {
		return nil, fmt.Errorf("broker: script %s: %w", name, err)
	}
	rarely, err := libraries(seldom, now)
	if err != nil {
		return nil, fmt.Errorf("broker: script %s: %w", name, err)
	}
	forMaps, err := libraries(maps, now)
	if err != nil {
		return nil, fmt.Errorf("broker: script %s: %w", name, err)
	}
	if len(maps) > 0 {
		forMaps = onDemand("kin", "maps", forMaps, "")
	}
	text.WriteString(always)
	if len(seldom) > 0 {
		text.WriteString(onDemand("made", "seldom", rarely, forMaps))
	} else {
		text.WriteString(forMaps)
	}
	text.WriteString(strip(string(body)))
	sum := sha1.Sum([]byte(text.String()))
	return &script{name: name, text: text.String(), sha: hex.EncodeToString(sum[:])}, nil
}

// libraries returns the library files of those names, one after the other.
func libraries(names []string, now string) (string, error) {
	var text strings.Builder
	for _, lib := range names {
		part, err := luaFS.ReadFile("lua/lib/" + lib + ".lua")
		if err != nil {
			return "", fmt.Errorf("it includes %s: %w", lib, err)
		}
		if lib == "now" && now != "" {
			part = []byte(now)
		}
		text.WriteString(strip(string(part)))
	}
	return text.String(), nil
}

var topFunction = regexp.MustCompile(`(?m)^local function (\w+)`)

// onDemand wraps libraries that few runs of a script need into one function: each
// function that a script defines costs a run some 0.2 us. made is what they define:
// function called f is made.f, once the function of the name that is given was called.
// nested is such a function within it.
func onDemand(made, name, libs, nested string) string {
	var exports strings.Builder
	for _, m := range topFunction.FindAllStringSubmatch(libs, -1) {
		fmt.Fprintf(&exports, "%s = %s, ", m[1], m[1])
	}
	if nested != "" {
		exports.WriteString("maps = maps, ")
	}
	return fmt.Sprintf("%[2]s = function()\nif %[1]s then return %[1]s end\n%[3]s%[4]s%[1]s = { %[5]s}\nreturn %[1]s\nend\n", made, name, libs, nested, exports.String())
}

// constants are what scripts share with the Go side.
func constants(d dialect) string {
	publish := "PUBLISH"
	if d.sharded {
		publish = "SPUBLISH"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "local PUBLISH, DEAF = '%s', %t\nlocal KEEP = {", publish, d.deaf)
	for c := task.Class(1); c < 16; c++ {
		fmt.Fprintf(&b, "'%d',", c.Duration()/time.Millisecond)
	}
	b.WriteString("}\n")
	return b.String()
}

var commentLine = regexp.MustCompile(`(?m)^\s*--.*\n`)

// strip removes the comment lines, which a server need not keep.
func strip(lua string) string { return commentLine.ReplaceAllString(lua, "") }
