package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// slot is one connection to the proxy.
type slot struct {
	agent *Agent
	shown *signature // what it showed of the worker
	conn  net.Conn
	since time.Time // when it was there
}

// mostFirst is how much of a client's first bytes is read, in bytes; the relay reads
// the rest. Nearly always it is the ten of a signature.
const mostFirst = 64

// probation is for how long one slot has to be there before the others follow, after
// the proxy could not be reached.
const probation = 100 * time.Millisecond

// live is the whole life of a slot.
func (s *slot) live() {
	if !s.offer() {
		return
	}
	first, used := s.await()
	if !used {
		_ = s.conn.Close()
		return
	}
	s.serve(first)
}

// offer dials the proxy and shows the signature, and says whether it is idle now.
func (s *slot) offer() bool {
	a := s.agent
	conn, err := a.dialer.DialContext(a.life, "tcp", a.proxy)
	if err == nil {
		if _, err = conn.Write(s.shown[:]); err != nil {
			_ = conn.Close()
		}
	}
	if err == nil {
		a.name(conn)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.stirred()
	a.dialled--
	if err != nil {
		a.figures.proxyFailed.Add(1)
		if a.proxyIs.fail(time.Now()) {
			a.cfg.Log.Warn("cannot reach the proxy", "proxy", a.cfg.Proxy, "error", err)
		}
		return false
	}
	if a.over || a.shown != s.shown { // the worker went meanwhile
		_ = conn.Close()
		return false
	}
	s.conn, s.since = conn, time.Now()
	a.idle[s] = struct{}{}
	if a.proxyIs.failing() {
		time.AfterFunc(probation, s.probed)
	}
	return true
}

// name has the proxy told whose slot this is. Of failures in a row the first is logged.
func (a *Agent) name(conn net.Conn) {
	if a.cfg.Name == nil {
		return
	}
	ctx, cancel := context.WithTimeout(a.life, dialTimeout)
	defer cancel()
	switch err := a.cfg.Name(ctx, conn.LocalAddr().String()); {
	case a.life.Err() != nil:
	case err == nil:
		a.unnamed.Store(false)
	case !a.unnamed.Swap(true):
		a.cfg.Log.Warn("the proxy was not told whose slots these are", "error", err)
	}
	if a.unnamed.Load() {
		a.figures.unnamed.Add(1)
	}
}

// await returns a client's first bytes once they come; used is false when the slot
// has ended without any.
func (s *slot) await() (first []byte, used bool) {
	a := s.agent
	buffer := make([]byte, mostFirst)
	n, err := s.conn.Read(buffer)
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.stirred()
	_, ours := a.idle[s]
	delete(a.idle, s)
	age := time.Since(s.since)
	if n > 0 && ours {
		a.proxyGood()
		a.used()
		return buffer[:n:n], true
	}
	switch {
	case !ours || errors.Is(err, net.ErrClosed): // withdrawn
	case age >= settled: // the proxy renews its slots, or ends
		a.figures.renewed.Add(1)
		a.proxyGood()
	default:
		a.figures.proxyFailed.Add(1)
		if a.proxyIs.fail(time.Now()) {
			if errors.Is(err, io.EOF) {
				err = errors.New("it closed a new connection")
			}
			a.cfg.Log.Warn("the proxy keeps no slot", "proxy", a.cfg.Proxy, "error", err)
		}
	}
	return nil, false
}

// probed: the proxy keeps slots if it still has this one.
func (s *slot) probed() {
	a := s.agent
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, still := a.idle[s]; still {
		a.proxyGood()
		a.stirred()
	}
}

// proxyGood notes that a slot has been of use.
func (a *Agent) proxyGood() {
	if a.proxyIs.good() {
		a.cfg.Log.Info("the proxy takes slots again", "proxy", a.cfg.Proxy)
	}
}
