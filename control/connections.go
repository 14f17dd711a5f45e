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
	connectionShare = 8
	mostConnections = maxCallers
)

// connections are the connections of one socket, as its monitor tells of them: in their
// order, so that a descriptor is one connection's from its coming until its end. An
// endpoint has so many of them only. They are safe for concurrent use.
//
// The monitor's word and a message come by two ways, and by the time that either is heard
// its descriptor may be another connection's: the socket's cookie tells. An owner of package
// seam would keep the number instead, but only of connections to listeners that it was given,
// and libzmq binds those over tcp itself; it would also have to let go of each one behind the
// monitor's last word, where now what is not heard costs nothing. Two system calls for a
// connection are cheap where connections are operators' and workers', not clients'.
type connections struct {
	most   int
	bound  []string // endpoints as libzmq writes them, complete before any connection comes
	mutex  sync.Mutex
	known  map[int]*connection // by libzmq's descriptor
	early  map[int]uint64      // cookies, by descriptor, of whose messages came before the monitor's word
	quotas map[string]*quota   // by endpoint, see quotaOf
}

// quota is what an endpoint has of the connections that it may have.
type quota struct {
	used    int         // connections that were not sent away
	preauth linked.List // *connection that may still be in their handshakes (pre-auth), oldest first
}

// connection is one of them.
type connection struct {
	fd      int
	cookie  uint64 // 0: another connection had its number by the time that it was looked at
	address string
	since   time.Time
	quota   *quota
	preauth *linked.Element // nil when it has spoken, or is old enough to have finished its handshake
	away    bool            // it was sent away
}

func newConnections(most int) *connections {
	if most == 0 {
		most = connectionsAllowed()
	}
	return &connections{most: most, known: map[int]*connection{}, early: map[int]uint64{}, quotas: map[string]*quota{}}
}

// opened notes an endpoint, before anybody comes to it.
func (s *connections) opened(endpoint string) { s.bound = append(s.bound, endpoint) }

func connectionsAllowed() int {
	var rlimit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &rlimit); err != nil {
		return mostConnections
	}
	return int(min(mostConnections, rlimit.Cur/connectionShare))
}

// came notes a connection. When there are too many, the oldest one that has not
// finished its handshake is sent away, or this one if all others have, and told.
func (s *connections) came(fd int, endpoint string, now time.Time) (away *connection) {
	id, peer, _ := stream.Accepted(fd, endpoint)
	c := &connection{fd: fd, cookie: id, address: addressOf(endpoint, peer), since: now}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.forget(fd)
	c.quota = s.quotaOf(endpoint)
	s.known[fd] = c
	c.preauth = c.quota.preauth.PushBack(c)
	if id != 0 && s.early[fd] == id {
		c.authenticated()
	}
	delete(s.early, fd)
	if c.quota.used++; c.quota.used <= s.most {
		return nil
	}
	if away = c.quota.oldestPreauth(now); away == nil {
		away = c
	}
	away.sendAway()
	return away
}

// quotaOf is the quota of a connection's own address. A wildcard endpoint has as
// many addresses as the machine, and nothing else is bound to its port.
func (s *connections) quotaOf(endpoint string) *quota {
	if !slices.Contains(s.bound, endpoint) {
		endpoint = endpoint[max(0, strings.LastIndexByte(endpoint, ':')):]
	}
	at := s.quotas[endpoint]
	if at == nil {
		at = &quota{}
		s.quotas[endpoint] = at
	}
	return at
}

// addressOf is what a connection is called in the log.
func addressOf(endpoint string, peer netip.AddrPort) string {
	if peer.IsValid() {
		return peer.Addr().String()
	}
	if ep, err := stream.ParseEndpoint(endpoint); err == nil && !ep.Addressed() {
		return ep.Network
	}
	return "unknown" // gone before it was looked at
}

// oldestPreauth is the oldest connection that may not have finished its handshake,
// nil when there is none.
func (q *quota) oldestPreauth(now time.Time) *connection {
	for q.preauth.Len() > 0 {
		c := q.preauth.Front().Value.(*connection)
		if now.Sub(c.since) < handshakeTime {
			return c
		}
		c.authenticated()
	}
	return nil
}

// authenticated has a connection no longer count among those in their handshakes.
func (c *connection) authenticated() {
	if c.preauth != nil {
		c.quota.preauth.Remove(c.preauth)
		c.preauth = nil
	}
}

func (c *connection) sendAway() {
	c.authenticated()
	c.away = true
	c.quota.used--
	stream.Sever(c.fd, c.cookie) // else it is gone already, and its end will be read
}

// spoke notes that the connection with that descriptor has finished its handshake.
// The message may be read after its connection's end, and that of the descriptor's
// next be heard only later, so neither is taken for the other.
func (s *connections) spoke(fd int) {
	id := stream.Cookie(fd)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch c := s.known[fd]; {
	case id == 0: // it has gone
	case c != nil && c.cookie == id:
		c.authenticated()
	default:
		s.early[fd] = id
	}
}

// left is the end of a connection, nil when nobody knows it.
func (s *connections) left(fd int) *connection {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.forget(fd)
}

func (s *connections) forget(fd int) *connection {
	c := s.known[fd]
	if c == nil {
		return nil
	}
	delete(s.known, fd)
	c.authenticated()
	if !c.away {
		c.quota.used--
	}
	return c
}
