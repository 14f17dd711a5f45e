package integration

import (
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// security is one mechanism with the keys of one worker and one client.
type security struct {
	mechanism                  string
	serverPublic, serverSecret string
	clientPublic, clientSecret string
}

func newSecurity(t testing.TB, mechanism string) security {
	t.Helper()
	s := security{mechanism: mechanism}
	if mechanism == "CURVE" {
		var err error
		s.serverPublic, s.serverSecret, err = zmq.NewCurveKeypair()
		must(t, err)
		s.clientPublic, s.clientSecret, err = zmq.NewCurveKeypair()
		must(t, err)
	}
	return s
}

func (s security) asServer(t testing.TB, ctx *zmq.Context, socket *zmq.Socket) {
	t.Helper()
	switch s.mechanism {
	case "PLAIN":
		startZAP(t, ctx)
		must(t, socket.SetPlainServer(1))
	case "CURVE":
		must(t, socket.SetCurveServer(1))
		must(t, socket.SetCurveSecretkey(s.serverSecret))
	}
}

func (s security) asClient(t testing.TB, socket *zmq.Socket) {
	t.Helper()
	switch s.mechanism {
	case "PLAIN":
		must(t, socket.SetPlainUsername(plainUser))
		must(t, socket.SetPlainPassword(plainPassword))
	case "CURVE":
		must(t, socket.SetCurveServerkey(s.serverPublic))
		must(t, socket.SetCurvePublickey(s.clientPublic))
		must(t, socket.SetCurveSecretkey(s.clientSecret))
	}
}

// serverFlags and clientFlags tell a peer in a process of its own the same.
func (s security) serverFlags() []string {
	flags := []string{"--mechanism", s.mechanism}
	if s.mechanism == "CURVE" {
		flags = append(flags, "--server-public="+s.serverPublic, "--server-secret="+s.serverSecret)
	}
	return flags
}

func (s security) clientFlags() []string {
	flags := []string{"--mechanism", s.mechanism}
	if s.mechanism == "CURVE" {
		flags = append(flags, "--server-public="+s.serverPublic, "--client-public="+s.clientPublic,
			"--client-secret="+s.clientSecret)
	}
	return flags
}

func mechanisms() []string { return []string{"NULL", "PLAIN", "CURVE"} }
