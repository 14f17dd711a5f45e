package control

import (
	"strconv"
	"strings"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// standardRate is how many pairs a second a rebalance ends unless it is told: so that
// the handshakes of those who come again are a small part of a core's work.
const standardRate = 10

// What REBALANCE can be told to do instead of rebalancing.
const (
	rebalanceDry  = "dry-run"
	rebalanceStop = "stop"
	rebalanceShow = "show"
)

func rebalanceVerb() Verb {
	return Verb{
		Name: "REBALANCE", Args: "[dry-run|stop|show] [worker=NAME] [rate=N/s] [pool=NAME]", Level: wire.Operator,
		Logged: Logged, Web: true, Asks: []string{rebalanceDry, rebalanceShow},
		Help: "ends pairs of workers that have more than their share, or of one, idle ones first, 10 a second, so that clients come again elsewhere; " +
			"dry-run: only says which; stop: ends it; show: how far it is",
		run: rebalance,
	}
}

func rebalance(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	switch c.arg(0) {
	case rebalanceStop:
		if err := found(pool.StopRebalance(c.ctx))(wire.NotFound, "no rebalance is under way"); err != nil {
			return wire.Reply{}, err
		}
		return rebalancing(c, pool)
	case rebalanceShow:
		return rebalancing(c, pool)
	}
	r := pairing.Rebalance{Worker: c.options["worker"], Rate: standardRate, DryRun: c.arg(0) == rebalanceDry}
	if s, said := c.options["rate"]; said {
		if r.Rate, err = rate(s); err != nil {
			return wire.Reply{}, err
		}
	}
	plan, err := pool.Rebalance(c.ctx, r)
	if err != nil {
		return wire.Reply{}, err
	}
	code := wire.OK
	if plan.State == pairing.RebalanceRunning {
		code = wire.Accepted
	}
	return wire.NewReply(code, rebalanceInfo(&plan))
}

// rebalancing replies with how far the last one is.
func rebalancing(c *call, pool *stream.Pool) (wire.Reply, error) {
	r, err := pool.Rebalancing(c.ctx)
	switch {
	case err != nil:
		return wire.Reply{}, err
	case r == nil:
		return wire.Reply{}, wire.Errorf(wire.NotFound, "there was no rebalance since the start")
	}
	return wire.NewReply(wire.OK, rebalanceInfo(r))
}

// rate is N or N/s.
func rate(s string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(s, "/s"), 64)
	if err != nil || !(n > 0 && n <= pairing.MaxMoveRate) {
		return 0, wire.Errorf(wire.Malformed, "rate: %q is not a number of pairs a second, above 0 and up to %d", s, pairing.MaxMoveRate)
	}
	return n, nil
}

func rebalanceInfo(r *pairing.Rebalancing) wire.Rebalance {
	info := wire.Rebalance{
		State: r.State.String(), Worker: r.Worker, Rate: r.Rate, Planned: r.Planned, Ended: r.Ended,
		Took: wire.InSeconds(r.Took), Workers: []wire.WorkerBalance{}, // [] in JSON, not null
	}
	for _, w := range r.Workers {
		info.Workers = append(info.Workers, wire.WorkerBalance(w))
	}
	return info
}
