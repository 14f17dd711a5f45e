package control

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/stream"
)

// An endpoint that the proxy does not see, as an application behind NAT tells it, is
// accepted, since it may be about to come. When it has not, the log says who did, once
// a minute, and each is counted.
func TestHelloForNobody(t *testing.T) {
	log := &recorder{}
	r := newRig(t, func(_ *rig, _ *Config, p *stream.Config) { // also a busy machine says all of it before it is over
		p.Pairing.HintTTL, p.Log = 2*time.Second, slog.New(slog.NewTextHandler(log, nil))
	})
	c := r.dial()
	r.say(c, wire.OK, "HELLO", "client", "ann", "endpoint=10.0.0.7:40112")
	client := r.client()
	eventually(t, "it is logged", func() bool {
		return log.with("level=WARN", "did not come", "identity=ann", "endpoint=10.0.0.7:40112", "hints=1",
			"came="+client.LocalAddr().String()) == 1
	})
	for i := range 10 {
		r.say(c, wire.OK, "HELLO", "client", fmt.Sprint("id-", i), "endpoint=10.0.0.8:1")
		r.say(c, wire.OK, "HELLO", "client", fmt.Sprint("id-", i), fmt.Sprint("endpoint=10.0.0.7:", i+1))
	}
	expired := func() uint64 {
		return body[wire.Status](t, r.say(c, wire.OK, "STATUS")).Pools[0].HintsExpired
	}
	eventually(t, "all are counted", func() bool { return expired() == 12 }) // the last of 10.0.0.8:1 has taken the place of the others
	if n := log.with("did not come"); n != 1 {
		t.Errorf("%d lines in a minute", n)
	}
}
