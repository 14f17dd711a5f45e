// Package integration is the proxy among real sockets and real peers. It holds tests only.
//
// A scenario is written once and played by every way that a client and a worker can reach one another: directly (the
// control: what happens without a proxy is what must happen with one), through the proxy to a worker that listens, and
// through the proxy to a worker that has dialled in. The proxy is the real program, built with the race detector and run
// as a child; a test that has to look inside opens a stream.Pool in its own process instead.
//
// Files are named by what their tests are about; harness_*_test.go have none and are what the others stand on. The R and S
// in the names of some tests are the numbers of the requirements, which the table in docs/requirements.md spells out.
//
// The peers are libzmq by way of pebbe/zmq4, the independent ZMTP of go-zeromq/zmq4, pyzmq, and with the build tag
// "peers" also those of docs/peers.md, of which JeroMQ 0.3 speaks ZMTP 2.0 only. A peer that is missing fails its tests. HAProxy is skipped
// where it is missing: tools/setup.sh bench fetches it; and so is keepalived, which tools/setup.sh keepalived fetches.
//
// Nothing here measures time: a test waits for what it expects, and only gives up after a generous limit. Leases are the
// exception, since to be found in time is what they are for; there the limit is another length of the lease.
package integration
