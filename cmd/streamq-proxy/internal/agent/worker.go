package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// signature is how a ZMTP greeting begins (23/ZMTP, "Greeting").
type signature [10]byte

// errNotZMTP is of what is no worker of ZeroMQ, or one of ZMTP 1.0, whose greeting
// has another beginning.
var errNotZMTP = errors.New("its first bytes are not a greeting of ZMTP 2.0 or newer")

// check says whether it is that of a ZMTP greeting.
func (s *signature) check() error {
	if s[0] != 0xFF || s[9]&1 == 0 {
		return errNotZMTP
	}
	return nil
}

// watchWorker learns the worker's signature, and again whenever the worker has gone
// or is another, until ctx ends.
func (a *Agent) watchWorker(ctx context.Context) {
	var pause pace
	var source listener // what the worker listens with, if that can be seen
	var met time.Time   // when a doubt was settled last
	for ctx.Err() == nil {
		wait := watchEvery
		if a.State().Worker {
			if source.inode != 0 && source.gone() {
				a.do(func() { a.lost(a.shown, errGone) })
			}
		} else if wait = pause.wait(time.Now()); wait == 0 {
			var err error
			if source, err = a.learn(ctx); err == nil {
				pause.good()
			} else if pause.fail(time.Now()) && ctx.Err() == nil {
				a.cfg.Log.Warn("the worker is not there: no slots", "worker", a.cfg.Worker, "error", err)
			}
			continue
		}
		doubts := a.doubts
		if time.Since(met) < watchEvery {
			doubts = nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		case <-doubts:
			met = time.Now()
			a.meetAgain(ctx)
		}
	}
}

// doubt has the worker met again: it has closed on a client before it said its signature. So does a forwarder
// behind which the worker has gone; but so does libzmq too, where ZAP is asked, when the first that it reads is a
// client of ZMTP 1.0 (4.3.4: zmtp_engine_t::handshake_v1_0_unversioned), and no stranger is to cost the others their slots.
func (a *Agent) doubt() {
	select {
	case a.doubts <- struct{}{}:
	default:
	}
}

// meetAgain settles a doubt. The slots stay, unless the worker does not say what they have shown.
func (a *Agent) meetAgain(ctx context.Context) {
	var shown *signature
	if a.do(func() { shown = a.shown }); shown == nil {
		return
	}
	conn, sign, err := a.meet(ctx)
	if err == nil {
		_ = conn.Close()
		if *sign != *shown {
			err = errOther
		}
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	a.figures.workerFailed.Add(1)
	a.do(func() { a.lost(shown, err) })
}

// errGone is of a worker whose listening socket has gone, or is another.
var errGone = errors.New("it no longer listens, or was restarted")

// learn has the signature by a connection to the worker, and with it what listens there.
func (a *Agent) learn(ctx context.Context) (listener, error) {
	conn, sign, err := a.meet(ctx)
	if err != nil {
		a.figures.workerFailed.Add(1)
		return listener{}, err
	}
	seen := listenerOf(conn)
	_ = conn.Close()
	a.cfg.Log.Info("the worker is there", "worker", a.cfg.Worker, "watched", seen.inode != 0)
	a.do(func() { a.shown = sign })
	return seen, nil
}

// meet dials the worker, and takes its signature off the connection.
func (a *Agent) meet(ctx context.Context) (conn net.Conn, sign *signature, err error) {
	conn, err = a.dialFrom(ctx, a.worker.at, netip.Addr{})
	if err != nil {
		return nil, nil, err
	}
	if conn.LocalAddr().String() == conn.RemoteAddr().String() {
		_ = conn.Close() // the dial has met itself
		return nil, nil, errNobody
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	sign = new(signature)
	err = conn.SetReadDeadline(time.Now().Add(dialTimeout))
	if err == nil {
		_, err = io.ReadFull(conn, sign[:])
	}
	if err == nil {
		err = sign.check()
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("greeting: %w", err)
	}
	return conn, sign, nil
}

// lost withdraws the slots that showed this signature; the worker is learnt anew.
func (a *Agent) lost(shown *signature, reason error) {
	if a.shown != shown || shown == nil {
		return
	}
	a.shown = nil
	a.withdraw()
	a.cfg.Log.Warn("the worker is lost: no slots", "worker", a.cfg.Worker, "reason", reason)
}

// onThisMachine says whether both ends of a connection have the same address.
func onThisMachine(conn net.Conn) (at netip.AddrPort, ok bool) {
	local, err1 := netip.ParseAddrPort(conn.LocalAddr().String())
	remote, err2 := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err1 != nil || err2 != nil {
		return at, false
	}
	same := local.Addr() == remote.Addr() || local.Addr().IsLoopback() && remote.Addr().IsLoopback()
	return netip.AddrPortFrom(remote.Addr().Unmap().WithZone(""), remote.Port()), same
}
