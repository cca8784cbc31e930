// Package arch checks the shape of this tree: which package may import which,
// which dependency stays where, and a few rules of style that a compiler does
// not know. It has tests only; nothing imports it.
//
// The rule behind the table: everyone imports task, siblings do not know each
// other, programs wire. The table itself is rows and fences in table_test.go,
// each with its reason. To change the shape, change the table in the same
// commit, and say why.
//
// The tests read source files through go/build and go/parser instead of running
// the go command: the files they opened are known to the test cache, so a cached
// pass is a true one.
package arch
