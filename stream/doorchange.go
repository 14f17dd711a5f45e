package stream

import (
	"context"
	"fmt"
	"slices"
)

// doorChange is what becomes of the doors when a configuration comes into force. All that can
// fail of it is done before anything else of a configuration is: the new doors are built, with
// nobody let in.
type doorChange struct {
	keep  []*entrance // open, and from then on the configuration's
	leave []*entrance // open, and shut from then on
	aside []*entrance // of these, whose ports are closed already: a new door has them
	built []builtDoor
}

type builtDoor struct {
	*entrance
	before *entrance // who had its frame
}

// listedDoor is a door of a configuration, looked up.
type listedDoor struct {
	DoorConfig
	site site
}

// lookUpDoors is for any goroutine.
func lookUpDoors(ctx context.Context, doors []DoorConfig) (all []listedDoor, err error) {
	for _, d := range doors {
		at, err := siteOf(ctx, d.Endpoint)
		if err != nil {
			return nil, d.failed(err)
		}
		all = append(all, listedDoor{d, at})
	}
	return all, nil
}

func (d *DoorConfig) failed(err error) error { return &listedDoorError{*d, err} }

// listedDoorError is why a door of a configuration cannot be. It is put into words when it is said, see [takenError].
type listedDoorError struct {
	door DoorConfig
	err  error
}

func (e *listedDoorError) Error() string {
	return fmt.Sprintf("the door of %q at %s: %v", e.door.Identity, e.door.Endpoint, e.err)
}

func (e *listedDoorError) Unwrap() error { return e.err }

// prepareDoors does what can fail, or nothing. An operator's door for an identity that is listed gives
// way to that one, or becomes it.
func (l *loop) prepareDoors(listed []listedDoor, most int) (err error) {
	if l.doors.change != nil {
		return ErrReloading
	}
	d := &doorChange{}
	l.doors.change = d
	l.doors.look() // nothing of them has a time until then
	defer func() {
		if err != nil {
			l.dropDoors()
		}
	}()
	for _, e := range l.doors.open {
		i := slices.IndexFunc(listed, func(d listedDoor) bool { return d.Identity == e.identity })
		switch {
		case i >= 0 && e.at(listed[i].Endpoint):
			d.keep = append(d.keep, e)
		case i >= 0 || e.until == never:
			d.leave = append(d.leave, e)
		}
	}
	others := len(l.doors.open) - len(d.keep) - len(d.leave)
	if len(listed) > len(d.keep) && len(listed)+others > most {
		return fmt.Errorf("%w: %d in the configuration and %d of operators, and door-max is %d", ErrDoorsFull, len(listed), others, most)
	}
	for _, one := range listed {
		if slices.ContainsFunc(d.keep, func(e *entrance) bool { return e.identity == one.Identity }) {
			continue
		}
		if err := l.prepareDoor(d, one); err != nil {
			return one.failed(err)
		}
	}
	return nil
}

func (l *loop) prepareDoor(d *doorChange, one listedDoor) error {
	for _, e := range d.leave {
		if !e.at(one.Endpoint) || e.frame.owner != e {
			continue
		}
		l.doors.marks++
		made := &entrance{identity: one.Identity, setting: one.Endpoint, mark: l.doors.marks, frame: e.frame, until: never}
		if err := l.handOver(made); err != nil {
			return err
		}
		l.doors.marked[made.mark] = made
		d.built = append(d.built, builtDoor{made, e})
		return nil
	}
	for _, e := range d.leave { // such as one at the same port of another address
		if e.frame.owner == e && e.isAt(one.site.Port) && !slices.Contains(d.aside, e) {
			d.aside = append(d.aside, e)
			if err := shutAll(e.frame.listeners); err != nil {
				return err
			}
		}
	}
	var before *entrance
	if i := l.shutAt(one.site); i >= 0 {
		before = l.doors.shut[i]
	}
	e, err := l.build(one.Identity, one.Endpoint, one.site)
	if err != nil {
		return err
	}
	e.until = never
	d.built = append(d.built, builtDoor{e, before})
	return nil
}

// isAt says whether a door listens at a port.
func (e *entrance) isAt(port uint16) bool {
	return port != 0 && slices.ContainsFunc(e.frame.endpoints, func(s string) bool {
		ep, err := ParseEndpoint(s)
		return err == nil && ep.Port == port
	})
}

// letIn are those of some listeners that are not of doors which are prepared: whose they will be is not known yet.
func (l *loop) letIn(listeners []int) []int {
	d := l.doors.change
	if d == nil {
		return listeners
	}
	return slices.DeleteFunc(slices.Clone(listeners), func(fd int) bool {
		return slices.ContainsFunc(d.built, func(b builtDoor) bool { return slices.Contains(b.frame.listeners, fd) })
	})
}

// applyDoors puts what was prepared in force.
func (l *loop) applyDoors() {
	d := l.doors.change
	l.doors.change = nil
	for _, e := range d.keep {
		e.until = never
	}
	for _, e := range d.leave {
		if e.frame.owner == e {
			l.shutDoor(e)
		} else {
			l.retire(e)
		}
	}
	for _, e := range d.built {
		l.openDoor(e.entrance)
	}
	l.doors.look()
}

// dropDoors takes back what was prepared.
func (l *loop) dropDoors() {
	d := l.doors.change
	l.doors.change = nil
	for _, e := range d.built {
		l.tearDown(e.entrance, e.before)
	}
	for _, e := range d.aside {
		if l.doors.open[e.identity] != e || l.refusing.on {
			continue
		}
		if err := openAll(e.frame.listeners); err != nil {
			l.cfg.Log.Error("opening a door again", "pool", l.fixed.Name, "identity", e.identity, "error", err)
		}
	}
	l.doors.look()
}
