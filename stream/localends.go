package stream

import (
	"hash/maphash"
	"net/netip"
)

// localEnds finds connections that were dialled by our own end, which is all that the
// worker sees. They are kept by its hash under a secret seed, of 64 bits, since the
// addresses in words would take as much memory again as the connection.
type localEnds struct {
	seed  maphash.Seed
	conns map[uint64]*conn
}

func newLocalEnds() localEnds { return localEnds{maphash.MakeSeed(), map[uint64]*conn{}} }

// add notes a connection and returns its place; of an invalid end 0, which is none.
func (e *localEnds) add(own netip.AddrPort, c *conn) (place uint64) {
	if !own.IsValid() {
		return 0
	}
	place = e.place(own)
	e.conns[place] = c
	return place
}

func (e *localEnds) place(own netip.AddrPort) uint64 { return max(1, maphash.Comparable(e.seed, own)) }

// find is the connection whose own end is endpoint, IP:PORT; nil for none.
func (e *localEnds) find(endpoint string) *conn {
	own, err := netip.ParseAddrPort(endpoint)
	if err != nil {
		return nil
	}
	return e.conns[e.place(own)]
}

// remove is the end of add, unless another connection has come to the place since.
func (e *localEnds) remove(place uint64, c *conn) {
	if e.conns[place] == c {
		delete(e.conns, place)
	}
}
