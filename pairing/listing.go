package pairing

import (
	"cmp"
	"slices"
	"time"
)

// pageScan is how many peers [Table.Page] looks at, at most: a page that hardly
// anybody matches must not hold up the caller's loop.
const pageScan = 4096

// PeerInfo is a copy of what the table knows of a connection.
type PeerInfo struct {
	ID       PeerID
	Client   bool
	State    PeerState
	Origin   Origin
	Identity string
	Worker   string        // as [Peer.Worker]
	Partner  PeerID        // 0 when it is in no pair
	Other    Origin        // of the partner
	Age      time.Duration // since it connected
	Paired   time.Duration // since it was paired, 0 when it is in no pair
	Rule     Rule          // by which a client got its worker
}

// Selection says which peers are listed. The zero value of a field selects all.
type Selection struct {
	Workers bool   // connections of workers, else of clients
	Paired  bool   // only those in a pair
	Worker  string // only those of this worker
	// Who is an identity, an IP:PORT, or an address.
	Who   string
	State string // as [PeerState.String] says
	After PeerID // the last of the page before
	Max   int    // at most so many, above 0
}

func (s *Selection) has(p *Peer) bool {
	return p.client != s.Workers &&
		(!s.Paired || p.inPair()) &&
		(s.Worker == "" || p.Worker() == s.Worker) &&
		(s.Who == "" || p.Identity() == s.Who || p.origin.Endpoint == s.Who || p.origin.Address == s.Who) &&
		(s.State == "" || p.state.String() == s.State)
}

// Page lists peers in the order of their ids. It looks at a bounded number of
// peers, so a page may be short, or empty, and still not be the last: more says
// so, and last is the After of the next page.
func (t *Table) Page(now time.Duration, s Selection) (page []PeerInfo, last PeerID, more bool) {
	t.at(now)
	looked := 0
	t.index.eachAfter(s.After, func(p *Peer) bool {
		if len(page) == s.Max || looked == pageScan {
			more = true
			return false
		}
		looked++
		last = p.ID
		if s.has(p) {
			page = append(page, t.info(p))
		}
		return true
	})
	return page, last, more
}

func (t *Table) info(p *Peer) PeerInfo {
	i := PeerInfo{
		ID: p.ID, Client: p.client, State: p.state, Origin: *p.origin, Identity: p.Identity(),
		Worker: p.Worker(), Age: t.now - p.connected,
	}
	if p.client {
		i.Rule = p.rule
	}
	if p.inPair() {
		i.Partner, i.Other, i.Paired = p.partner.ID, *p.partner.origin, t.now-clientOf(p).paired
	}
	return i
}

// Find is the live connection whose far end is endpoint: the client's, should it
// share that with a worker's.
func (t *Table) Find(now time.Duration, endpoint string) (PeerInfo, bool) {
	t.at(now)
	if p := t.eitherAt(endpoint); p != nil {
		return t.info(p), true
	}
	return PeerInfo{}, false
}

func (t *Table) eitherAt(endpoint string) *Peer {
	return cmp.Or(t.PeerAt(endpoint, true), t.PeerAt(endpoint, false))
}

// Info copies what is known of a live peer.
func (t *Table) Info(now time.Duration, id PeerID) (PeerInfo, bool) {
	t.at(now)
	if p := t.index.get(id); p != nil {
		return t.info(p), true
	}
	return PeerInfo{}, false
}

// eachAfter calls f for the peers whose ids are greater than after, in the order
// of their ids, until f returns false. What lies before is not looked at.
func (x *index) eachAfter(after PeerID, f func(*Peer) bool) {
	side, hi, lo, at := split(after + 1)
	for s := side; s < sides; s++ {
		r := x.roots[s]
		for ; r != nil && hi < uint64(len(r.mids)); hi++ {
			m := r.mids[hi]
			for ; m != nil && lo < uint64(len(m.leaves)); lo++ {
				l := m.leaves[lo]
				for ; l != nil && at < uint64(len(l.peers)); at++ {
					if p := l.peers[at]; p != nil && !f(p) {
						return
					}
				}
				at = 0
			}
			lo, at = 0, 0
		}
		hi, lo, at = 0, 0, 0
	}
	rest := make([]*Peer, 0, len(x.other))
	for id, p := range x.other {
		if id > after {
			rest = append(rest, p)
		}
	}
	slices.SortFunc(rest, func(a, b *Peer) int { return cmp.Compare(a.ID, b.ID) })
	for _, p := range rest {
		if !f(p) {
			return
		}
	}
}
