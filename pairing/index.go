package pairing

import (
	"maps"
	"slices"
)

// A paged direct index rather than a map: the caller numbers its connections one
// after the other (side<<32 | number), so that the number itself says where to
// look. Four loads find a peer however many there are, where a map hashes,
// probes, and outgrows the processor's cache; and a page costs nothing until
// there is somebody on it, and is small, so that a hundred peers do not pay for a
// million. In the worst case every leaf holds a single survivor of its 256 numbers:
// 2 KiB for a connection.
const (
	leafBits = 8
	midBits  = 9
	sides    = 4 // ids up to sides<<32 are found directly, others by map
)

type (
	leaf struct {
		peers [1 << leafBits]*Peer
		used  int
	}
	mid struct {
		leaves [1 << midBits]*leaf
		used   int
	}
	root struct {
		mids []*mid // as far as numbers have come
		used int
		// One empty page of each kind is kept: a connection that comes and goes
		// alone on its page would otherwise make and drop one each time.
		spareMid  *mid
		spareLeaf *leaf
	}
)

// index finds peers by id. The zero value is empty and ready.
type index struct {
	roots [sides]*root
	other map[PeerID]*Peer // ids of a caller that numbers in another way
	n     int
}

func split(id PeerID) (side, hi, lo, at uint64) {
	v := uint64(id)
	return v >> 32, v & (1<<32 - 1) >> (midBits + leafBits), v >> leafBits & (1<<midBits - 1), v & (1<<leafBits - 1)
}

func (x *index) get(id PeerID) *Peer {
	side, hi, lo, at := split(id)
	if side >= sides {
		return x.other[id]
	}
	r := x.roots[side]
	if r == nil || hi >= uint64(len(r.mids)) {
		return nil
	}
	m := r.mids[hi]
	if m == nil {
		return nil
	}
	l := m.leaves[lo]
	if l == nil {
		return nil
	}
	return l.peers[at]
}

// put adds a peer whose id must not be in use.
func (x *index) put(p *Peer) {
	x.n++
	side, hi, lo, at := split(p.ID)
	if side >= sides {
		if x.other == nil {
			x.other = map[PeerID]*Peer{}
		}
		x.other[p.ID] = p
		return
	}
	if x.roots[side] == nil {
		x.roots[side] = new(root)
	}
	r := x.roots[side]
	if n := int(hi) + 1 - len(r.mids); n > 0 {
		r.mids = append(r.mids, make([]*mid, n)...)
	}
	if r.mids[hi] == nil {
		r.mids[hi] = takeSpare(&r.spareMid)
		r.used++
	}
	m := r.mids[hi]
	if m.leaves[lo] == nil {
		m.leaves[lo] = takeSpare(&r.spareLeaf)
		m.used++
	}
	l := m.leaves[lo]
	l.peers[at] = p
	l.used++
}

// remove forgets a peer that is there, and the pages that it was the last on.
func (x *index) remove(id PeerID) {
	x.n--
	side, hi, lo, at := split(id)
	if side >= sides {
		delete(x.other, id)
		return
	}
	r := x.roots[side]
	m := r.mids[hi]
	l := m.leaves[lo]
	l.peers[at] = nil
	if l.used--; l.used > 0 {
		return
	}
	m.leaves[lo], r.spareLeaf = nil, l
	if m.used--; m.used > 0 {
		return
	}
	r.mids[hi], r.spareMid = nil, m
	r.used--
}

// takeSpare takes the page that is kept, or makes one.
func takeSpare[P any](spare **P) *P {
	p := *spare
	if p == nil {
		return new(P)
	}
	*spare = nil
	return p
}

// each calls f for every peer, in the order of their ids, until f returns false.
// f may remove the peer that it is given, and others.
func (x *index) each(f func(*Peer) bool) {
	for _, r := range x.roots {
		if r != nil && !r.each(f) {
			return
		}
	}
	for _, id := range slices.Sorted(maps.Keys(x.other)) {
		if p := x.other[id]; p != nil && !f(p) {
			return
		}
	}
}

// Each level stops when it has seen as many as it had: pages are few and near to
// each other as a rule.

func (r *root) each(f func(*Peer) bool) bool {
	left := r.used
	for i := 0; i < len(r.mids) && left > 0; i++ {
		if m := r.mids[i]; m != nil {
			left--
			if !m.each(f) {
				return false
			}
		}
	}
	return true
}

func (m *mid) each(f func(*Peer) bool) bool {
	left := m.used
	for i := 0; i < len(m.leaves) && left > 0; i++ {
		if l := m.leaves[i]; l != nil {
			left--
			if !l.each(f) {
				return false
			}
		}
	}
	return true
}

func (l *leaf) each(f func(*Peer) bool) bool {
	left := l.used
	for i := 0; i < len(l.peers) && left > 0; i++ {
		if p := l.peers[i]; p != nil {
			left--
			if !f(p) {
				return false
			}
		}
	}
	return true
}
