package stream

import (
	"context"
	"slices"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Shared is what a pool remembers together with pools like it in other processes: which worker
// somebody had last, and who clients are that are about to come. The loop calls it, so that its methods must not wait.
type Shared interface {
	// Recall asks for the worker that somebody had last, and how an identity is pinned, and says whether anybody is asked: then told
	// is called once, on another goroutine. Else now is the answer.
	Recall(who pairing.Who, told func(pairing.Recollection)) (now pairing.Recollection, asked bool)
	// Remember tells that somebody has a worker, to be known for so long; "" for one who is to be sent
	// to none because of what was.
	Remember(who pairing.Who, worker string, ttl time.Duration)
	// Identify asks who a client is that comes from there, and says whether anybody is asked: then told
	// is called once, on another goroutine, with what others know, and since when they know all that
	// they are told. Else nobody knows. Unless who is the zero one, it may ask along which worker he
	// had last: that is had, nil if it does not say.
	Identify(from pairing.Origin, who pairing.Who, told func(is pairing.Heard, whole time.Time, had *pairing.Recollection)) (asked bool)
	// Say tells what is said of a client that is about to come, to be known for so long.
	Say(said pairing.Saying, ttl time.Duration)

	// Waiting is who waits for the next client from an address, and Said waits until others know what
	// was said. Both are for other goroutines than the loop's: they wait, a moment at most.
	Waiting(ctx context.Context, address string) (is pairing.Heard, whole time.Time)
	Said(ctx context.Context, said pairing.Saying)
}

// identifyAgain is how long it takes until others are asked again who a client is that waits for its name.
const identifyAgain = 250 * time.Millisecond

// identify asks others who a client is, and along with that for the worker that it had last if it is
// nobody, who then is how others know it.
func (l *loop) identify(client pairing.PeerID, who pairing.Who, again bool) {
	if again {
		time.AfterFunc(identifyAgain, func() { l.pool.post(func() { l.identify(client, who, false) }) })
		return
	}
	p := l.table.Peer(client)
	if p == nil || p.Identity() != "" { // it would take the name of somebody else
		return
	}
	asked, began := false, l.now()
	if l.cfg.Shared != nil {
		asked = l.cfg.Shared.Identify(p.Origin(), who, func(is pairing.Heard, whole time.Time, had *pairing.Recollection) {
			l.pool.post(func() {
				actions := l.table.Identified(l.now(), client, l.dateOf(is, whole, began))
				if had != nil {
					actions = l.foretold(actions, client, who, *had)
				}
				l.act(actions)
			})
		})
	}
	if !asked {
		l.act(l.table.Identified(l.now(), client, pairing.Heard{}))
	}
}

// foretold are actions of which one may ask for a client's last worker, of whom that is known already:
// then that one is left out, and those follow to which its answer leads.
func (l *loop) foretold(actions []pairing.Action, client pairing.PeerID, who pairing.Who, had pairing.Recollection) []pairing.Action {
	asks := func(a pairing.Action) bool { return a.Op == pairing.Recall && a.Peer == client && a.Who == who }
	if !slices.ContainsFunc(actions, asks) {
		return actions
	}
	actions = slices.DeleteFunc(slices.Clone(actions), asks) // they are the table's
	return append(actions, l.table.Recalled(l.now(), client, had)...)
}

// dateOf says by the table's time since when others would know what was said here, who were asked at a time.
func (l *loop) dateOf(is pairing.Heard, whole time.Time, asked time.Duration) pairing.Heard {
	is.Since, is.Until = l.now()-time.Since(whole), asked
	return is
}

// say tells others what is said of a client.
func (l *loop) say(said *pairing.Saying) {
	if l.cfg.Shared != nil {
		l.cfg.Shared.Say(*said, l.cfg.Pairing.HintTTL)
	}
}

// others are those with whom a pool remembers, nil for none, and what its table's time is.
func (p *Pool) others(ctx context.Context) (others Shared, now time.Duration, err error) {
	type found struct {
		others Shared
		now    time.Duration
	}
	is, err := query(ctx, p, func(l *loop) found { return found{l.cfg.Shared, l.now()} })
	return is.others, is.now, err
}

// hello is [Pool.Hello] of a client, with what others know of it.
func (p *Pool) hello(ctx context.Context, hint pairing.Hint, permit Permit) error {
	others, asked, err := p.others(ctx)
	if err != nil {
		return err
	}
	var is pairing.Heard
	var whole time.Time
	if others != nil && hint.Endpoint == "" {
		is, whole = others.Waiting(ctx, hint.Address)
	}
	if err = p.permitted(ctx, hint.Identity, permit, func(l *loop) ([]pairing.Action, error) {
		return l.table.HelloAfter(l.now(), hint, l.dateOf(is, whole, asked))
	}); err != nil {
		return err
	}
	return p.said(ctx, hint)
}

// said waits until others know what was said of a client, as long as a look-up may take at most: it may
// come there in the next moment.
func (p *Pool) said(ctx context.Context, hint pairing.Hint) error {
	others, _, err := p.others(ctx) // behind what the loop has been told to tell
	if err == nil && others != nil {
		others.Said(ctx, pairing.Saying{Endpoint: hint.Endpoint, Address: hint.Address})
	}
	return err
}

// askOthers asks others for the worker that a client had last.
func (l *loop) askOthers(client pairing.PeerID, who pairing.Who) {
	if l.cfg.Shared == nil {
		l.othersSay(client, pairing.Recollection{})
		return
	}
	now, asked := l.cfg.Shared.Recall(who, func(is pairing.Recollection) {
		l.pool.post(func() { l.othersSay(client, is) })
	})
	if !asked {
		l.othersSay(client, now)
	}
}

func (l *loop) othersSay(client pairing.PeerID, is pairing.Recollection) {
	l.act(l.table.Recalled(l.now(), client, is))
}

// tellOthers tells others which worker somebody has.
func (l *loop) tellOthers(who pairing.Who, worker string) {
	if l.cfg.Shared != nil {
		l.cfg.Shared.Remember(who, worker, havingFor(&l.cfg))
	}
}

// havingFor is for how long others know who has which worker: as long as the pool does after the last
// connection of somebody, and as it takes until they are told again ([Pool.HavingFor]).
func havingFor(cfg *Config) time.Duration { return cfg.Pairing.AffinityTTL * 3 / 2 }

// HavingFor is for how long others are to know who has which worker. A third of that they should be
// told again, as long as he has it.
func (p *Pool) HavingFor() time.Duration {
	// Only what is asked after the pool has stopped has no answer, and nobody needs one.
	ttl, _ := queryHere(context.Background(), p, func(l *loop) time.Duration { return havingFor(&l.cfg) })
	return ttl
}

// Loads are the pairs of each worker that has some, see [pairing.Table.Loads].
func (p *Pool) Loads(ctx context.Context) (map[string]int, error) {
	return queryHere(ctx, p, func(l *loop) map[string]int { return l.table.Loads() })
}

// Elsewhere tells how many pairs workers have at other proxies, see [pairing.Table.Elsewhere].
func (p *Pool) Elsewhere(ctx context.Context, pairs map[string]int) error {
	return p.ask(ctx, func() { l := p.loop; l.act(l.table.Elsewhere(l.now(), pairs)) })
}

// Pairs are how many the pool has, see [pairing.Table.Pairs].
func (p *Pool) Pairs(ctx context.Context) (int, error) {
	return queryHere(ctx, p, func(l *loop) int { return l.table.Pairs() })
}

// Having lists who has a worker, see [pairing.Table.Having].
func (p *Pool) Having(ctx context.Context, after pairing.PeerID, most int) (page []pairing.Having, last pairing.PeerID, more bool, err error) {
	type having struct {
		page []pairing.Having
		last pairing.PeerID
		more bool
	}
	is, err := queryHere(ctx, p, func(l *loop) (h having) {
		h.page, h.last, h.more = l.table.Having(after, most)
		return h
	})
	return is.page, is.last, is.more, err
}
