// Package agent dials out for a worker that listens: beside the worker it keeps
// idle connections, slots, at a proxy's backend, and dials the worker once for
// each client that comes on one of them.
//
//	a, err := agent.New(agent.Config{Proxy: "proxy:5556", Worker: "127.0.0.1:6000", Slots: 16, SlotsMax: 64, Log: log})
//	err = a.Run(ctx)   // until ctx ends; then a.Drain(timeout)
//
// To the proxy it is a worker that dials in, and to the worker an ordinary client:
// the worker has a pipe for each client, a stranger's handshake meets a listening
// socket, and nothing of a slot that waits reaches the worker.
//
// # A slot's life
//
//	dialled --shows the signature--> idle --first bytes--> used --dials the worker--> pair --> ended
//	                                  | the proxy renews it, or is gone: another is dialled
//
// A used slot is replaced before the worker is dialled. The signature, the first ten
// bytes of a ZMTP greeting (23/ZMTP), is what makes a connection a slot. The agent
// has it from one connection to the worker, which it closes at once, and for each
// pair it swallows the worker's own; a worker that says another one by now ends
// the pair.
//
// # Whether the worker is there
//
// Of a worker on this machine the kernel's list of listeners tells it, every fifth
// of a second and unseen by the worker: one that has gone, or is another socket
// than before, is learnt anew. Of one elsewhere only a dial that fails does; until one
// succeeds there are no slots.
//
// # Who owns what
//
// One goroutine (Run) says how many slots there are to be, and each slot has a goroutine
// until it has ended. What they share is behind one lock. The bytes of pairs are
// moved by the relay of package splice.
//
// # What this package does not do
//
// It has no key and reads nothing of a handshake but the ten bytes. Linux only.
package agent
