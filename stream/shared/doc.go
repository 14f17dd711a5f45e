// Package shared is what several proxies of the same workers remember together: in a Redis, or
// Valkey, that all of them reach, and that none of them needs.
//
//	store, err := shared.Open(shared.Config{Server: server, Wait: 20 * time.Millisecond})
//	space := shared.OfPool("default")
//	memory := store.Memory(space)                    // what a pool's loop asks and tells
//	memory.Recall(who, told)                         // does not wait: told is called later
//	memory.Remember(who, "w1", time.Hour)            // nor does this
//	names := store.Names(space, memory)              // likewise of who clients are
//	memory.Keep(ctx, pool)                           // until ctx ends: has who has a worker be known
//	memory.Follow(ctx, pool)                         // likewise: heeds what operators say everywhere
//	store.Balance(ctx, space, pool)                  // likewise: counts pairs at other proxies
//	store.Close()
//
// # What it promises
//
// Nobody who calls it waits for the store. A look-up is answered within [Config.Wait], or it is
// not known; writes wait in a queue that is bounded and in which a later one takes the place of an
// earlier one of the same key, and until it is written what is in the queue is what is known.
//
// What comes from the store is not believed: it is bounded in size, has a version, and what is not
// exactly as this package writes it counts as unknown. What goes there expires, and is nothing but
// names, of pools, identities or addresses, and workers; what operators say of workers and identities
// everywhere, with the proxy's name and the time; and how many pairs each worker has.
//
// # How the store is
//
//	connecting ──it answers──► up ◄──it takes writes──── refusing
//	     │                      │ ────it is full─────────────►│
//	     │                      │ it does not answer,         │
//	     │                      ▼ or too late                 │
//	     └───────────────────► down ◄─────────────────────────┘
//	                            │  a beat is answered in time: up, and who
//	                            └─ has a worker is told to it again
//
// down: nobody is asked, and each client goes on at once by what its own proxy remembers. refusing:
// look-ups go on, writes wait in the queue. A beat a second, the key that says that this proxy is
// there, tells one from the other; if that key has gone although its time was not over, the store
// has lost what it knew, and is told again.
//
// # Who owns what
//
// One goroutine (keep) owns the connection and the state. A few ask (lookup.go, names.go), and one writes
// (write.go). Of each pool three that the caller starts keep who has a worker (memory.go), follow what is
// said everywhere (steer.go), and balance loads (loads.go). What they share is under one lock, which is
// never held while anybody waits.
//
// # What this package does not do
//
// It decides nothing: what is told it only passes on, and of words that are said everywhere the
// latest is [pairing.Table.Heed]'s to find. It is no lock and no election: of two
// proxies that tell different things of somebody at the same time one is the last.
package shared
