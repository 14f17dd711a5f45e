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
//	dialling --shows the signature--> naming --> idle --first bytes--> reaching --dialled--> greeting --signature--> paired --> over
//	                                    |         | the proxy renews it, or is gone            |                       |
//	                                    +---------+-----------> over <--- not the one shown ---+        a reset -> resetting --> over
//
// The proxy is told whose slot it is (naming) only where there is somebody to tell it. A used slot is replaced within the turn of
// the loop in which its client was heard. The signature, the first ten
// bytes of a ZMTP greeting (23/ZMTP), is what makes a connection a slot. The agent
// has it from one connection to the worker, which it closes at once, and for each
// pair it swallows the worker's own; a worker that says another one by now ends
// the pair. The client's first bytes go to the worker as soon as it is dialled: its answer is the signature.
//
// # Whether the worker is there
//
// Of a worker on this machine the kernel's list of listeners tells it, every fifth
// of a second and unseen by the worker: one that has gone, or is another socket
// than before, is learnt anew. Of one elsewhere only a dial that fails does; until one
// succeeds there are no slots. A client on whom it closes without a word is a reason to dial it once more, and no more than that.
//
// # Who owns what
//
// One goroutine, the loop, owns the slots and says how many there are to be. It waits by a hand of the relay
// of package splice: idle slots, first bytes, dials, signatures, the first chunks of a pair and its end
// are all seen to in its turns, without another thread being woken. A pair that goes on is moved by the relay's threads, which the hand
// passes it to. What has to wait for an answer has a goroutine of its own and posts what has come (mail): the look-up of a
// name, which is good for a second, and what the proxy is told of a slot. Run's own goroutine
// watches the worker.
//
// # What this package does not do
//
// It has no key and reads nothing of a handshake but the ten bytes. Linux only.
package agent
