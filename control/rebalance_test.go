package control

import (
	"slices"
	"testing"

	"github.com/streamq/streamq-proxy/control/client"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// newUneven is a rig with all of 20 pairs at one worker of two.
func newUneven(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, func(r *rig, _ *Config, p *stream.Config) { p.Workers = []pairing.WorkerConfig{r.listening("old")} })
	for range 20 {
		greet(t, r.client())
	}
	eventually(t, "all are open", func() bool { return r.snapshot().Stats.Open == 20 })
	r.say(r.dial(), wire.OK, "ADD", "new", r.listening("new").Endpoint)
	return r
}

// A dry run says what would be done and does nothing; a rebalance ends what it said, no
// more, and tells of it while and after.
func TestRebalance(t *testing.T) {
	r := newUneven(t)
	c := r.dial()
	r.say(c, wire.NotFound, "REBALANCE", "show")
	r.say(c, wire.NotFound, "REBALANCE", "stop")
	want := []wire.WorkerBalance{{Worker: "new", Pairs: 0, Share: 10}, {Worker: "old", Pairs: 20, Share: 10, Ends: 10}}
	dry := body[wire.Rebalance](t, r.say(c, wire.OK, "REBALANCE", "rate=7", "dry-run"))
	if dry.State != "planned" || dry.Planned != 10 || dry.Ended != 0 || dry.Rate != 7 || !slices.Equal(dry.Workers, want) {
		t.Errorf("it would do %+v", dry)
	}
	r.say(c, wire.NotFound, "REBALANCE", "show")
	if n := r.snapshot().Stats.Ended[pairing.Moved]; n != 0 {
		t.Errorf("a dry run has ended %d", n)
	}
	begun := body[wire.Rebalance](t, r.say(c, wire.Accepted, "REBALANCE", "rate=1000/s"))
	if begun.State != "running" || begun.Planned != 10 || begun.Worker != "" {
		t.Errorf("it does %+v", begun)
	}
	eventually(t, "it is done", func() bool {
		return body[wire.Rebalance](t, r.say(c, wire.OK, "REBALANCE", "show")).State == "done"
	})
	if did := body[wire.Rebalance](t, r.say(c, wire.OK, "REBALANCE", "show")); did.Ended != 10 || !slices.Equal(did.Workers, want) {
		t.Errorf("it did %+v", did)
	}
	if s := r.snapshot(); s.Stats.Ended[pairing.Moved] != 10 || s.Workers[1].Pairs != 10 {
		t.Errorf("%d have ended, and the old worker has %d", s.Stats.Ended[pairing.Moved], s.Workers[1].Pairs)
	}
	if again := body[wire.Rebalance](t, r.say(c, wire.OK, "REBALANCE", "worker=new")); again.State != "done" || again.Planned != 0 || again.Rate != standardRate {
		t.Errorf("another does %+v", again)
	}
}

// A rebalance ends when it is told to, when another begins, and when a worker is drained;
// STATUS tells how much it has left.
func TestRebalanceEnds(t *testing.T) {
	r := newUneven(t)
	c := r.dial()
	left := func() int { return body[wire.Status](t, r.say(c, wire.OK, "STATUS")).Pools[0].RebalanceLeft }
	begin := func() { // too slowly to come to anything
		t.Helper()
		r.say(c, wire.Accepted, "REBALANCE", "rate=0.001")
		if n := left(); n < 9 {
			t.Errorf("STATUS says that %d are left", n)
		}
	}
	begin()
	if s := body[wire.Rebalance](t, r.say(c, wire.OK, "REBALANCE", "stop")); s.State != "stopped" || left() != 0 {
		t.Errorf("stopped it is %+v", s)
	}
	begin()
	r.say(c, wire.Accepted, "REBALANCE", "worker=old", "rate=0.002")
	if s := body[wire.Rebalance](t, r.say(c, wire.OK, "REBALANCE", "show")); s.State != "running" || s.Worker != "old" || s.Rate != 0.002 {
		t.Errorf("the second is %+v", s)
	}
	r.say(c, wire.OK, "DRAIN", "new")
	if s := body[wire.Rebalance](t, r.say(c, wire.OK, "REBALANCE", "show")); s.State != "interrupted" || left() != 0 {
		t.Errorf("after DRAIN it is %+v", s)
	}
}

func TestRebalanceRefuses(t *testing.T) {
	r := newUneven(t)
	c := r.dial()
	for _, args := range [][]string{
		{"rate=0"},
		{"rate=-1"},
		{"rate=NaN"},
		{"rate=10001"},
		{"rate=5/m"},
		{"rate="},
		{"now"},
		{"show", "stop"},
		{"worker=old", "old"},
	} {
		r.say(c, wire.Malformed, "REBALANCE", args...)
	}
	r.say(c, wire.NotFound, "REBALANCE", "worker=nobody")
	if _, err := c.Pool("").StopRebalance(r.context()); wire.CodeOf(err) != wire.NotFound {
		t.Error(err)
	}
}

// testClientRebalances has the client say everything that there is to say of it.
func testClientRebalances(t *testing.T, r *rig, c *client.Client) {
	t.Helper()
	ctx, pool := r.context(), c.Pool("")
	plan, err := pool.Rebalance(ctx, client.Rebalance{Worker: "w1", Rate: 2.5, DryRun: true})
	if plan.State != "planned" || plan.Rate != 2.5 || plan.Worker != "w1" || err != nil {
		t.Errorf("%+v, %v", plan, err)
	}
	if plan, err = pool.Rebalance(ctx, client.Rebalance{}); plan.State != "done" || plan.Rate != standardRate || err != nil {
		t.Errorf("%+v, %v", plan, err)
	}
	if plan, err = pool.Rebalancing(ctx); plan.State != "done" || err != nil {
		t.Errorf("%+v, %v", plan, err)
	}
	if _, err = pool.StopRebalance(ctx); wire.CodeOf(err) != wire.NotFound {
		t.Error(err)
	}
}
