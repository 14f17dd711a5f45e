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
