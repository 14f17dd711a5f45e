package control

import (
	"testing"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
)

// FAILING names the addresses whose clients were not served, the worst first, and how
// many there are of them.
func TestFailing(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	if all := body[wire.Failing](t, r.say(c, wire.OK, "FAILING")); all.Addresses != 0 || all.Failing == nil {
		t.Errorf("before anybody came it is %+v", all)
	}
	frontend, _ := r.pool.Bound()
	for i, from := range []string{"127.0.0.21:0", "127.0.0.22:0", "127.0.0.22:0", "127.0.0.22:0"} {
		stranger := r.connectFrom(from, frontend)
		if _, err := stranger.Write([]byte("GET / HTTP/1.1\r\n")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is sent away", func() bool { return r.snapshot().Stats.Ended[pairing.NotZMTP] == uint64(i+1) })
	}
	all := body[wire.Failing](t, r.say(c, wire.OK, "FAILING"))
	if all.Addresses != 2 || len(all.Failing) != 2 {
		t.Fatalf("they are %+v", all)
	}
	for i, want := range []wire.FailingInfo{{Address: "127.0.0.22", Clients: 3}, {Address: "127.0.0.21", Clients: 1}} {
		is := all.Failing[i]
		if is.Address != want.Address || is.Clients != want.Clients || is.Reason != "not-zmtp" || is.First < is.Last {
			t.Errorf("number %d is %+v", i, is)
		}
	}
	if one := body[wire.Failing](t, r.say(c, wire.OK, "FAILING", "limit=1")); one.Addresses != 2 || len(one.Failing) != 1 {
		t.Errorf("one is %+v", one)
	}
	r.say(c, wire.Malformed, "FAILING", "limit=0")
	r.say(c, wire.NotFound, "FAILING", "pool=other")
}
