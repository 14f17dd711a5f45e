package stream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/given"
	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// listening is how a socket's listeners are made.
type listening struct {
	keepAlive   KeepAlive
	userTimeout time.Duration
	take        bool   // what they accept is taken from libzmq at its birth
	paused      bool   // who comes is left in the backlog at first
	reads       uint64 // how many chunks libzmq may read of what is not taken, before more is allowed
	mark        uint64 // of what they accept, see balancer.go and doors.go
	inherit     []Listener
	given       *given.Listeners
}

// listen binds the endpoints of both sockets, or goes on with those that are inherited.
func (l *loop) listen() error {
	front, back := l.listening(), l.listening()
	front.given, back.given = l.cfg.Given, l.cfg.Given
	if i := l.cfg.Inherit; i != nil {
		front.paused, back.paused = true, true
		front.inherit, back.inherit = i.Frontend, i.Backend
	}
	if err := l.frontend.bind("frontend", l.fixed.Frontend, front); err != nil {
		return err
	}
	if l.cfg.Inherit == nil { // else they come by takeOver
		doors, err := lookUpDoors(context.Background(), l.cfg.Doors)
		if err == nil {
			err = l.prepareDoors(doors, l.cfg.DoorMax)
		}
		if err != nil {
			return err
		}
		l.applyDoors()
	}
	return l.backend.bind("backend", l.fixed.Backend, back)
}

func (l *loop) listening() listening {
	return listening{keepAlive: l.fixed.KeepAlive, userTimeout: l.fixed.UserTimeout, take: l.cfg.Relay.takes(), paused: l.halt.on, reads: firstReads}
}

// bind makes the socket listen on each endpoint. There is no way back but to
// close the socket: unbinding a STREAM listener takes with it every connection
// that it has accepted and still has.
func (s *socket) bind(role string, endpoints []string, how listening) error {
	for i, endpoint := range endpoints {
		if s.side == frontendSide {
			how.mark = endpointMark | uint64(i)
		}
		if err := s.bindOne(endpoint, how); err != nil {
			return fmt.Errorf("%s %s: %w", role, endpoint, err)
		}
	}
	return nil
}

// bindOne listens at every address that an endpoint stands for, all with the same port.
func (s *socket) bindOne(endpoint string, how listening) error {
	if inherited := how.inherited(endpoint); len(inherited) > 0 {
		for _, l := range inherited {
			if err := s.adopt(l, how); err != nil {
				return err
			}
		}
		return nil
	}
	ep, err := ParseEndpoint(endpoint)
	if err != nil {
		return err
	}
	if path := ep.File(); !how.given.HasUnix(path) {
		if err := FreePath(path); err != nil {
			return err
		}
	}
	all, err := ep.Resolve()
	if err != nil {
		return err
	}
	return bindEach(ep, all, func(at Endpoint) (Endpoint, error) { return s.bindAt(endpoint, at, how) })
}

// bindEach binds all addresses that an endpoint stands for, with the same port; bind
// tells what the kernel has made of an address.
func bindEach(ep Endpoint, all []Endpoint, bind func(at Endpoint) (Endpoint, error)) (err error) {
	bound, port := 0, ep.Port
	for _, at := range all {
		at.Port = port
		var made Endpoint
		switch made, err = bind(at); {
		case err == nil:
			bound, port = bound+1, made.Port
		case len(all) > 1 && unusable(err): // a name's address of a family that this machine lacks
		default:
			return bindError(err, at)
		}
	}
	if bound == 0 {
		return bindError(err, ep)
	}
	return nil
}

// unusable: this machine has no such address, or is not allowed the family.
func unusable(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EACCES)
}

// bindAt makes a listener, has the seam follow it and gives it to libzmq. The
// options of a listener are those of what it accepts (tcp(7)), which costs libzmq and
// us nothing for each connection.
func (s *socket) bindAt(setting string, ep Endpoint, how listening) (bound Endpoint, err error) {
	fd, kept, err := how.made(ep)
	if err != nil {
		return ep, err
	}
	if err = s.give(fd, ep, how); err != nil {
		return ep, err
	}
	bound = transportOf(ep).bound(ep, fd)
	s.note(Listener{setting, bound.String(), fd, kept})
	if !kept {
		s.noteFile(ep.File())
	}
	return bound, nil
}

// made is a listener at ep, and whether a service manager has it as well: its own, or ours if it stores what it is told of.
func (how *listening) made(ep Endpoint) (fd int, kept bool, err error) {
	fd, found := transportOf(ep).given(how.given, ep)
	if !found {
		fd, err = transportOf(ep).listen(ep, *how)
		return fd, how.given.Stores(), err
	}
	// It may have been shut when the process before had no worker.
	if err = errors.Join(transportOf(ep).options(fd, *how), unix.Listen(fd, listenBacklog)); err != nil {
		sockets.Close(fd)
	}
	return fd, true, err
}

// note takes in a listener.
func (s *socket) note(one Listener) {
	s.listeners = append(s.listeners, one.FD)
	s.fixed = append(s.fixed, one)
}

// cease has nobody be accepted any more. Who connects is refused by the kernel, so that he backs off, but
// for where a service manager has the listener, too: there he waits for the next process, and a unix
// listener that was shut would never listen again.
func (s *socket) cease() error {
	var kept, ours []int
	for _, fd := range s.listeners {
		if slices.ContainsFunc(s.fixed, func(one Listener) bool { return one.FD == fd && one.Kept }) {
			kept = append(kept, fd)
		} else {
			ours = append(ours, fd)
		}
	}
	pauseAll(kept, true)
	return shutAll(ours)
}

// give has the seam follow a listener and gives it to libzmq, or closes it.
func (s *socket) give(fd int, ep Endpoint, how listening) error {
	if err := s.owner.Listen(fd, how.take, how.reads); err != nil {
		sockets.Close(fd)
		return err
	}
	seam.Pause(fd, how.paused)
	seam.Mark(fd, how.mark)
	if err := errors.Join(s.zmq.SetUseFd(fd), s.zmq.Bind(transportOf(ep).handed(ep)), s.zmq.SetUseFd(-1)); err != nil {
		seam.Unlisten(fd)
		return err
	}
	return nil
}

// ListenTCP makes a listening socket at an address, of which errors say what is wrong.
func ListenTCP(ep Endpoint) (fd int, err error) {
	if fd, err = (tcp{}).listen(ep, listening{}); err != nil {
		return -1, bindError(err, ep)
	}
	return fd, nil
}

// newListener makes a listening socket; options, which may be nil, come before bind(2).
func newListener(domain int, at unix.Sockaddr, options func(fd int) error) (fd int, err error) {
	if fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	if options != nil {
		err = options(fd)
	}
	if err == nil {
		err = unix.Bind(fd, at)
	}
	if err == nil {
		err = unix.Listen(fd, listenBacklog)
	}
	if err != nil {
		sockets.Close(fd)
		return -1, err
	}
	return fd, nil
}

// bindError puts what bind(2) says into the words that people search for.
func bindError(err error, ep Endpoint) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return &takenError{at: ep}
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.EADDRNOTAVAIL):
		return errors.New("this machine has no such address")
	case errors.Is(err, unix.EACCES):
		return errors.New("permission denied")
	}
	return err
}

// takenError says that somebody else has an endpoint, and wraps [unix.EADDRINUSE]. Who it is becomes known when it is said:
// to find that takes as long as reading /proc, a second on a busy machine, and a loop has no such time.
type takenError struct {
	at  Endpoint
	who sync.Once
	by  error
}

func (e *takenError) Error() string {
	e.who.Do(func() { e.by = transportOf(e.at).inUse(e.at) })
	return e.by.Error()
}

func (e *takenError) Unwrap() error { return unix.EADDRINUSE }

// removePaths deletes the files of unix listeners, which outlive the socket,
// unless somebody else has put his there since.
func (s *socket) removePaths() {
	for path, made := range s.paths {
		if info, err := os.Lstat(path); err == nil && os.SameFile(info, made) {
			_ = os.Remove(path)
		}
	}
}

// noteFile remembers which file a listener has made.
func (s *socket) noteFile(path string) {
	if path == "" {
		return
	}
	if info, err := os.Lstat(path); err == nil {
		s.paths[path] = info
	}
}

// bound lists the endpoints, wildcard ports resolved.
func (s *socket) bound() (all []string) {
	for _, one := range s.fixed {
		all = append(all, one.Endpoint)
	}
	return all
}
