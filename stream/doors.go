package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Behind NAT neither an address nor a port tells clients apart. A door is an endpoint of
// the frontend's own for one identity: whoever comes through it has that identity, from
// its first byte on.
//
//	open --its time is up, closed, or not in the file any more--> shut --its last client has left--> gone
//
// A door that is shut refuses whoever connects; who has come through it stays. Its
// listener goes last, since libzmq ends with a listener what it has accepted from it; until
// then another door may have it (doorframe.go). The mark of a connection says which door it
// has come through.

// DefaultDoorMax is how many doors a pool may have unless it is told.
const DefaultDoorMax = 64

// MaxDoorMax is how many it may be told; each takes a descriptor.
const MaxDoorMax = 4096

// doorRest is for how long a door stays shut before its listener goes. By then everything
// that was accepted has been announced and taken in.
const doorRest = time.Second

var (
	// ErrNoDoor says that an identity has no door of its own that is open.
	ErrNoDoor = errors.New("no such door")
	// ErrDoorsFull says that there are as many doors as there may be.
	ErrDoorsFull = errors.New("there are as many doors as there may be")
	// ErrDoorListed says that the door is one of the configuration's, which only a reload closes.
	ErrDoorListed = errors.New("the door is one of the configuration file's")
	// ErrReloading says that a reload is under way, which takes milliseconds.
	ErrReloading = errors.New("a reload is under way: try again")
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
	// Left is how long it stays open; Listed is one of the configuration's, which stays.
	Left   time.Duration
	Listed bool
	// Clients are those that have come through it and are there.
	Clients int
}

// entrance is a door, open or shut.
type entrance struct {
	identity string
	setting  string // the endpoint that was asked for, "" for none
	mark     uint64 // of the connections that come through it
	frame    *doorFrame
	until    time.Duration // never for one of the configuration's; when it was shut, of one that is
	clients  int
}

type doors struct {
	open   map[string]*entrance // by identity
	shut   []*entrance
	marked map[uint64]*entrance // of both
	marks  uint64               // that were given
	inside int                  // clients of all of them
	change *doorChange          // that a reload has prepared; nothing else changes meanwhile
	at     time.Duration        // when one has to be shut, or taken away; never for none
}

func newDoors() doors {
	return doors{open: map[string]*entrance{}, marked: map[uint64]*entrance{}, at: never}
}

// look finds when there is something to do, after any of them has changed. What is shut and
// is needed yet waits for its clients.
func (d *doors) look() {
	d.at = never
	if d.change != nil {
		return
	}
	for _, e := range d.open {
		d.at = min(d.at, e.until)
	}
	for _, e := range d.shut {
		if !e.needed() {
			d.at = min(d.at, e.until+doorRest)
		}
	}
}

// needed: clients that libzmq would end with a door that is shut are there.
func (e *entrance) needed() bool {
	return e.clients > 0 || e.frame.owner == e && e.frame.inside > 0
}

// Door opens a door for an identity for so long, or has an open one stay open for so
// long from now. Without an endpoint it listens where the frontend's first endpoint with a port
// does, on a port that the kernel chooses. A name is looked up before the pool is asked.
// Errors: [DoorError], [ErrStopped], and those of [ParseEndpoint].
func (p *Pool) Door(ctx context.Context, identity, endpoint string, ttl time.Duration) (info DoorInfo, err error) {
	at := endpoint
	if at == "" {
		if at, err = p.loop.doorway(); err != nil {
			return info, &DoorError{err}
		}
	}
	site, err := siteOf(ctx, at)
	if err != nil {
		return info, err
	}
	type opened struct {
		info DoorInfo
		err  error
	}
	door, err := query(ctx, p, func(l *loop) opened {
		info, err := l.openFor(identity, endpoint, site, ttl)
		return opened{info, err}
	})
	switch {
	case err != nil:
		return info, err
	case door.err == nil || errors.Is(door.err, ErrStopped):
		return door.info, door.err
	}
	return door.info, &DoorError{door.err}
}

// CloseDoor shuts an identity's door; who has come through it stays.
func (p *Pool) CloseDoor(ctx context.Context, identity string) error {
	return p.answer(ctx, func() error {
		d := &p.loop.doors
		e := d.open[identity]
		switch {
		case e == nil:
			return ErrNoDoor
		case e.until == never:
			return &DoorError{ErrDoorListed}
		case d.change != nil:
			return &DoorError{ErrReloading}
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

// OpenDoors is how many doors are open. It does not ask the loop.
func (p *Pool) OpenDoors() int { return int(p.doors.Load()) }

func (e *entrance) info(now time.Duration) DoorInfo {
	info := DoorInfo{Identity: e.identity, Endpoints: slices.Clone(e.frame.endpoints), Clients: e.clients, Listed: e.until == never}
	if !info.Listed {
		info.Left = max(0, e.until-now)
	}
	return info
}

func (l *loop) openFor(identity, setting string, at site, ttl time.Duration) (DoorInfo, error) {
	now := l.now()
	e := l.doors.open[identity]
	switch {
	case l.draining.on:
		return DoorInfo{}, ErrStopped
	case l.doors.change != nil:
		return DoorInfo{}, ErrReloading
	case e != nil && setting != "" && !e.at(setting):
		return DoorInfo{}, fmt.Errorf("%q has a door at %s", identity, strings.Join(e.frame.endpoints, " "))
	case e == nil && len(l.doors.open) >= l.cfg.DoorMax:
		return DoorInfo{}, ErrDoorsFull
	case e == nil:
		var err error
		if e, err = l.build(identity, setting, at); err != nil {
			return DoorInfo{}, err
		}
		e.until = now
		l.openDoor(e)
	}
	if e.until != never {
		e.until = now + min(ttl, never-now)
	}
	l.doors.look()
	return e.info(now), nil
}

// openDoor lets people in through a door that was built.
func (l *loop) openDoor(e *entrance) {
	l.doors.open[e.identity] = e
	l.pool.doors.Store(int64(len(l.doors.open)))
	l.frontend.listeners = append(l.frontend.listeners, e.frame.listeners...)
	if l.refusing.on { // its ports are opened with the others
		_ = shutAll(e.frame.listeners)
	}
	pauseAll(e.frame.listeners, l.halt.on)
	l.cfg.Log.Info("a door is open", "pool", l.fixed.Name, "identity", e.identity, "endpoint", strings.Join(e.frame.endpoints, " "))
	l.tell(Event{Topic: TopicDoorOpened, Identity: e.identity})
}

// at says whether a door is where setting says.
func (e *entrance) at(setting string) bool {
	return e.setting == setting || slices.Equal(e.frame.endpoints, []string{setting})
}

// shutDoor refuses whoever comes to a door from now on.
func (l *loop) shutDoor(e *entrance) {
	if err := shutAll(e.frame.listeners); err != nil {
		l.cfg.Log.Error("shutting a door", "pool", l.fixed.Name, "identity", e.identity, "error", err)
	}
	l.retire(e)
}

// retire is the end of a door that nobody can come through any more.
func (l *loop) retire(e *entrance) {
	delete(l.doors.open, e.identity)
	l.pool.doors.Store(int64(len(l.doors.open)))
	l.frontend.listeners = slices.DeleteFunc(l.frontend.listeners, func(fd int) bool { return slices.Contains(e.frame.listeners, fd) })
	e.until = l.clock
	l.doors.shut = append(l.doors.shut, e)
	l.doors.look()
	l.cfg.Log.Info("a door is shut", "pool", l.fixed.Name, "identity", e.identity, "clients", e.clients)
	l.tell(Event{Topic: TopicDoorShut, Identity: e.identity})
}

// shutDoors is for the pool's end.
func (l *loop) shutDoors() {
	for _, e := range l.doors.open {
		l.shutDoor(e)
	}
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
		if e.needed() || l.clock < e.until+doorRest {
			return false
		}
		delete(l.doors.marked, e.mark)
		if e.frame.owner == e {
			l.takeDown(e.frame)
		}
		return true
	})
	l.doors.look()
}

// enter takes in a client that has come through a door.
func (l *loop) enter(c *conn, e *entrance) {
	c.door = e
	e.clients++
	e.frame.inside++
	l.doors.inside++
	l.act(l.table.ClientNamed(l.clock, c.id, *c.origin, c, e.identity))
}

// leave is enter's end.
func (l *loop) leave(c *conn) {
	e := c.door
	if e == nil {
		return
	}
	c.door = nil
	e.clients--
	e.frame.inside--
	l.doors.inside--
	if e.clients == 0 {
		l.doors.look()
	}
}
