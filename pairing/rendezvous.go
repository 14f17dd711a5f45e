package pairing

import (
	"math"
	"slices"
)

// Rendezvous hashing (Thaler and Ravishankar, 1998), weighted by the logarithmic
// method: each key gives each worker a time, exponentially distributed by its
// weight, and takes the worker whose time comes first. So proxies that have the same
// workers agree without talking, a worker's share is its weight's, and when one
// goes or comes only its own keys move.
//
// To look at each worker would cost more the more there are. So a worker has a
// seat, by its name, among seats of which most are empty, and a key's order of all
// seats is a permutation that can be calculated both ways: the rank of a seat, and
// the seat of a rank. Few workers are asked for their ranks; of many the ranks are
// gone through, and one that is taken is soon found. So of n workers the lesser of
// n and seats/n is looked at, some 600 at most.
//
// Two workers that want the same seat would share its keys. The one with the
// greater precedence, by its name, has it, and the other goes on to the next of
// its own; so who sits where depends on who is there and not on who came first.
// Of 1,000 workers two sit elsewhere than they would alone, of 10,000 some two in
// a hundred: that is by how much more moves than must when one comes or goes.

const (
	seatBits = 18
	seatMax  = 1<<seatBits - 1
)

// seats are where the workers sit that can take a client. The zero value is empty
// and takes no memory.
type seats struct {
	taken   []*worker // by seat
	full    []uint64  // a bit for each seat: most are empty, and these bits stay in the cache
	evicted []*worker // those that do not have the first seat that they want
}

// seat is a worker's place among the seats.
type seat struct {
	at         uint32 // valid while it sits
	tries      uint32 // how many others it wanted first
	name       uint64 // hash of its name, where its wishes begin
	precedence uint64
}

// mixed is the finaliser of splitmix64 (Steele, Lea and Flood, 2014): each bit of its
// value depends on each of x.
func mixed(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hashOf is FNV-1a, mixed, of a name that means something else for each kind. It
// must never change: proxies of different versions are to agree.
func hashOf(kind byte, name string) uint64 {
	h := (0xcbf29ce484222325 ^ uint64(kind)) * 0x100000001b3
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	return mixed(h)
}

// What is hashed.
const (
	hashWorker = iota
	hashIdentity
	hashAddress
)

// wish is the seat that a worker wants after so many others.
func (s *seat) wish(tries uint32) uint32 {
	return uint32(mixed(s.name+uint64(tries)) >> (64 - seatBits))
}

// before says whether a has precedence over b.
func (w *worker) before(o *worker) bool {
	return w.seat.precedence > o.seat.precedence ||
		w.seat.precedence == o.seat.precedence && w.name > o.name
}

// sit gives a worker a seat.
func (s *seats) sit(w *worker) {
	if s.taken == nil {
		s.taken, s.full = make([]*worker, seatMax+1), make([]uint64, (seatMax+1)/64)
	}
	if w.seat.precedence == 0 {
		w.seat.name = hashOf(hashWorker, w.name)
		w.seat.precedence = mixed(w.seat.name) | 1
	}
	w.seat.tries = 0
	for {
		w.seat.at = w.seat.wish(w.seat.tries)
		holder := s.taken[w.seat.at]
		if holder != nil && !w.before(holder) {
			w.seat.tries++
			continue
		}
		s.give(w)
		if holder == nil {
			return
		}
		s.forgetEvicted(holder)
		holder.seat.tries++
		w = holder
	}
}

// leave has a worker give up its seat, for the one that wanted it most, and so on.
func (s *seats) leave(w *worker) {
	s.forgetEvicted(w)
	free := w.seat.at
	s.empty(free)
	for {
		var next *worker
		var tries uint32
		for _, o := range s.evicted {
			for i := range o.seat.tries {
				if o.seat.wish(i) == free && (next == nil || o.before(next)) {
					next, tries = o, i
					break
				}
			}
		}
		if next == nil {
			return
		}
		s.forgetEvicted(next)
		s.empty(next.seat.at)
		free, next.seat.at, next.seat.tries = next.seat.at, free, tries
		s.give(next)
	}
}

func (s *seats) empty(at uint32) {
	s.taken[at] = nil
	s.full[at/64] &^= 1 << (at % 64)
}

// give has a worker sit where it is.
func (s *seats) give(w *worker) {
	s.taken[w.seat.at] = w
	s.full[w.seat.at/64] |= 1 << (w.seat.at % 64)
	if w.at >= 0 {
		w.class.seats[w.at] = w.seat.at
	}
	if w.seat.tries > 0 {
		s.evicted = append(s.evicted, w)
	}
}

func (s *seats) forgetEvicted(w *worker) {
	if w.seat.tries == 0 {
		return
	}
	if i := slices.Index(s.evicted, w); i >= 0 {
		last := len(s.evicted) - 1
		s.evicted[i], s.evicted[last] = s.evicted[last], nil
		s.evicted = s.evicted[:last]
	}
}

// order is a key's order of all seats.
type order struct {
	key                uint64
	a1, b1, a2, b2, a3 uint32
}

func orderOf(key uint64) order {
	x, y := mixed(key+1), mixed(key+2)
	return order{
		key: key,
		a1:  uint32(x)&seatMax | 1, b1: uint32(x>>seatBits) & seatMax, a2: uint32(x>>(2*seatBits))&seatMax | 1,
		b2: uint32(y) & seatMax, a3: uint32(y>>seatBits)&seatMax | 1,
	}
}

const halfBits = seatBits / 2

// rank is at which place a seat is.
func (o *order) rank(seat uint32) uint32 {
	x := (seat*o.a1 + o.b1) & seatMax
	x ^= x >> halfBits
	x = (x*o.a2 + o.b2) & seatMax
	x ^= x >> halfBits
	return x * o.a3 & seatMax
}

// ranking is an order the other way round.
type ranking struct{ a1, b1, a2, b2, a3 uint32 }

func (o *order) backwards() ranking {
	return ranking{inverse(o.a1), o.b1, inverse(o.a2), o.b2, inverse(o.a3)}
}

// seatAt is the inverse of [order.rank].
func (r *ranking) seatAt(rank uint32) uint32 {
	x := rank * r.a3 & seatMax
	x ^= x >> halfBits
	x = (x - r.b2) * r.a2 & seatMax
	x ^= x >> halfBits
	return (x - r.b1) * r.a1 & seatMax
}

// inverse of an odd number modulo a power of two, by Newton's method: three bits
// are right to begin with, and twice as many after each step.
func inverse(a uint32) uint32 {
	x := a
	for range 4 {
		x *= 2 - a*x
	}
	return x
}

// time is when a worker's turn comes that has a rank.
func (o *order) time(rank uint32, w *worker) float64 {
	// Within the rank by chance, so that ranks of different weights compare as
	// numbers do and not as steps.
	within := float64(mixed(o.key^w.seat.name)>>11) / (1 << 53)
	return -math.Log1p(-(float64(rank)+within)/(seatMax+1)) / float64(w.class.weight)
}

// hashes says whether the policy gives a client its worker by who it is.
func (t *Table) hashes(p *Peer) bool {
	return t.policy.seated && (p.identity != nil || p.origin.Address != "")
}

// rendezvous picks the worker that a client's identity, or else its address, gives
// it among those that are not loaded too much. One that has neither gets the least
// loaded.
func (t *Table) rendezvous(p *Peer) *worker {
	var o order
	switch {
	case p.identity != nil:
		o = orderOf(hashOf(hashIdentity, p.identity.name))
	case p.origin.Address != "":
		o = orderOf(hashOf(hashAddress, p.origin.Address))
	default:
		return t.leastLoaded()
	}
	bound := t.loadBound()
	var best *worker
	soonest := math.Inf(1)
	for _, c := range t.classes {
		w, rank := c.soonest(&o, &t.seats, bound)
		if w == nil {
			continue
		}
		if at := o.time(rank, w); at < soonest {
			best, soonest = w, at
		}
	}
	if best == nil {
		panic("pairing: nobody is below the average load")
	}
	return best
}

// scanFrom is how many workers are too many to ask each for its rank: a seat takes
// about as long to find, and there are seats/n to look at.
const scanFrom = 600

// soonest is the member whose rank is the least, nil if all are loaded too much.
func (c *class) soonest(o *order, s *seats, bound float64) (best *worker, rank uint32) {
	n := len(c.members)
	if n == 0 {
		return nil, 0
	}
	if n > scanFrom {
		of := o.backwards()
		for rank := range uint32(seatMax + 1) {
			at := of.seatAt(rank)
			if s.full[at/64]>>(at%64)&1 == 0 {
				continue
			}
			if w := s.taken[at]; w.class == c && w.bearable(bound) {
				return w, rank
			}
		}
		return nil, 0
	}
	rank = math.MaxUint32
	of := *o // in registers
	for i, at := range c.seats {
		if r := of.rank(at); r < rank && c.members[i].bearable(bound) {
			best, rank = c.members[i], r
		}
	}
	return best, rank
}

// loadBound is how many pairs a worker may have with one client more, for each unit
// of its weight: a multiple of the average of those that can be chosen.
func (t *Table) loadBound() float64 {
	if t.cfg.AffinityMaxLoad == 0 {
		return math.Inf(1)
	}
	load := 0
	for _, c := range t.classes {
		load += c.load
	}
	return t.cfg.AffinityMaxLoad * float64(load+1) / float64(t.share)
}

// bearable says whether a worker may have one client more. Rounding up, somebody
// always may: nobody is above the average without somebody below it.
func (w *worker) bearable(bound float64) bool {
	return float64(w.filed+1) <= math.Ceil(bound*float64(w.class.weight))
}
