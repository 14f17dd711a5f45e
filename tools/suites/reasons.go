package main

import "regexp"

// reason is why tests that pass directly do not pass through the proxy.
type reason struct {
	suite string
	tests *regexp.Regexp
	why   string // for the document
}

var reasons = []*reason{
	{
		"jeromq", regexp.MustCompile(`TestEvents\b.*testEventConnectRetried$`),
		"it connects where nobody listens, and waits for the refusal, at which it would try again; the proxy accepts it, and has it wait for the worker.",
	},
	{
		"jeromq", regexp.MustCompile(`\b(ImmediateTest\.testImmediateFalse|TestConnectDelay\.testConnectDelay2)$`),
		"it connects where nobody has ever listened, with IMMEDIATE, and all messages are to go to its other connection; a worker counts as there until a dial of it has failed, " +
			"so the proxy accepts, and JeroMQ takes that for a peer before it has greeted (libzmq 4.3.4 waits for the handshake).",
	},
	{
		"jeromq", regexp.MustCompile(`\bReqSpecTest\.testSpecRoundRobinOut$`),
		"it wants the worker to have its five clients in the order in which they connected; the proxy dials a worker for a client when that has spoken, and JeroMQ's five, which share a thread, speak in another order.",
	},
	{
		"libzmq", regexp.MustCompile(`^test_security_curve/test_curve_security_invalid_hello_(wrong_length|command_name|version)$`),
		"the proxy ends a client whose HELLO is none, as libzmq would; the worker, whose events the test counts, never hears of it ([handshakes](handshakes.md)).",
	},
	{
		"libzmq", regexp.MustCompile(`^test_sub_forward/test$`),
		"its publisher has to be connected before its subscriber, and nothing orders two connections: libzmq gives a socket a new connection at its next call only, by which " +
			"time the publisher has dropped the message. Any TCP relay that is 50 ms slower for the one has it wait for ever, too.",
	},
	{
		"go-zeromq", regexp.MustCompile(`^TestTransport$`),
		"it wants the name of the transport's own type, in whose place the one that goes through the proxy is: no fault of either.",
	},
}

// reasonOf is nil where none is known.
func reasonOf(suite, test string) *reason {
	for _, r := range reasons {
		if r.suite == suite && r.tests.MatchString(test) {
			return r
		}
	}
	return nil
}
