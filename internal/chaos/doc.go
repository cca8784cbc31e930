// Package chaos has tests only: worker processes are killed and stopped, and
// redis-servers restarted, under load, and every job must still end once.
//
// CHAOS=10 makes each test ten times as long; see `make chaos`.
package chaos
