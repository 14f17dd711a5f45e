package agent

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamq/streamq-proxy/stream/sockets"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// phase of a slot, see doc.go. Up to idle it has no client.
type phase uint8

const (
	dialling phase = iota // the proxy
	naming                // the proxy is being told whose it is
	idle
	reaching // the worker is being dialled
	greeting // the worker's signature is awaited
	paired
	resetting // one side is owed a reset, behind what it has not received yet
	over
)

// slot is one connection to the proxy, and to the worker once it has a client.
type slot struct {
	agent *Agent
	id    uint32
	phase phase
	shown *signature            // what it showed of the worker
	sides [2]sockets.Connection // see client and server
	to    [2]sockets.Remote     // of dials under way

	anew     bool       // the proxy could not be reached before
	known    bool       // the proxy knows whose it is
	since    time.Time  // when it was shown to the proxy
	deadline time.Time  // while it is in loop.waiting
	first    []byte     // what the client has said
	sign     signature  // what the worker has said,
	signed   int        // so many bytes of it by now
	from     netip.Addr // what the worker sees of the client, invalid for this machine's own
	pair     *splice.Pair
	owed     int    // the side that is owed a reset
	rest     []byte // and this before it
}

// The sides of a slot, in the order of its pair.
const (
	client = iota // the connection to the proxy
	server        // that to the worker
)

// newSlot is one that nothing has been done for yet.
func (a *Agent) newSlot() *slot {
	for again := true; again; again = a.lastID == 0 || a.slots[a.lastID] != nil {
		a.lastID = (a.lastID + 1) & maxID
	}
	s := &slot{agent: a, id: a.lastID, shown: a.shown}
	s.sides[client].FD, s.sides[server].FD = -1, -1
	a.slots[s.id] = s
	a.dialled++
	return s
}

// maxID leaves room for the side in a token.
const maxID = 1<<31 - 1

func (s *slot) token(side int) uint32 { return s.id<<1 | uint32(side) }

// become changes the phase, and the counts of it.
func (s *slot) become(p phase) {
	a := s.agent
	switch {
	case s.phase < idle:
		a.dialled--
	case s.phase == idle:
		a.idle--
		if a.probing == s {
			a.probing = nil
		}
	}
	if s.phase = p; p < idle {
		a.dialled++
	} else if p == idle {
		a.idle++
	}
	delete(a.waiting, s)
}

// wait is for what comes within dialTimeout or is too late.
func (s *slot) wait(now time.Time) {
	a := s.agent
	if len(a.waiting)+len(a.halves) == 0 {
		a.sweepAt = now.Add(sweepEvery)
	}
	s.deadline = now.Add(dialTimeout)
	a.waiting[s] = struct{}{}
}

// close ends the slot, at once and with all that it has.
func (s *slot) close() {
	a := s.agent
	if s.phase == over {
		return
	}
	if s.pair != nil {
		s.pair.Stop()
		a.figures.pairs.Add(-1)
		delete(a.halves, s)
		delete(a.resets, s)
	}
	s.become(over)
	for _, c := range s.sides {
		sockets.Close(c.FD) // and nothing waits for it any more (epoll(7))
	}
	a.cfg.Addresses.release(s.from)
	delete(a.slots, s.id)
}

// watch has the loop told of events of one side, in place of what it was told of before.
func (s *slot) watch(side int, mask uint32) error {
	a, fd := s.agent, s.sides[side].FD
	err := a.hand.Watch(fd, mask, s.token(side))
	if errors.Is(err, unix.EEXIST) {
		err = a.hand.Change(fd, mask, s.token(side))
	}
	return err
}

// happens is about one of its sides.
func (s *slot) happens(side int) {
	switch {
	case s.phase == dialling && side == client:
		connected, err := s.to[client].Connected(&s.sides[client])
		if connected || err != nil {
			s.offered(err)
		}
	case (s.phase == naming || s.phase == idle) && side == client:
		s.hear()
	case s.phase == reaching && side == server:
		connected, err := s.to[server].Connected(&s.sides[server])
		if connected || err != nil {
			s.reached(err)
		}
	case s.phase == greeting && side == server:
		s.greeted()
	}
}

// tooLate: what was waited for has not come.
func (s *slot) tooLate() {
	switch s.phase {
	case dialling:
		s.offered(os.ErrDeadlineExceeded)
	case reaching, greeting:
		s.failed(os.ErrDeadlineExceeded)
	}
}
