// Package broker keeps jobs in Redis and moves each through its states: one Lua
// script for each move, embedded in the package.
//
// [Open] connects to what a URL names:
//
//	redis://user:password@host:6379/0     one server
//	rediss://host:6379/0                  the same over TLS
//	redis+sentinel://host:26379/0?master_name=mymaster&addr=host2:26379
//	redis+cluster://host:6379?addr=host2:6379
//	unix:///path/to/redis.sock?db=0
//	local:///path/to/dir                  a private redis-server, durable in dir
//	embedded://                           a server in this process that keeps nothing
//	embedded://127.0.0.1:6390             the same, where others reach it as a Redis
//
// A Broker is what clients and workers of package runtime, and the reaper, are
// made with. It is safe for concurrent use; a process needs one, whatever it does
// with it, and then has a handful of connections and one subscription.
//
// How jobs lie in Redis, and what each script promises, is in docs/design.md and
// in the headers of the scripts.
package broker
