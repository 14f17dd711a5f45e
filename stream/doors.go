package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// Behind NAT neither an address nor a port tells clients apart. A door is an endpoint of
// the frontend's own for one identity: whoever comes through it has that identity, from
// its first byte on.
//
//	open --its time is up, closed, or not in the file any more--> shut --its last client has left--> gone
//
// A door that is shut refuses whoever connects; who has come through it stays. Its
// listener goes last, since libzmq ends with a listener what it has accepted from it.

// DefaultDoorMax is how many doors a pool may have unless it is told.
const DefaultDoorMax = 64

// MaxDoorMax is how many it may be told; each takes a descriptor.
const MaxDoorMax = 4096

// doorRest is for how long a door stays shut before its listener goes. By then everything
// that was accepted has been announced and taken in, so that nobody comes through a door
// whose descriptor is another's.
const doorRest = time.Second

var (
	// ErrNoDoor says that an identity has no door of its own that is open.
	ErrNoDoor = errors.New("no such door")
	// ErrDoorsFull says that there are as many doors as there may be.
	ErrDoorsFull = errors.New("there are as many doors as there may be")
	// ErrDoorListed says that the door is one of the configuration's, which only a reload closes.
	ErrDoorListed = errors.New("the door is one of the configuration file's")
	// ErrNoPort says that the frontend has no port beside which a door could be opened.
	ErrNoPort = errors.New("the frontend has no endpoint with a port: say the door's")
)

// DoorError is why a door cannot be opened, or shut, as things are; nothing has changed.
type DoorError struct{ error }

// Unwrap is the reason itself.
func (e *DoorError) Unwrap() error { return e.error }

// DoorConfig is a door that is open as long as the pool runs.
type DoorConfig struct {
	Identity string
	// Endpoint is where it listens, on a port.
	Endpoint string
}

// DoorInfo tells of a door that is open.
type DoorInfo struct {
	Identity  string
	Endpoints []string
	// Left is how long it stays open, 0 for as long as the pool runs.
	Left time.Duration
	// Clients are those that have come through it and are there.
	Clients int
}

// entrance is a door, open or shut.
type entrance struct {
	identity  string
	setting   string // the endpoint that was asked for, "" for none
	endpoints []string
	bound     []string // the same as libzmq calls them
	listeners []int
	until     time.Duration // never for one of the configuration's; when it was shut, of one that is
	clients   int
}

type doors struct {
	open     map[string]*entrance // by identity
	shut     []*entrance
	listener map[int]*entrance // of both
	at       time.Duration     // when one has to be shut, or taken away; never for none
}

func newDoors() doors {
	return doors{open: map[string]*entrance{}, listener: map[int]*entrance{}, at: never}
}

// look finds when there is something to do, after any of them has changed. What is shut and
// has clients waits for them.
func (d *doors) look() {
	d.at = never
	for _, e := range d.open {
		d.at = min(d.at, e.until)
	}
	for _, e := range d.shut {
		if e.clients == 0 {
			d.at = min(d.at, e.until+doorRest)
		}
	}
}

// Door opens a door for an identity for so long, or has an open one stay open for so
// long from now. Without an endpoint it listens where the frontend's first endpoint with a port
// does, on a port that the kernel chooses.
func (p *Pool) Door(ctx context.Context, identity, endpoint string, ttl time.Duration) (info DoorInfo, err error) {
	return info, p.answer(ctx, func() error {
		info, err = p.loop.openFor(identity, endpoint, ttl)
		if err == nil || errors.Is(err, ErrStopped) {
			return err
		}
		return &DoorError{err}
	})
}

// CloseDoor shuts an identity's door; who has come through it stays.
func (p *Pool) CloseDoor(ctx context.Context, identity string) error {
	return p.answer(ctx, func() error {
		e := p.loop.doors.open[identity]
		switch {
		case e == nil:
			return ErrNoDoor
		case e.until == never:
			return &DoorError{ErrDoorListed}
		}
		p.loop.shutDoor(e)
		return nil
	})
}

// Doors are the doors that are open, by identity.
func (p *Pool) Doors(ctx context.Context) ([]DoorInfo, error) {
	return query(ctx, p, func(l *loop) (all []DoorInfo) {
		for _, e := range l.doors.open {
			all = append(all, e.info(l.now()))
		}
		slices.SortFunc(all, func(a, b DoorInfo) int { return strings.Compare(a.Identity, b.Identity) })
		return all
	})
}

func (e *entrance) info(now time.Duration) DoorInfo {
	info := DoorInfo{Identity: e.identity, Endpoints: slices.Clone(e.endpoints), Clients: e.clients}
	if e.until != never {
		info.Left = max(0, e.until-now)
	}
	return info
}

func (l *loop) openFor(identity, endpoint string, ttl time.Duration) (DoorInfo, error) {
	now := l.now()
	e := l.doors.open[identity]
	switch {
	case l.draining.on:
		return DoorInfo{}, ErrStopped
	case e != nil && endpoint != "" && e.setting != endpoint:
		return DoorInfo{}, fmt.Errorf("%q has a door at %s", identity, strings.Join(e.endpoints, " "))
	case e == nil:
		var err error
		if e, err = l.openDoor(identity, endpoint); err != nil {
			return DoorInfo{}, err
		}
	}
	if e.until != never || ttl == never {
		e.until = now + min(ttl, never-now)
	}
	l.doors.look()
	return e.info(now), nil
}

// openDoor opens a door whose time is up at once. One that is shut at this endpoint is opened
// again: its port is not free before.
func (l *loop) openDoor(identity, setting string) (*entrance, error) {
	if len(l.doors.open) >= l.cfg.DoorMax {
		return nil, ErrDoorsFull
	}
	e := &entrance{identity: identity, setting: setting, until: l.clock}
	if setting == "" {
		var err error
		if setting, err = l.doorway(); err != nil {
			return nil, err
		}
	}
	if i := slices.IndexFunc(l.doors.shut, func(s *entrance) bool { return s.at(setting) }); i >= 0 {
		old := l.doors.shut[i]
		if err := openAll(old.listeners); err != nil {
			return nil, errors.Join(err, shutAll(old.listeners))
		}
		l.doors.shut = slices.Delete(l.doors.shut, i, i+1)
		old.identity, old.setting, old.until, e = identity, e.setting, e.until, old
	} else if err := l.hang(e, setting); err != nil {
		return nil, err
	}
	l.doors.open[identity] = e
	l.frontend.listeners = append(l.frontend.listeners, e.listeners...)
	if l.refusing.on { // its ports are opened with the others
		_ = shutAll(e.listeners)
	}
	l.cfg.Log.Info("a door is open", "pool", l.fixed.Name, "identity", identity, "endpoint", strings.Join(e.endpoints, " "))
	l.tell(Event{Topic: TopicDoorOpened, Identity: identity})
	return e, nil
}

// at says whether a door is where setting says.
func (e *entrance) at(setting string) bool {
	return e.setting == setting || slices.Equal(e.endpoints, []string{setting})
}

// doorway is where a door is if nobody says where.
func (l *loop) doorway() (string, error) {
	for _, text := range l.fixed.Frontend {
		if ep, err := ParseEndpoint(text); err == nil && ep.Addressed() {
			ep.Port = 0
			return ep.String(), nil
		}
	}
	return "", ErrNoPort
}

// hang makes a door's listeners.
func (l *loop) hang(e *entrance, setting string) error {
	ep, err := ParseEndpoint(setting)
	if err != nil {
		return err
	}
	if !ep.Addressed() {
		return errors.New("a door has a host and a port")
	}
	if err := bindEach(ep, func(at Endpoint) (Endpoint, error) { return l.frame(e, at) }); err != nil {
		l.takeDown(e)
		return err
	}
	return nil
}

// frame makes one of a door's listeners. A port that a door has had which is shut is not
// taken again: libzmq would take both away at once.
func (l *loop) frame(e *entrance, at Endpoint) (bound Endpoint, err error) {
	how := l.listening()
	fd, err := transportOf(at).listen(at, how)
	if err != nil {
		return at, err
	}
	bound = transportOf(at).bound(at, fd)
	if l.doors.taken(bound.String()) {
		defer sockets.Close(fd) // which has the kernel choose another
		if at.Port != 0 {
			return at, unix.EADDRINUSE
		}
		return l.frame(e, at)
	}
	if err = l.frontend.give(fd, at, how); err != nil {
		return at, err
	}
	name, err := l.frontend.zmq.GetLastEndpoint()
	if err != nil {
		return at, err
	}
	seam.Pause(fd, l.halt.on)
	e.listeners, e.endpoints, e.bound = append(e.listeners, fd), append(e.endpoints, bound.String()), append(e.bound, name)
	l.doors.listener[fd] = e
	return bound, nil
}

// taken: a door that is shut is at endpoint yet, as libzmq sees it, although the kernel may
// have given its port away.
func (d *doors) taken(endpoint string) bool {
	return slices.ContainsFunc(d.shut, func(e *entrance) bool { return slices.Contains(e.endpoints, endpoint) })
}

// shutDoor refuses whoever comes to a door from now on.
func (l *loop) shutDoor(e *entrance) {
	delete(l.doors.open, e.identity)
	l.frontend.listeners = slices.DeleteFunc(l.frontend.listeners, func(fd int) bool { return slices.Contains(e.listeners, fd) })
	if err := shutAll(e.listeners); err != nil {
		l.cfg.Log.Error("shutting a door", "pool", l.fixed.Name, "identity", e.identity, "error", err)
	}
	e.until = l.clock
	l.doors.shut = append(l.doors.shut, e)
	l.doors.look()
	l.cfg.Log.Info("a door is shut", "pool", l.fixed.Name, "identity", e.identity, "clients", e.clients)
	l.tell(Event{Topic: TopicDoorShut, Identity: e.identity})
}

// tendDoors shuts doors whose time is up, and takes away those that nobody needs.
func (l *loop) tendDoors() {
	if l.clock < l.doors.at {
		return
	}
	for _, e := range l.doors.open {
		if e.until <= l.clock {
			l.shutDoor(e)
		}
	}
	l.doors.shut = slices.DeleteFunc(l.doors.shut, func(e *entrance) bool {
		if e.clients > 0 || l.clock < e.until+doorRest {
			return false
		}
		l.takeDown(e)
		return true
	})
	l.doors.look()
}

func (l *loop) takeDown(e *entrance) {
	for i, fd := range e.listeners {
		delete(l.doors.listener, fd)
		if err := l.frontend.zmq.Unbind(e.bound[i]); err != nil {
			l.cfg.Log.Error("taking a door away", "pool", l.fixed.Name, "identity", e.identity, "error", err)
		}
	}
}

// listDoors opens the doors of the configuration, and shuts those that are not in it any more.
func (l *loop) listDoors(listed []DoorConfig) error {
	var errs []error
	for _, e := range l.doors.open {
		here := slices.ContainsFunc(listed, func(d DoorConfig) bool { return d.Identity == e.identity && d.Endpoint == e.setting })
		if e.until == never && !here {
			l.shutDoor(e)
		}
	}
	for _, d := range listed {
		if e := l.doors.open[d.Identity]; e != nil && e.setting != d.Endpoint { // an operator's
			l.shutDoor(e)
		}
		if _, err := l.openFor(d.Identity, d.Endpoint, never); err != nil {
			errs = append(errs, fmt.Errorf("the door of %q at %s: %w", d.Identity, d.Endpoint, err))
		}
	}
	return errors.Join(errs...)
}

// enter takes in a client that has come through a door.
func (l *loop) enter(c *conn, e *entrance) {
	c.door = e
	e.clients++
	l.act(l.table.ClientNamed(l.clock, c.id, c.origin, c, e.identity))
}

// leave is enter's end.
func (l *loop) leave(c *conn) {
	if c.door != nil {
		if c.door.clients--; c.door.clients == 0 {
			l.doors.look()
		}
		c.door = nil
	}
}
