package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Pause stops reading from every connection of the pool, as zmq_proxy_steerable(3)
// does. Peers feel backpressure and nothing is lost. The pool's clock stands
// still meanwhile, so that nothing expires because it was paused.
func (p *Pool) Pause(ctx context.Context) error {
	return p.answer(ctx, p.loop.halt)
}

// Resume goes on after Pause.
func (p *Pool) Resume(ctx context.Context) error {
	return p.answer(ctx, p.loop.resume)
}

// Paused says whether the pool is paused. It does not ask the loop.
func (p *Pool) Paused() bool { return p.paused.Load() }

// Traffic counts what passed one way: chunks of bytes as they were handed on, each
// of which a STREAM socket may have brought in several messages, and their bytes.
type Traffic struct {
	Chunks uint64 `json:"chunks"`
	Bytes  uint64 `json:"bytes"`
}

// Traffic from clients to workers, and back.
func (p *Pool) Traffic(ctx context.Context) (in, out Traffic, err error) {
	both, err := query(ctx, p, func(l *loop) [2]Traffic {
		var both [2]Traffic
		for way := range both {
			both[way] = Traffic{l.passed[way].Chunks.Load(), l.passed[way].Bytes.Load()}
		}
		return both
	})
	return both[0], both[1], err
}

func (l *loop) halt() error {
	if l.halted || l.draining {
		return nil
	}
	l.now()
	l.halted, l.haltedAt = true, time.Now()
	l.pool.paused.Store(true)
	l.poller.remove(l.frontend.fd)
	l.poller.remove(l.backend.fd)
	l.eachDirect(func(c *conn) {
		l.recall(c.flow)
		if c.flow.end.Over { // which is news
			l.relayed(c.flow)
			return
		}
		l.updateInterest(c)
	})
	return nil
}

func (l *loop) resume() error {
	if !l.halted {
		return nil
	}
	l.halted = false
	l.pool.paused.Store(false)
	l.start = l.start.Add(time.Since(l.haltedAt))
	l.eachDirect(func(c *conn) {
		if l.lend(c.flow); c.phase == live {
			l.updateInterest(c)
		}
	})
	err := errors.Join(
		l.poller.add(l.frontend.fd, pollIn, frontendToken),
		l.poller.add(l.backend.fd, pollIn, backendToken))
	if err != nil {
		return fmt.Errorf("going on after a pause: %w", err)
	}
	return nil
}

// eachDirect calls f for the connections of pairs that the loop reads itself, or has
// lent. f may end them, and others.
func (l *loop) eachDirect(f func(*conn)) {
	var direct []*conn
	l.table.EachPeer(func(p *pairing.Peer) bool {
		if c := p.Conn.(*conn); c.sock == nil {
			direct = append(direct, c)
		}
		return true
	})
	for _, c := range direct {
		if c.phase == live {
			f(c)
		}
	}
}
