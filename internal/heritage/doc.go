// Package heritage holds what the Python package MLQ promised, row by row, as tests: a
// worker and a client on a broker, and each promise by its name. What its errors
// were is there too, and must not come back. Rows that need HTTP or a command line are
// not in it.
package heritage
