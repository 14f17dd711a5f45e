package stream

import (
	"context"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Rebalance begins to end pairs of workers that have more than their share, see
// [pairing.Table.Rebalance]. Their clients connect again by themselves.
func (p *Pool) Rebalance(ctx context.Context, r pairing.Rebalance) (plan pairing.Rebalancing, err error) {
	return plan, p.worker(ctx, func(l *loop) (actions []pairing.Action, err error) {
		plan, actions, err = l.table.Rebalance(l.now(), r)
		l.tellRebalanced() // of the one whose place it has taken
		if err == nil && plan.State == pairing.RebalanceRunning {
			l.tell(Event{Topic: TopicRebalanceBegun, Worker: r.Worker, State: plan.State.String(), Pairs: plan.Planned})
			l.cfg.Log.Info("rebalance", "pool", l.fixed.Name, "pairs", plan.Planned, "rate", r.Rate)
		}
		return actions, err
	})
}

// StopRebalance ends what Rebalance began, and says whether something was under way.
func (p *Pool) StopRebalance(ctx context.Context) (bool, error) {
	return query(ctx, p, func(l *loop) bool {
		was := l.table.StopRebalance(l.now())
		l.tellRebalanced()
		return was
	})
}

// Rebalancing tells of the rebalance that is under way, or else of the last; nil when
// there never was one.
func (p *Pool) Rebalancing(ctx context.Context) (*pairing.Rebalancing, error) {
	return query(ctx, p, func(l *loop) *pairing.Rebalancing {
		if r, ever := l.table.Rebalancing(l.now()); ever {
			return &r
		}
		return nil
	})
}

// tellRebalanced tells of a rebalance that is over.
func (l *loop) tellRebalanced() {
	r, is := l.table.Rebalanced()
	if !is {
		return
	}
	l.tell(Event{Topic: TopicRebalanceEnded, Worker: r.Worker, State: r.State.String(), Pairs: r.Ended})
	l.cfg.Log.Info("rebalance is over", "pool", l.fixed.Name, "state", r.State.String(), "pairs", r.Ended, "planned", r.Planned,
		"took", r.Took.Round(time.Millisecond))
}
