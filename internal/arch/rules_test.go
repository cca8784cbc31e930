package arch

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A problem is one break of one rule.
type problem struct {
	rule string // one of the keys of rules, or of the few words in check
	text string // where, what is wrong, and what to do
}

func (p problem) String() string { return p.rule + ": " + p.text }

// rules are the checks of one package. Each returns what is wrong with it.
var rules = map[string]func(pkg) []string{
	"imports":     imports,
	"fence":       fenced,
	"name":        emptyName,
	"print":       prints,
	"context":     contexts,
	"package doc": packageDoc,
	"doc":         docs,
	"length":      length,
}

// check returns every break of a rule in the tree fsys, in order.
func check(fsys fs.FS) ([]problem, error) {
	dirs, err := goDirs(fsys)
	if err != nil {
		return nil, err
	}
	var found []problem
	add := func(rule, format string, args ...any) {
		found = append(found, problem{rule, fmt.Sprintf(format, args...)})
	}
	for _, dir := range dirs {
		if dir == "." {
			add("root", "the module root has Go files; there is no root package: "+
				"move them into the package whose area they are about")
			continue
		}
		p, err := load(fsys, dir)
		if err != nil {
			add("build", "%s cannot be read as one package; mend it first: %v", dir, err)
			continue
		}
		for rule, broken := range rules {
			for _, text := range broken(p) {
				add(rule, "%s", text)
			}
		}
	}
	slices.SortFunc(found, func(a, b problem) int { return cmp.Or(cmp.Compare(a.text, b.text), cmp.Compare(a.rule, b.rule)) })
	return found, nil
}

// rowOf returns the row that speaks for dir: the longest that contains it.
func rowOf(dir string) (row, bool) {
	var best row
	for _, r := range rows {
		if within(dir, r.dir) && len(r.dir) > len(best.dir) {
			best = r
		}
	}
	return best, best.dir != ""
}

// imports holds the package against its row.
func imports(p pkg) []string {
	r, ok := rowOf(p.dir)
	if !ok {
		return []string{p.dir + ": this package has no row in the import table; put it under a package that has one, " +
			"or add a row with its reason to internal/arch/table_test.go"}
	}
	var broken []string
	for _, imp := range p.build.Imports {
		at := p.build.ImportPos[imp][0]
		target, ours := strings.CutPrefix(imp, module+"/")
		switch {
		case ours && !r.allows(target):
			broken = append(broken, fmt.Sprintf("%s:%d: %s imports %s; %s. Move what both need into task, "+
				"or declare a small interface here and let a program wire the two", at.Filename, at.Line, p.dir, target, r.why))
		case !ours && !standard(imp) && r.outside != nil && !within(imp, r.outside...):
			broken = append(broken, fmt.Sprintf("%s:%d: %s imports %s; %s. Do without it, or put the code into "+
				"a package whose row allows it", at.Filename, at.Line, p.dir, imp, r.why))
		}
	}
	return broken
}

// allows tells whether the package target of this module is in the row.
func (r row) allows(target string) bool {
	return within(target, r.dir+"/internal") || slices.ContainsFunc(r.of, func(of string) bool {
		if dir, tree := strings.CutSuffix(of, "/..."); tree {
			return within(target, dir)
		}
		return target == of
	})
}

// standard tells whether an import path is of the standard library.
func standard(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}

// fenced looks for dependencies outside of their fence.
func fenced(p pkg) []string {
	var broken []string
	for _, imp := range p.build.Imports {
		for _, f := range fences {
			if within(imp, f.imports...) && !within(p.dir, f.in...) {
				at := p.build.ImportPos[imp][0]
				broken = append(broken, fmt.Sprintf("%s:%d: %s imports %s, which stays in %s; %s. Move the code there, "+
					"or reach it through an interface", at.Filename, at.Line, p.dir, imp, strings.Join(f.in, ", "), f.why))
			}
		}
	}
	return broken
}

// emptyName looks for names that tell nothing.
func emptyName(p pkg) []string {
	for _, name := range []string{path.Base(p.dir), p.build.Name} {
		if slices.Contains(emptyNames, name) {
			return []string{fmt.Sprintf("%s: a package named %s says nothing about what is inside; "+
				"name it after its area, or move each function to its caller", p.dir, name)}
		}
	}
	return nil
}

// prints looks for output behind the caller's back, in libraries.
func prints(p pkg) []string {
	if !p.library() {
		return nil
	}
	var broken []string
	report := func(n ast.Node, what string) {
		broken = append(broken, fmt.Sprintf("%s: %s in a library; log through the *slog.Logger of the Config, "+
			"or return the value", p.line(n), what))
	}
	for _, f := range p.code() {
		ast.Inspect(f.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if id, ok := call.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") && id.Obj == nil {
				report(n, id.Name)
			}
			if name, ok := f.member(call.Fun, "fmt"); ok && strings.HasPrefix(name, "Print") {
				report(n, "fmt."+name)
			}
			if name, ok := f.member(call.Fun, "log"); ok && name != "New" {
				report(n, "log."+name)
			}
			return true
		})
	}
	return broken
}

// contexts looks for contexts that nothing cancels, in libraries.
func contexts(p pkg) []string {
	if !p.library() || within(p.dir, testSupport...) {
		return nil
	}
	var broken []string
	for _, f := range p.code() {
		excused := p.linesWith(f, "background:")
		ast.Inspect(f.File, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			name, ok := f.member(e, "context")
			if ok && (name == "Background" || name == "TODO") && !excused[p.fset.Position(n.Pos()).Line] {
				broken = append(broken, fmt.Sprintf("%s: context.%s in a library; take a context from the caller, "+
					"or give the reason at the end of the line: // background: why nothing may cancel this", p.line(n), name))
			}
			return true
		})
	}
	return broken
}

// member returns the name of e if it is a member of the package imported as
// path: "Print" for fmt.Print, whatever fmt is called in the file.
func (f source) member(e ast.Expr, imported string) (string, bool) {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok || id.Obj != nil { // a variable of that name
		return "", false
	}
	for _, spec := range f.Imports {
		local := path.Base(imported)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if spec.Path.Value == `"`+imported+`"` && local == id.Name {
			return sel.Sel.Name, true
		}
	}
	return "", false
}

// linesWith returns the lines of f with a comment that begins with mark and
// says something after it.
func (p pkg) linesWith(f source, mark string) map[int]bool {
	lines := map[int]bool{}
	for _, group := range f.Comments {
		for _, c := range group.List {
			reason, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimPrefix(c.Text, "//")), mark)
			if ok && strings.TrimSpace(reason) != "" {
				lines[p.fset.Position(c.Pos()).Line] = true
			}
		}
	}
	return lines
}

// packageDoc asks for the comment above the package clause.
func packageDoc(p pkg) []string {
	files := p.code()
	if len(files) == 0 {
		files = p.files // a package of tests
	}
	for _, f := range files {
		text := f.Doc.Text()
		if p.build.Name == "main" && text != "" || strings.HasPrefix(text, "Package "+f.Name.Name+" ") {
			return nil
		}
	}
	want := "Package " + p.build.Name + " ..."
	if p.build.Name == "main" {
		want = "what the program does"
	}
	return []string{fmt.Sprintf("%s: the package has no doc comment; write one above a package clause, in doc.go "+
		"if it is long: // %s", p.dir, want)}
}

// docs asks for a doc comment on every exported name users see.
func docs(p pkg) []string {
	if p.build.Name == "main" || strings.Contains("/"+p.dir+"/", "/internal/") {
		return nil
	}
	var broken []string
	for _, f := range p.code() {
		for _, decl := range f.Decls {
			for _, id := range undocumented(decl) {
				broken = append(broken, fmt.Sprintf("%s: %s is exported without a doc comment; say what it is or does, "+
					"its limits and its errors, or unexport it", p.line(id), id.Name))
			}
		}
	}
	return broken
}

// undocumented returns the exported names that decl declares without a comment.
// A comment on a group of constants or variables speaks for all of it; methods
// are left to the linter, which knows those that need none.
func undocumented(decl ast.Decl) []*ast.Ident {
	var names []*ast.Ident
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Doc == nil {
			names = append(names, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Doc == nil && (d.Doc == nil || d.Lparen != token.NoPos) {
					names = append(names, s.Name)
				}
			case *ast.ValueSpec:
				if s.Doc == nil && s.Comment == nil && d.Doc == nil {
					names = append(names, s.Names...)
				}
			}
		}
	}
	return slices.DeleteFunc(names, func(id *ast.Ident) bool { return !id.IsExported() })
}

// length looks for files that are more than one thing.
func length(p pkg) []string {
	var broken []string
	for _, f := range p.code() {
		if f.lines > maxLines && !ast.IsGenerated(f.File) {
			broken = append(broken, fmt.Sprintf("%s: %d lines, at most %d; find the two things in it and give each a file",
				f.path, f.lines, maxLines))
		}
	}
	return broken
}
