package agent

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/sockets"
)

// probation is for how long one slot has to be there before the others follow, after
// the proxy could not be reached.
const probation = 100 * time.Millisecond

// offer dials the proxy, and shows it the signature.
func (s *slot) offer() {
	a := s.agent
	now := time.Now()
	s.anew = a.proxyIs.failing()
	to, known := a.proxy.known(now)
	if !known {
		a.lookUp(&a.proxy, netip.Addr{}, func(c sockets.Connection, err error) {
			if s.sides[client] = c; s.phase == over {
				sockets.Close(c.FD)
				return
			}
			s.offered(err)
		})
		return
	}
	connected := false
	var err error
	s.to[client] = to
	if s.sides[client], connected, err = to.Connect(); err == nil && !connected {
		s.wait(now)
		if err = a.hand.Watch(s.sides[client].FD, unix.EPOLLOUT, s.token(client)); err == nil {
			return
		}
	}
	s.offered(err)
}

// offered is the outcome of the dial.
func (s *slot) offered(err error) {
	a, c := s.agent, &s.sides[client]
	if err == nil {
		err = ready(c)
	}
	if err == nil {
		_, err = sockets.Write(c.FD, s.shown[:]) // there is room for it: it is the first
	}
	if err == nil {
		err = s.watch(client, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLONESHOT)
	}
	if err != nil {
		s.close()
		a.proxy.lost()
		a.proxyBad("cannot reach the proxy", err)
		return
	}
	s.since = time.Now()
	if a.cfg.Name == nil {
		s.await()
		return
	}
	s.become(naming)
	own, anew := c.Own.String(), s.anew
	a.help(func() {
		ctx, cancel := context.WithTimeout(a.life, dialTimeout)
		defer cancel()
		err := a.cfg.Name(ctx, own, anew)
		a.post(func() { s.named(err) })
	})
}

// ready sets the options of a new connection. One of this machine alone is never forgotten on its way.
func ready(c *sockets.Connection) error {
	err := sockets.NoDelay(c.FD)
	if err == nil && !c.Peer.Addr().IsLoopback() {
		err = sockets.KeepAlive(c.FD, aliveIdle, aliveInterval, aliveCount)
	}
	return err
}

// named is what came of telling the proxy whose slot it is. Of failures in a row the first is logged.
func (s *slot) named(err error) {
	a := s.agent
	switch {
	case a.life.Err() != nil:
	case err == nil:
		a.unnamed, a.nameRefused, s.known = false, nil, true
	case !a.unnamed:
		a.unnamed = true
		a.cfg.Log.Warn("the proxy was not told whose slots these are", "error", err)
	}
	if a.unnamed {
		a.figures.unnamed.Add(1)
	}
	if errors.Is(err, ErrNameRefused) {
		a.nameRefused = err
	}
	if s.phase == naming {
		s.await()
	}
}

// await has it wait for a client.
func (s *slot) await() {
	a := s.agent
	s.become(idle)
	if a.proxyIs.failing() && a.probing == nil {
		a.probing, a.probeAt = s, time.Now().Add(probation)
	}
}
