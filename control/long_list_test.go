package control

import (
	"strings"
	"testing"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
)

// A list of workers that is too long is refused, whoever says it, and changes nothing.
func TestLongLists(t *testing.T) {
	r := newRig(t, nil)
	c := r.dial()
	most := strings.Repeat("w,", pairing.MaxPrefer-1) + "w"
	long := strings.Repeat("x", pairing.MaxName)
	wide := strings.Join([]string{long, long, long, long[:pairing.MaxList-3*(pairing.MaxName+1)-2], "y"}, ",")
	for _, list := range []string{most, wide} {
		r.say(c, wire.OK, "HELLO", "client", "ann", "prefer="+list)
		r.say(c, wire.OK, "HINT", "ann", "prefer="+list)
		r.say(c, wire.OK, "PIN", "ann", list)
		x := body[wire.Explanation](t, r.say(c, wire.OK, "EXPLAIN", "ann"))
		if got := strings.Join(x.Prefer, ","); got != list {
			t.Errorf("it is %q", got)
		}
	}
	for _, list := range []string{most + ",w", wide + "y"} {
		for _, words := range [][]string{{"HELLO", "client", "ann", "prefer=" + list}, {"HINT", "ann", "prefer=" + list}, {"PIN", "ann", list}} {
			if reply := r.say(c, wire.Malformed, words[0], words[1:]...); !strings.Contains(reply.Text, "more than") {
				t.Errorf("%s says %q", words[0], reply.Text)
			}
		}
	}
	if x := body[wire.Explanation](t, r.say(c, wire.OK, "EXPLAIN", "ann")); strings.Join(x.Prefer, ",") != wide {
		t.Errorf("%+v", x)
	}
}
