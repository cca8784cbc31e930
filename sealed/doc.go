// Package sealed encrypts and compresses what jobs carry, on its way to the store and
// back: the store, its backups and its operators see no payload and no result.
//
//	b, err := broker.Open(ctx, "redis://localhost:6379/0", broker.Config{})
//	s, err := sealed.Wrap(b, sealed.Config{Keys: []sealed.Key{{ID: "2026-07", Secret: secret}}})
//	q := runtime.NewClient(s).With(ctx)
//	w, err := runtime.NewWorker(s, runtime.Config{}, Train)
//
// Nothing else changes: tasks, graphs and maps are as before. Programs that share a
// queue share the keys.
//
// # What is sealed
//
// Payloads, results, checkpoints, the lists that maps run over, and their elements: by
// AES-256-GCM, under a key that is derived from the secret. A payload is bound to its
// functions, a result and a checkpoint to their job, an element to its place in its map: put
// anywhere else in the store, it cannot be opened.
//
// What the broker decides by stays readable: names, options, headers, keys (a
// [task.UniqueKey]), states, sizes; so do notes, short results, the messages of
// failures, what jobs log, data of [task.Store], the calls of schedules, and a result that is a bool, which may be a condition. Data in plain is
// still read, so that a queue can be moved over while it runs, unless Config.Strict is
// set. Compressed data tell by their size something of how they repeat themselves: do
// not compress where others choose a part of a payload and see its size.
//
// # Rotation
//
// The first key seals, all of them open. Give a new key to every program as its second
// one, then make it the first one everywhere, and remove the old one when what was
// sealed with it has outlived its retention. A key should seal at most some 2^32 pieces
// of data, since nonces are drawn by lot.
//
// A worker that has no key for a payload, or for a result that it waits for, puts its
// job back for [KeyDelay], with no attempt spent, and complains once: another worker
// may have it. A client gets a [*KeyError].
//
// A call with an idempotency key must look the same when it is posted again. It is
// sealed so that equal calls are equal bytes, which whoever sees the store can tell,
// and is not compressed; after a rotation it is tried with the older keys too.
package sealed
