package stream

import (
	"fmt"
	"sync/atomic"
	"syscall"

	"github.com/pebbe/zmq4"

	_ "github.com/streamq/streamq-proxy/stream/libzmq" // has pebbe/zmq4 take every libzmq 4.3
	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// reservedDescriptors are kept for everything that is neither a connection nor
// the relay's: logs, libraries, the HTTP listener, libzmq's own.
const reservedDescriptors = 128

// Below that budget, which bounds connections as the loops know them, libzmq's
// listeners refuse by the number of a new descriptor: a crowd may come within one
// turn of a loop, and the control socket has connections of its own.
const (
	// acceptReserve are never a stranger's: dials, scrapes and files have them.
	acceptReserve = reservedDescriptors / 2
	// lastReserve of those are not even an operator's (package seam, Favour).
	lastReserve = acceptReserve / 4
)

const (
	// maxDescriptors are used at most, however many there may be.
	maxDescriptors = 1 << 17
	// fewestForConnections: a proxy with less is none.
	fewestForConnections = 128
)

// MaxRelayThreads is the most that [NewContext] takes.
const MaxRelayThreads = splice.MaxThreads

// RelayThreads is how many suit a process that may use so many CPUs: one for each,
// at most [MaxRelayThreads].
func RelayThreads(cpus int) int { return min(cpus, MaxRelayThreads) }

// Context is what all pools share: libzmq's context with its I/O threads, the
// threads that relay open pairs, and the process's budget of descriptors.
type Context struct {
	zmq         *zmq4.Context
	relay       *splice.Relay
	descriptors atomic.Int64 // used by connections and doors, over all pools
	held        atomic.Int64 // of these, by clients that were refused, see hold.go
	tidying     atomic.Bool  // see tidy.go
	limit       int64        // how many they may use, see budget
}

// NewContext makes a context with that many I/O threads of libzmq, whose manual
// advises one per gigabyte per second (zmq_ctx_set(3)), and with that many
// threads, 1 to [MaxRelayThreads], for the pairs that are taken out of libzmq.
func NewContext(ioThreads, relayThreads int) (*Context, error) {
	var rlimit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &rlimit); err != nil {
		return nil, fmt.Errorf("reading the limit of open descriptors: %w", err)
	}
	// More than are ever used is no matter, and the kernel would make room for them all.
	open := min(rlimit.Cur, 2*maxDescriptors)
	limit, pipes := budget(int(min(open, maxDescriptors)), relayThreads)
	if limit < fewestForConnections {
		return nil, fmt.Errorf("only %d descriptors may be open (ulimit -n): at least %d are needed", open, fewest(relayThreads))
	}
	if err := seam.Guard(open-acceptReserve, open-lastReserve); err != nil {
		return nil, err
	}
	keepMemory()
	zctx, err := zmq4.NewContext()
	if err != nil {
		return nil, fmt.Errorf("libzmq: %w", err)
	}
	if err := zctx.SetIoThreads(ioThreads); err != nil {
		_ = zctx.Term()
		return nil, fmt.Errorf("io-threads %d: %w", ioThreads, err)
	}
	if err := seam.Check(zctx); err != nil {
		_ = zctx.Term()
		return nil, err
	}
	relay, err := splice.New(relayThreads, pipes)
	if err != nil {
		_ = zctx.Term()
		return nil, err
	}
	return &Context{zmq: zctx, relay: relay, limit: int64(limit)}, nil
}

// budget says how many of so many descriptors are left for connections, and how
// many pipes the relay may have.
func budget(descriptors, relayThreads int) (connections, pipes int) {
	pipes = min(descriptors/64, splice.MaxPipes)
	return descriptors - reservedDescriptors - splice.Descriptors(relayThreads, pipes), pipes
}

// fewest is the least number of descriptors that is enough.
func fewest(relayThreads int) int {
	for n := reservedDescriptors + fewestForConnections; ; n++ {
		if connections, _ := budget(n, relayThreads); connections >= fewestForConnections {
			return n
		}
	}
}

// Close ends the context. Every pool opened on it must have returned from Run
// (or been closed unrun), else Close waits for it.
func (c *Context) Close() error {
	c.relay.Close()
	return c.zmq.Term()
}

// Descriptors says how many descriptors of connections and doors are open and how many may be.
func (c *Context) Descriptors() (used, limit int64) {
	return c.descriptors.Load(), c.limit
}

// Refused is how many connections this process has closed as they came, because
// too few descriptors were left; to which of its listeners they came is not known.
func Refused() uint64 { return seam.Refused() }

// scarce: who connects now is refused, so that the ones that are served and their
// workers keep what they need.
func (c *Context) scarce() bool { return c.descriptors.Load() > c.limit*9/10 }
