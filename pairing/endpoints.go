package pairing

import "hash/maphash"

// endpoints finds peers by their far end. They are kept by its hash of 64 bits under a
// secret seed, so that what is kept of a peer is two words.
type endpoints struct {
	seed  maphash.Seed
	peers map[uint64]*Peer
}

func newEndpoints() endpoints { return endpoints{maphash.MakeSeed(), map[uint64]*Peer{}} }

// get is the last that was put and has that far end, nil for none.
func (e *endpoints) get(endpoint string) *Peer {
	if p := e.peers[maphash.String(e.seed, endpoint)]; p != nil && p.origin.Endpoint == endpoint {
		return p
	}
	return nil
}

// put notes a peer that has an endpoint.
func (e *endpoints) put(p *Peer) { e.peers[maphash.String(e.seed, p.origin.Endpoint)] = p }

// remove forgets a peer, unless another one with the same far end was put since.
func (e *endpoints) remove(p *Peer) {
	if at := maphash.String(e.seed, p.origin.Endpoint); e.peers[at] == p {
		delete(e.peers, at)
	}
}
