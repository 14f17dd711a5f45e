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
	return p.answer(ctx, p.loop.pauseAll)
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
			both[way] = Traffic{l.figures.passed[way].Chunks.Load(), l.figures.passed[way].Bytes.Load()}
		}
		return both
	})
	return both[0], both[1], err
}

// halt is a pause of the pool: nothing is read, and the clock stands still.
type halt struct {
	on bool
	at time.Time
}

func (l *loop) pauseAll() error {
	if l.halt.on || l.draining.on || l.closed {
		return nil
	}
	l.now()
	l.halt = halt{true, time.Now()}
	l.pool.paused.Store(true)
	for _, s := range l.sockets() {
		l.poller.remove(s.fd)
		s.pause(true)
	}
	l.poller.remove(l.owner.Descriptor())
	l.eachConn(func(c *conn) {
		l.takeBack(c.flow)
		if c.flow != nil && c.flow.end.Over { // which is news
			l.relayed(c.flow)
			return
		}
		l.updateInterest(c)
	})
	return nil
}

func (l *loop) resume() error {
	if !l.halt.on || l.closed {
		return nil
	}
	l.halt.on = false
	l.pool.paused.Store(false)
	l.start = l.start.Add(time.Since(l.halt.at))
	l.stalls.seen = time.Since(l.start)
	l.eachConn(func(c *conn) {
		if c.flow != nil {
			l.lend(c.flow)
		}
		l.updateInterest(c)
	})
	err := l.poller.add(l.owner.Descriptor(), pollIn, newsToken)
	for _, s := range l.sockets() {
		pauseAll(l.letIn(s.listeners), false)
		err = errors.Join(err, l.poller.add(s.fd, pollIn, s.token()))
	}
	if err != nil {
		return fmt.Errorf("going on after a pause: %w", err)
	}
	return nil
}

// eachConn calls f for the connections that are served. f may end them, and others.
func (l *loop) eachConn(f func(*conn)) {
	var all []*conn
	l.table.EachPeer(func(p *pairing.Peer) bool {
		all = append(all, p.Conn.(*conn))
		return true
	})
	for _, c := range all {
		if c.phase == live {
			f(c)
		}
	}
}
