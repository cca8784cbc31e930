package arch

// module is the path of this module, as in go.mod.
const module = "github.com/gomlq/mlq"

// A row says what the non-test files of a package may import.
type row struct {
	// dir is the directory the row is about, with all below it that has no
	// row of its own.
	dir string
	// of lists the packages of this module that dir may import: a directory,
	// or "dir/..." for it and all below. What is under dir/internal is dir's
	// own and need not be listed.
	of []string
	// outside lists the modules it may import beside the standard library.
	// nil leaves that to the fences.
	outside []string
	why     string
}

// only returns modules, and not nil where there are none.
func only(modules ...string) []string { return append([]string{}, modules...) }

// rows is the import table. The longest dir wins; a package without a row fails.
var rows = []row{
	{
		dir: "task", outside: only("github.com/vmihailenco/msgpack/v5", "github.com/google/uuid"),
		why: "task is the words everyone shares: what it imports, every user imports",
	},
	{
		dir: "task/tasktest", of: []string{"task"}, outside: only(),
		why: "a unit test of a task function must need nothing but the words",
	},
	{dir: "graph", of: []string{"task"}, why: "graph builds a task.Plan and never meets a broker"},
	{
		dir: "runtime", of: []string{"task", "internal/timetable"},
		why: "runtime meets the broker through its own small interface",
	},
	{
		dir: "broker", of: []string{"task", "internal/timetable"},
		why: "broker stores and moves jobs; it knows nobody who asks it to",
	},
	{
		dir: "sealed", of: []string{"task"}, outside: only("github.com/klauspost/compress"),
		why: "sealed meets the broker through an interface of its own; who seals nothing links no compressor",
	},
	{dir: "reaper", of: []string{"task"}, why: "reaper meets the broker through its own small interface"},
	{dir: "metrics", of: []string{"task"}, why: "metrics is an observer that fits its siblings by shape alone"},
	{
		dir: "server",
		of:  []string{"task", "graph", "runtime", "broker", "reaper", "sealed", "metrics", "server/..."},
		why: "server wires the library behind HTTP, and no test support",
	},
	{
		dir: "cmd",
		of:  []string{"task", "graph", "runtime", "broker", "reaper", "sealed", "metrics", "server/...", "cmd/..."},
		why: "programs wire, and ship no test support",
	},
	{
		dir: "examples",
		of:  []string{"task", "graph", "runtime", "broker", "reaper", "sealed", "metrics", "server", "examples/..."},
		why: "an example imports what a user can import, so nothing internal",
	},
	{
		dir: "benchmarks",
		of: []string{
			"task", "graph", "runtime", "broker", "reaper", "sealed", "metrics", "server",
			"internal/redistest", "benchmarks/...",
		},
		why: "benchmarks wire, on private redis-servers",
	},
	{dir: "internal/heritage", of: []string{}, outside: only(), why: "it is tests alone"},
	{
		dir: "internal/brokertest", of: []string{"task", "internal/redistest"},
		why: "the conformance suite must fit any broker, so it knows none",
	},
	{
		dir: "internal/chaos", of: []string{"task", "runtime", "broker", "reaper", "internal/redistest"},
		why: "tests that kill whole processes wire them first",
	},
	{
		dir: "internal/timetable", of: []string{"task"}, outside: only("github.com/robfig/cron/v3"),
		why: "who puts a schedule and who fires it must mean the same times",
	},
	{dir: "internal/redistest", why: "tests of every package start servers with it, so it knows no package"},
	{dir: "internal/arch", outside: only(), why: "a checker that imports what it checks cannot report that it is broken"},
}

// A fence keeps a dependency in a part of the tree.
type fence struct {
	imports []string // import paths, each with all below it
	in      []string // directories whose non-test files may import them
	why     string
}

// fences hold for non-test files; a path below one of its imports is meant too.
var fences = []fence{
	{
		imports: []string{"github.com/redis/go-redis", "github.com/alicebob/miniredis"},
		in:      []string{"broker", "internal/redistest"},
		why:     "one package speaks to Redis, so its errors, retries and scripts have one home",
	},
	{
		imports: []string{"go.opentelemetry.io", "github.com/prometheus"},
		in:      []string{"metrics", "server", "cmd", "examples", "benchmarks"},
		why:     "who wants no telemetry must not link it; siblings have an Observer instead",
	},
	{
		imports: []string{"github.com/robfig/cron/v3"},
		in:      []string{"internal/timetable"},
		why:     "cron expressions are read in one place, so they mean the same everywhere",
	},
	{
		imports: []string{"gonum.org"},
		in:      []string{"examples"},
		why:     "pictures are drawn by programs that want them, so nobody else links a plotter",
	},
	{
		imports: []string{"net/http"},
		in:      []string{"server", "metrics", "cmd", "examples", "benchmarks"},
		why:     "the queue works without HTTP; server is the package that serves",
	},
}

// programs are the parts that wire; they hold no library code.
var programs = []string{"cmd", "examples", "benchmarks"}

// emptyNames are package names that say nothing about what is inside.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "base", "misc"}

// testSupport is imported by tests alone: it may start contexts as a test may.
var testSupport = []string{"internal/brokertest", "internal/redistest"}

// maxLines is the longest a Go file may be that is neither a test nor generated.
const maxLines = 400
