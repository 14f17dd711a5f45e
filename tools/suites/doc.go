// Command suites runs test suites that nobody here wrote, each twice: directly, and with every connection that they make
// to this machine sent through a proxy. It writes docs/suites.md.
//
//	make test-suites [SUITE=REGEXP]
//
//	test ── connect(2) or Dial ── shim ── gateway ──► streamq-proxy, one for each address ──► the test's own listener
//
// Who listens is a worker that listens, and who connects is a client, whatever their sockets are. The shim is a library
// that is loaded before libc (shim/connect.c), or for Go a transport of its own (shim/transport_test.go.txt); it asks
// the gateway, over a unix socket, where to connect instead. The first question for an address starts its proxy.
//
// A test that does not pass is run again, with all that is in its case, up to twice: these suites sleep for luck, and
// the machine may be busy. What does not pass directly is theirs. What passes directly and not through the proxy has to
// have its reason in reasons.go, or the command ends with 1. So does it when a suite has run fewer tests than it has.
//
// # What it does not do
//
// It reaches no other machine: the Makefile runs it in a network namespace with a loopback interface only. It fetches nothing: tools/setup.sh suites does, from registries, by checksum. No line of these suites is changed.
package main
