package control

import (
	"encoding/json"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/streamq/streamq-proxy/control/wire"
)

func TestPing(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	r.say(c, wire.OK, "PING")
	r.say(c, wire.UnknownVerb, "ping")
	r.say(c, wire.OK, "STATUS")
}

// The reply has a delimiter exactly where the request has one.
func TestDelimiter(t *testing.T) {
	r := newRig(t, nil)
	for i, kind := range []zmq4.Type{zmq4.REQ, zmq4.DEALER, zmq4.REQ} {
		s := r.raw(kind)
		if i == 2 {
			if err := s.SetReqCorrelate(1); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.SendMessage("STATUS"); err != nil {
			t.Fatal(err)
		}
		m, err := s.RecvMessageBytes(0)
		if err != nil || len(m) != 3 || string(m[0]) != "200" || string(m[1]) != "OK" || !json.Valid(m[2]) {
			t.Errorf("%v: %q %v", kind, m, err)
		}
	}
}
