package arch

import (
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A pkg is one directory with Go files, parsed.
type pkg struct {
	dir   string // slash-separated, from the module root
	build *build.Package
	fset  *token.FileSet
	files []source // of all platforms, tests included
}

// A source is one Go file.
type source struct {
	path  string
	test  bool
	lines int
	*ast.File
}

// library tells whether p is imported by users or by siblings, rather than
// being a program.
func (p pkg) library() bool {
	return p.build.Name != "main" && !within(p.dir, programs...)
}

// code returns the files of p that are no tests.
func (p pkg) code() []source {
	return slices.DeleteFunc(slices.Clone(p.files), func(f source) bool { return f.test })
}

// line returns "file:line" of a node of p.
func (p pkg) line(n ast.Node) string {
	pos := p.fset.Position(n.Pos())
	pos.Column = 0
	return pos.String()
}

// within tells whether dir is one of dirs, or below one.
func within(dir string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool {
		return dir == d || strings.HasPrefix(dir, d+"/")
	})
}

// goDirs returns the directories of fsys that hold Go files of this module.
func goDirs(fsys fs.FS) ([]string, error) {
	var dirs []string
	err := walk(fsys, func(name string) {
		if dir := path.Dir(name); path.Ext(name) == ".go" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	})
	return dirs, err
}

// walk calls f for every file of fsys that belongs to this module: not for
// those in hidden, testdata, vendor and node_modules directories, nor in
// another module.
func walk(fsys fs.FS, f func(name string)) error {
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if !d.IsDir() {
			f(name)
			return nil
		}
		base := d.Name()
		if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") ||
			slices.Contains([]string{"testdata", "vendor", "node_modules"}, base) {
			return fs.SkipDir
		}
		if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil {
			return fs.SkipDir
		}
		return nil
	})
}

// load reads the package in dir.
func load(fsys fs.FS, dir string) (pkg, error) {
	bp, err := buildContext(fsys).ImportDir(dir, 0)
	if err != nil {
		return pkg{}, err
	}
	p := pkg{dir: dir, build: bp, fset: token.NewFileSet()}
	for _, name := range slices.Concat(bp.GoFiles, bp.CgoFiles, bp.TestGoFiles, bp.XTestGoFiles) {
		name = path.Join(dir, name)
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return pkg{}, err
		}
		f, err := parser.ParseFile(p.fset, name, text, parser.ParseComments)
		if err != nil {
			return pkg{}, err
		}
		p.files = append(p.files, source{
			path:  name,
			test:  strings.HasSuffix(name, "_test.go"),
			lines: strings.Count(string(text), "\n"),
			File:  f,
		})
	}
	return p, nil
}

// buildContext returns a go/build context that reads fsys, and takes the files of
// every platform.
func buildContext(fsys fs.FS) *build.Context {
	c := build.Default
	c.UseAllFiles = true
	c.CgoEnabled = true
	c.JoinPath = path.Join
	c.IsAbsPath = path.IsAbs
	c.HasSubdir = func(_, _ string) (string, bool) { return "", false }
	c.IsDir = func(name string) bool {
		info, err := fs.Stat(fsys, name)
		return err == nil && info.IsDir()
	}
	c.OpenFile = func(name string) (io.ReadCloser, error) { return fsys.Open(name) }
	c.ReadDir = func(name string) ([]fs.FileInfo, error) {
		entries, err := fs.ReadDir(fsys, name)
		infos := make([]fs.FileInfo, 0, len(entries))
		for _, e := range entries {
			info, infoErr := e.Info()
			if errors.Is(infoErr, fs.ErrNotExist) {
				continue // removed since
			}
			err = errors.Join(err, infoErr)
			infos = append(infos, info)
		}
		return infos, err
	}
	return &c
}
