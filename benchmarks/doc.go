// Package benchmarks measures the queue on a real Redis:
//
//	go test -run '^$' -bench . ./benchmarks
//
// It starts a private redis-server of its own, or uses the one that the flag
// -redis or MLQ_BENCH_REDIS names. All else is the default configuration: records
// and results are kept, counts are true, bells ring.
//
// Machines are noisy, so a rate is also given as a multiple of what the same
// server did for plain SETs right before and after (x-SET), and a latency as a
// multiple of a PING's (x-PING). Compare these, never the absolute figures of two
// runs. When all is done a table holds the medians against the targets; it is
// printed, and nothing fails by it. See README.md for how to read the figures.
package benchmarks
