package sharedtest

import "github.com/streamq/streamq-proxy/stream/shared"

// Store is one that a test does things to.
type Store interface {
	// Dial connects to it.
	Dial() shared.Dial
	// Stop has it answer nothing until Go. What it is sent waits.
	Stop()
	Go()
	// Kill ends it, with its connections, until Start, after which it knows nothing.
	Kill()
	Start()
	// Fill has it take no writes until Free.
	Fill()
	Free()
	// Put writes what no proxy would.
	Put(key, text string)
	// PutList puts something there that is no text.
	PutList(key string)
	// Get reads a key.
	Get(key string) (text string, found bool)
}
