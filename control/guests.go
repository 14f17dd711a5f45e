package control

import (
	linked "container/list"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/streamq/streamq-proxy/stream"
)

const (
	// handshakeTime is how long a connection may take until it may speak; libzmq
	// closes what takes longer (zmq_setsockopt(3), ZMQ_HANDSHAKE_IVL).
	handshakeTime = 5 * time.Second
	// An endpoint may have so many connections: a share of the descriptors that the
	// process may open, and not more than there are callers that can be remembered.
	guestShare = 8
	mostGuests = maxCallers
)

// guests are the connections of one socket, as its monitor tells of them: in their
// order, so that a descriptor is one connection's from its coming until its end. An
// endpoint has so many of them only. They are safe for concurrent use.
type guests struct {
	most  int
	bound []string // endpoints as libzmq writes them, complete before any guest comes
	mutex sync.Mutex
	known map[int]*guest   // by libzmq's descriptor
	early map[int]uint64   // cookies, by descriptor, of whose messages came before the monitor's word
	doors map[string]*door // by endpoint, see doorAt
}

// door is an endpoint's connections.
type door struct {
	inside int         // connections that were not sent away
	young  linked.List // *guest that may still be in their handshakes, oldest first
}

// guest is a connection.
type guest struct {
	fd      int
	cookie  uint64 // 0: another connection had its number by the time that it was looked at
	address string
	since   time.Time
	door    *door
	young   *linked.Element // nil when it has spoken, or is old enough to have finished its handshake
	away    bool            // it was sent away
}

func newGuests(most int) *guests {
	if most == 0 {
		most = guestsAllowed()
	}
	return &guests{most: most, known: map[int]*guest{}, early: map[int]uint64{}, doors: map[string]*door{}}
}

// opened notes an endpoint, before anybody comes to it.
func (s *guests) opened(endpoint string) { s.bound = append(s.bound, endpoint) }

func guestsAllowed() int {
	var rlimit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &rlimit); err != nil {
		return mostGuests
	}
	return int(min(mostGuests, rlimit.Cur/guestShare))
}

// came notes a connection. When there are too many, the oldest one that has not
// finished its handshake is sent away, or this one if all others have, and told.
func (s *guests) came(fd int, endpoint string, now time.Time) (away *guest) {
	id, peer, _ := stream.Accepted(fd, endpoint)
	g := &guest{fd: fd, cookie: id, address: addressOf(endpoint, peer), since: now}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.forget(fd)
	g.door = s.doorAt(endpoint)
	s.known[fd] = g
	g.young = g.door.young.PushBack(g)
	if id != 0 && s.early[fd] == id {
		g.grown()
	}
	delete(s.early, fd)
	if g.door.inside++; g.door.inside <= s.most {
		return nil
	}
	if away = g.door.oldestYoung(now); away == nil {
		away = g
	}
	away.sendAway()
	return away
}

// doorAt is the door at a connection's own address. A wildcard endpoint has as
// many addresses as the machine, and nothing else is bound to its port.
func (s *guests) doorAt(endpoint string) *door {
	if !slices.Contains(s.bound, endpoint) {
		endpoint = endpoint[max(0, strings.LastIndexByte(endpoint, ':')):]
	}
	at := s.doors[endpoint]
	if at == nil {
		at = &door{}
		s.doors[endpoint] = at
	}
	return at
}

// addressOf is what a connection is called in the log.
func addressOf(endpoint string, peer netip.AddrPort) string {
	switch {
	case peer.IsValid():
		return peer.Addr().String()
	case strings.HasPrefix(endpoint, "ipc://"):
		return "ipc"
	}
	return "unknown" // gone before it was looked at
}

// oldestYoung is the oldest connection that may not have finished its handshake,
// nil when there is none.
func (d *door) oldestYoung(now time.Time) *guest {
	for d.young.Len() > 0 {
		g := d.young.Front().Value.(*guest)
		if now.Sub(g.since) < handshakeTime {
			return g
		}
		g.grown()
	}
	return nil
}

func (g *guest) grown() {
	if g.young != nil {
		g.door.young.Remove(g.young)
		g.young = nil
	}
}

func (g *guest) sendAway() {
	g.grown()
	g.away = true
	g.door.inside--
	stream.Sever(g.fd, g.cookie) // else it is gone already, and its end will be read
}

// spoke notes that the connection with that descriptor has finished its handshake.
// The message may be read after its connection's end, and that of the descriptor's
// next be heard only later, so neither is taken for the other.
func (s *guests) spoke(fd int) {
	id := stream.Cookie(fd)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch g := s.known[fd]; {
	case id == 0: // it has gone
	case g != nil && g.cookie == id:
		g.grown()
	default:
		s.early[fd] = id
	}
}

// left is the end of a connection, nil when nobody knows it.
func (s *guests) left(fd int) *guest {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.forget(fd)
}

func (s *guests) forget(fd int) *guest {
	g := s.known[fd]
	if g == nil {
		return nil
	}
	delete(s.known, fd)
	g.grown()
	if !g.away {
		g.door.inside--
	}
	return g
}
