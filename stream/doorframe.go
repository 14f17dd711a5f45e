package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/streamq/streamq-proxy/stream/endpoint"
	"github.com/streamq/streamq-proxy/stream/seam"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// A door is built with nobody let in, as long as its opening may yet come to nothing, and then
// opened, or torn down again:
//
//	build --> openDoor (doors.go)
//	      --> tearDown
//
// Its frame is new, or that of a door that is shut at the same endpoint: that port is not
// free before the frame is gone.

// doorFrame is what a door listens at.
type doorFrame struct {
	owner     *entrance // whose it is, or was last
	endpoints []string
	bound     []string // the same as libzmq calls them
	listeners []int
	inside    int // clients of all doors that it has been of
}

// site is where a door is to be: an endpoint, and the addresses that it stands for.
type site struct {
	Endpoint
	addresses []Endpoint
}

// siteOf looks up what an endpoint stands for, on a goroutine of its own where that may take long.
func siteOf(ctx context.Context, setting string) (site, error) {
	ep, err := ParseEndpoint(setting)
	if err != nil {
		return site{}, err
	}
	if !ep.Addressed() {
		return site{}, &endpoint.Error{Endpoint: setting, Reason: "a door has a host and a port"}
	}
	if ip := ep.Address().Addr(); ip.IsValid() && !ip.IsUnspecified() && !endpoint.OfOne(ip) { // bind(2) takes it
		return site{}, &endpoint.Error{Endpoint: setting, Reason: "nobody can connect to a multicast or broadcast address"}
	}
	type answer struct {
		all []Endpoint
		err error
	}
	answers := make(chan answer, 1)
	look := func() {
		all, err := ep.Resolve()
		answers <- answer{all, err}
	}
	if ep.IsName() {
		go look()
	} else {
		look()
	}
	select {
	case a := <-answers:
		if a.err != nil {
			return site{}, &DoorError{a.err}
		}
		return site{ep, a.all}, nil
	case <-ctx.Done():
		return site{}, &DoorError{fmt.Errorf("looking up %s takes too long", ep.Host)}
	}
}

// doorway is where a door is if nobody says where. Any goroutine may ask.
func (l *loop) doorway() (string, error) {
	for _, text := range l.fixed.Frontend {
		if ep, err := ParseEndpoint(text); err == nil && ep.Addressed() {
			ep.Port = 0
			return ep.String(), nil
		}
	}
	return "", ErrNoPort
}

// build makes a door through which nobody can come yet.
func (l *loop) build(identity, setting string, at site) (*entrance, error) {
	l.doors.marks++
	e := &entrance{identity: identity, setting: setting, mark: l.doors.marks}
	if i := l.shutAt(at); i >= 0 {
		e.frame = l.doors.shut[i].frame
		if err := l.handOver(e); err != nil {
			return nil, err
		}
	} else {
		e.frame = &doorFrame{owner: e}
		if err := l.hang(e, at); err != nil {
			l.takeDown(e.frame)
			return nil, err
		}
	}
	l.doors.marked[e.mark] = e
	return e, nil
}

// shutAt is which of the doors that are shut is at a site, -1 for none.
func (l *loop) shutAt(at site) int {
	return slices.IndexFunc(l.doors.shut, func(s *entrance) bool { return s.frame.owner == s && s.at(at.String()) })
}

// handOver gives a door the frame of another, whom nobody can reach any more from then on.
func (l *loop) handOver(e *entrance) error {
	f := e.frame
	pauseAll(f.listeners, true)
	err := shutAll(f.listeners) // who waits in the backlog has come to the other door
	for _, fd := range f.listeners {
		seam.Mark(fd, e.mark)
		seam.Take(fd, l.cfg.Relay.takes())
	}
	if !l.refusing.on { // and else when the other ports are opened
		err = errors.Join(err, openAll(f.listeners))
	}
	before := f.owner
	f.owner = e
	if err != nil {
		l.giveBack(e, before)
	}
	return err
}

// giveBack is handOver's undoing.
func (l *loop) giveBack(e, to *entrance) {
	f := e.frame
	f.owner = to
	for _, fd := range f.listeners {
		seam.Mark(fd, to.mark)
	}
	if l.doors.open[to.identity] != to {
		_ = shutAll(f.listeners)
	}
	pauseAll(f.listeners, l.halt.on)
}

// tearDown is build's undoing; before had the frame, nil when it was made.
func (l *loop) tearDown(e, before *entrance) {
	delete(l.doors.marked, e.mark)
	if before == nil {
		l.takeDown(e.frame)
	} else {
		l.giveBack(e, before)
	}
}

// hang makes the listeners of a new frame.
func (l *loop) hang(e *entrance, at site) error {
	how := l.listening()
	how.paused = true
	return bindEach(at.Endpoint, at.addresses, func(one Endpoint) (Endpoint, error) { return l.hangOne(e, one, how) })
}

// hangOne makes one of them. Where a door that is shut has clients yet no other can listen, although
// the kernel may have given its port away: libzmq would take both away at once.
func (l *loop) hangOne(e *entrance, at Endpoint, how listening) (bound Endpoint, err error) {
	fd, err := transportOf(at).listen(at, how)
	if err != nil {
		return at, err
	}
	bound = transportOf(at).bound(at, fd)
	if l.doors.taken(bound.String()) {
		defer sockets.Close(fd) // which has the kernel choose another
		if at.Port != 0 {
			return at, fmt.Errorf("%s is the endpoint of a door that is shut, and has clients yet", bound)
		}
		return l.hangOne(e, at, how)
	}
	return bound, l.fit(e, bound, fd, how)
}

// fit gives a door a listener, or closes it.
func (l *loop) fit(e *entrance, bound Endpoint, fd int, how listening) error {
	if err := l.frontend.give(fd, bound, how); err != nil {
		return err
	}
	name, err := l.frontend.zmq.GetLastEndpoint()
	if err != nil {
		return err
	}
	seam.Mark(fd, e.mark)
	l.ctx.descriptors.Add(1)
	f := e.frame
	f.listeners, f.endpoints, f.bound = append(f.listeners, fd), append(f.endpoints, bound.String()), append(f.bound, name)
	return nil
}

// taken: a door that is shut is at endpoint yet, as libzmq sees it.
func (d *doors) taken(endpoint string) bool {
	return slices.ContainsFunc(d.shut, func(e *entrance) bool { return slices.Contains(e.frame.endpoints, endpoint) })
}

// forgetDoors has no door count any more: the pool has ended, or another process has them.
func (l *loop) forgetDoors() {
	for _, e := range l.doors.marked {
		if e.frame.owner == e {
			l.ctx.descriptors.Add(-int64(len(e.frame.listeners)))
			e.frame.listeners = nil
		}
	}
}

// takeDown gives the ports up at once; libzmq closes the listeners a little later.
func (l *loop) takeDown(f *doorFrame) {
	l.ctx.descriptors.Add(-int64(len(f.listeners)))
	_ = shutAll(f.listeners)
	for _, name := range f.bound {
		if err := l.frontend.zmq.Unbind(name); err != nil {
			l.cfg.Log.Error("taking a door away", "pool", l.fixed.Name, "endpoint", name, "error", err)
		}
	}
}
