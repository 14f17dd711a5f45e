package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/splice"
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
	l.poller.remove(l.frontend.fd)
	l.poller.remove(l.backend.fd)
	l.updateAll()
	return nil
}

func (l *loop) resume() error {
	if !l.halted {
		return nil
	}
	l.halted = false
	l.start = l.start.Add(time.Since(l.haltedAt))
	l.updateAll()
	err := errors.Join(
		l.poller.add(l.frontend.fd, pollIn, frontendToken),
		l.poller.add(l.backend.fd, pollIn, backendToken))
	if err != nil {
		return fmt.Errorf("going on after a pause: %w", err)
	}
	return nil
}

// updateAll has the connections that the loop reads itself no longer watched
// for input, or watched again; pairs that were lent are taken back, or lent again.
func (l *loop) updateAll() {
	var over []*flow // that the relay had brought to their end
	var ends []splice.End
	l.table.EachPeer(func(p *pairing.Peer) bool {
		c := p.Conn.(*conn)
		if c.sock != nil || c.phase != live {
			return true
		}
		if l.halted {
			if c.lent() {
				lent := c.flow.lent
				l.recall(c.flow)
				if end := lent.End(); end.Over {
					over, ends = append(over, c.flow), append(ends, end)
				}
			}
		}
		l.updateInterest(c)
		if c.flow != nil && !l.halted {
			l.lend(c.flow)
		}
		return true
	})
	for i, f := range over {
		l.relayed(f, ends[i])
	}
}
