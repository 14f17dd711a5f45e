package agent

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/sockets"
	"github.com/streamq/streamq-proxy/stream/source"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// errOther is of a worker whose signature is another than the proxy was shown.
var errOther = errors.New("its signature is another than the slot has shown")

// reach dials the worker for the client that has come.
func (s *slot) reach() {
	a := s.agent
	var err error
	s.from, err = a.cfg.Addresses.take(s.sides[client].Own.String())
	if err != nil {
		s.close()
		a.refused(err)
		return
	}
	now := time.Now()
	to, known := a.worker.known(now)
	if !known {
		a.lookUp(&a.worker, s.from, func(c sockets.Connection, err error) {
			if s.sides[server] = c; s.phase == over {
				sockets.Close(c.FD)
				return
			}
			s.reached(err)
		})
		return
	}
	var from []source.Address
	if s.from.IsValid() {
		from = append(from, source.Address{Addr: s.from, Reach: source.Of(a.cfg.Addresses.prefix)})
	}
	connected := false
	s.to[server] = to
	if s.sides[server], connected, err = to.Connect(from...); err == nil && !connected {
		s.wait(now)
		if err = a.hand.Watch(s.sides[server].FD, unix.EPOLLOUT, s.token(server)); err == nil {
			return
		}
	}
	s.reached(err)
}

// reached is the outcome of that dial. The worker hears at once what the client has said, and answers with its
// signature.
func (s *slot) reached(err error) {
	c := &s.sides[server]
	if err == nil {
		err = ready(c)
	}
	if err != nil {
		s.failed(err)
		return
	}
	n, err := sockets.Write(c.FD, s.first)
	if err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		s.agent.count(client, n)
		s.first = s.first[n:]
		err = s.watch(server, unix.EPOLLIN|unix.EPOLLRDHUP)
	}
	if err != nil {
		s.failed(err)
		return
	}
	s.become(greeting)
	s.wait(time.Now())
}

// greeted takes the worker's signature off the connection. What the worker has said behind it is passed on.
func (s *slot) greeted() {
	a := s.agent
	n, err := sockets.Read(s.sides[server].FD, a.buffer[:])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if err != nil || n == 0 {
		s.close()
		a.doubt()
		return
	}
	taken := copy(s.sign[s.signed:], a.buffer[:n])
	if s.signed += taken; s.signed < len(s.sign) {
		return
	}
	if err := s.sign.check(); err != nil {
		s.failed(fmt.Errorf("greeting: %w", err))
		return
	}
	if s.sign != *s.shown {
		a.figures.otherSignature.Add(1)
		s.failed(errOther)
		return
	}
	s.start(append([]byte(nil), a.buffer[taken:n]...))
}

// start brings client and worker together. more is what the worker has said already.
func (s *slot) start(more []byte) {
	a := s.agent
	a.count(client, len(s.first))
	a.count(server, len(more))
	pair, err := a.hand.Start(s.sides[client].FD, s.sides[server].FD, [2][]byte{s.first, more}, &a.passed, s)
	if err != nil {
		a.cfg.Log.Error("cannot relay a pair", "error", err)
		s.close()
		return
	}
	s.become(paired)
	s.pair, s.first = pair, nil
	a.unaddressed = false
	a.figures.served.Add(1)
	a.figures.pairs.Add(1)
}

// count adds bytes that the relay has not moved.
func (a *Agent) count(side, n int) { a.passed[side].Bytes.Add(uint64(n)) }

// refused notes a client for whom there was no address. Of failures in a row the first is logged.
func (a *Agent) refused(err error) {
	a.figures.unaddressed.Add(1)
	if !a.unaddressed {
		a.unaddressed = true
		a.cfg.Log.Warn("a client is refused", "error", err)
	}
}

// failed ends a slot whose client could not be given to the worker.
func (s *slot) failed(err error) {
	a := s.agent
	s.close()
	a.worker.lost()
	a.figures.workerFailed.Add(1)
	a.lost(s.shown, err)
}

// Told has the loop look at the pair; the relay calls it.
func (s *slot) Told(*splice.Pair) { s.agent.post(s.moved) }

// moved is told when the pair's end has begun, and when it is over.
func (s *slot) moved() {
	a := s.agent
	if s.phase != paired {
		return
	}
	end := s.pair.End()
	switch {
	case end.Over && end.Abort:
		s.owed = 1 - int(end.Gone)
		s.rest = s.pair.Stop()[end.Gone]
		s.become(resetting)
		delete(a.halves, s)
		s.deadline = time.Now().Add(flushTimeout)
		a.resets[s] = struct{}{}
		s.passReset(time.Now())
	case end.Over:
		s.close()
	case end.Begun:
		if len(a.waiting)+len(a.halves) == 0 {
			a.sweepAt = time.Now().Add(sweepEvery)
		}
		a.halves[s] = struct{}{}
	}
}

// passReset passes a reset on once the side has received what is before it, or has had the time for that.
func (s *slot) passReset(now time.Time) {
	fd := s.sides[s.owed].FD
	if s.agent.abandoned || !now.Before(s.deadline) || !s.flush(fd) {
		sockets.DropUnsent(fd)
		s.close()
	}
}

// flush says whether something is left that the side may still receive.
func (s *slot) flush(fd int) (left bool) {
	for len(s.rest) > 0 {
		n, err := sockets.Write(fd, s.rest)
		switch {
		case err == nil:
			s.rest = s.rest[n:]
		case errors.Is(err, unix.EINTR):
		default:
			return errors.Is(err, unix.EAGAIN)
		}
	}
	queued, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	return err == nil && queued > 0
}
