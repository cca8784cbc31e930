// Package redistest gives tests a real Redis: private redis-server children
// that end with the test, one shared server per test process, a small cluster,
// and a proxy that loses, repeats, cuts and delays commands on purpose.
//
// A test that only needs keys of its own uses [Shared] with [Namespace]; one
// that kills, pauses or fills its server uses [Start]; one that asks what
// happens when an answer is lost puts [StartProxy] before either.
//
// Every server listens on loopback or on a Unix socket only, and only
// processes that this package started are ever signalled.
package redistest
