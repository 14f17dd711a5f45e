package stream

import (
	"context"
	"slices"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Steer has an operator's word about a worker, or an identity, count, who says it now: here, or everywhere, and then whoever calls has to
// tell others what is returned. Errors: as [pairing.Table.Steer]'s. The pairs of a worker in maintenance are ended, 100 a
// second or all within 5 s; for those that are left when it is not in maintenance any more that is off.
func (p *Pool) Steer(ctx context.Context, s pairing.Steering) (pairing.Steering, error) {
	type said struct {
		pairing.Steering
		err error
	}
	s.At = time.Now().UnixMilli()
	is, err := query(ctx, p, func(l *loop) said {
		s, err := l.steer(s)
		return said{s, err}
	})
	if err == nil {
		err = is.err
	}
	return is.Steering, err
}

// steerHere is Steer for this pool only.
func (p *Pool) steerHere(ctx context.Context, worker string, r pairing.Register, value int) error {
	_, err := p.Steer(ctx, pairing.Steering{Worker: worker, Register: r, Said: pairing.Said{Value: value}})
	return err
}

func (l *loop) steer(s pairing.Steering) (pairing.Steering, error) {
	said, actions, err := l.table.Steer(l.now(), s)
	return said, l.steered(&said, actions, err)
}

// steered sees to what a word has brought about.
func (l *loop) steered(s *pairing.Steering, actions []pairing.Action, err error) error {
	if s.Register == pairing.RegisterState {
		l.stayTogether(s.Worker, pairing.Drained)
	}
	l.act(actions)
	if err != nil || s.Register != pairing.RegisterState || pairing.State(s.Value) != pairing.Maintenance {
		return err
	}
	pairs, err := l.table.PairsOf(s.Worker)
	l.part(parting{worker: s.Worker, why: pairing.Drained, pairs: pairs}, partWithin)
	return err
}

func (l *loop) heedWords(words []pairing.Steering) (heeded []pairing.Steering) {
	for i := range words {
		is, actions, err := l.table.Heed(l.now(), words[i])
		if is && l.steered(&words[i], actions, err) == nil {
			heeded = append(heeded, words[i])
		}
	}
	return heeded
}

// Heed has words count that were said everywhere, at other proxies, and says which of them do: those that are the last about a
// worker that the pool has, or about an identity.
func (p *Pool) Heed(ctx context.Context, words []pairing.Steering) (heeded []pairing.Steering, err error) {
	for some := range slices.Chunk(words, wordsAtOnce) {
		of, err := query(ctx, p, func(l *loop) []pairing.Steering { return l.heedWords(some) })
		if err != nil {
			return heeded, err
		}
		heeded = append(heeded, of...)
	}
	return heeded, nil
}

// wordsAtOnce are asked for, or heeded, at once, so that the loop is not held up.
const wordsAtOnce = 1024

// wordsPage is one page of words about identities.
type wordsPage struct {
	words []pairing.Steering
	more  bool
}

// Words are the last that were said of all workers, see [pairing.Table.Said], and of identities, see [pairing.Table.SaidOfIdentities].
func (p *Pool) Words(ctx context.Context) ([]pairing.Steering, error) {
	words, err := query(ctx, p, func(l *loop) []pairing.Steering { return l.table.Said(true) })
	for skip, more := 0, true; more && err == nil; skip += wordsAtOnce {
		var page wordsPage
		page, err = query(ctx, p, func(l *loop) (page wordsPage) {
			page.words, page.more = l.table.SaidOfIdentities(l.now(), skip, wordsAtOnce)
			return page
		})
		words, more = append(words, page.words...), page.more
	}
	return words, err
}

// Revision is [pairing.Table.Revision].
func (p *Pool) Revision(ctx context.Context) (uint64, error) {
	return query(ctx, p, func(l *loop) uint64 { return l.table.Revision() })
}

// SetWorkerState drains a worker, puts it in maintenance or enables it again, in this pool, see [Pool.Steer].
func (p *Pool) SetWorkerState(ctx context.Context, name string, state pairing.State) error {
	return p.steerHere(ctx, name, pairing.RegisterState, int(state))
}

// SetWeight changes the weight of a worker, in this pool.
func (p *Pool) SetWeight(ctx context.Context, name string, weight int) error {
	return p.steerHere(ctx, name, pairing.RegisterWeight, weight)
}

// SetMaxPairs changes how many pairs a worker may have, 0 for no limit, in this pool.
func (p *Pool) SetMaxPairs(ctx context.Context, name string, n int) error {
	return p.steerHere(ctx, name, pairing.RegisterMaxPairs, n)
}

// Idle is a pool that does not run yet, as far as it can be steered: by whoever runs it later.
type Idle struct{ pool *Pool }

// Idle is the pool until it is run.
func (p *Pool) Idle() Idle { return Idle{p} }

// Revision is [Pool.Revision].
func (i Idle) Revision(context.Context) (uint64, error) {
	return i.pool.loop.table.Revision(), nil
}

// Words are those of [Pool.Words] that are about workers.
func (i Idle) Words(context.Context) ([]pairing.Steering, error) {
	return i.pool.loop.table.Said(true), nil
}

// Heed is [Pool.Heed].
func (i Idle) Heed(_ context.Context, words []pairing.Steering) ([]pairing.Steering, error) {
	return i.pool.loop.heedWords(words), nil
}
