package pairing

import "fmt"

// Policy chooses among the workers that can take a client.
type Policy uint8

// The policies. "Load" is a worker's pairs, draining ones included, and the dials
// that are under way to it. A worker of weight 2 gets twice what one of weight 1 gets.
const (
	// LeastConnections takes the least (load+1)/weight; among equals the one
	// that has been at its load for longest.
	LeastConnections Policy = iota
	// RoundRobin takes each in turn, weights interleaved.
	RoundRobin
	// Random takes any, by weight.
	Random
	// PowerOfTwo draws two at random, by weight, and takes the one with the
	// lesser (load+1)/weight.
	PowerOfTwo
	policyCount
)

var policyNames = [policyCount]string{"least-connections", "round-robin", "random", "power-of-two"}

// String is the policy as it is configured: "least-connections".
func (p Policy) String() string {
	if p < policyCount {
		return policyNames[p]
	}
	return fmt.Sprintf("policy(%d)", uint8(p))
}

// ParsePolicy is the inverse of [Policy.String].
func ParsePolicy(s string) (Policy, error) {
	for i, name := range policyNames {
		if name == s {
			return Policy(i), nil
		}
	}
	return 0, fmt.Errorf("policy %q is unknown: least-connections, round-robin, random or power-of-two", s)
}

// class holds the choosable workers of one weight. Within it weights do not
// matter any more, which is what makes each policy O(1) there; between classes
// (there are at most 256, one or two as a rule) a policy compares them all.
type class struct {
	weight  int
	members []*worker // in no order
	loads   loads
	turn    int // round-robin: the member whose turn it is
	credit  int // round-robin: what is owed to this class
}

func (c *class) share() int { return c.weight * len(c.members) }

func (c *class) add(w *worker, load int) {
	w.at = len(c.members)
	c.members = append(c.members, w)
	w.filed = load
	c.loads.put(w, load)
}

func (c *class) remove(w *worker) {
	c.loads.remove(w, w.filed)
	last := len(c.members) - 1
	c.members[w.at] = c.members[last]
	c.members[w.at].at = w.at
	c.members[last] = nil
	c.members = c.members[:last]
	w.at = -1
	if last == 0 {
		c.credit = 0
	}
}

// move files a member under its new load.
func (c *class) move(w *worker, load int) {
	if w.filed != load {
		c.loads.remove(w, w.filed)
		w.filed = load
		c.loads.put(w, load)
	}
}

// lighter says whether a would be less loaded than b with one client more.
func lighter(a, b *worker) bool {
	return (a.filed+1)*b.weight < (b.filed+1)*a.weight
}

// choose picks a worker for a client by the policy. Somebody must be choosable. It
// costs one look at each distinct weight and allocates nothing. The client that
// comes next after a failure may be given another worker, see explores.
func (t *Table) choose(p *Peer) *worker {
	w := t.byPolicy()
	if t.alwaysFails(p.origin.Address) {
		return w
	}
	if t.choosable > 1 && t.explores(w) {
		t.unplace(w)
		other := t.byPolicy()
		t.place(w)
		w = other
	}
	t.choices++
	return w
}

func (t *Table) byPolicy() *worker {
	switch t.cfg.Policy {
	case RoundRobin:
		return t.nextInTurn()
	case Random:
		return t.draw()
	case PowerOfTwo:
		a, b := t.draw(), t.draw()
		if lighter(b, a) {
			return b
		}
		return a
	default:
		return t.leastLoaded()
	}
}

func (t *Table) leastLoaded() *worker {
	var best *worker
	for _, c := range t.classes {
		if w := c.loads.least(); w != nil && (best == nil || lighter(w, best)) {
			best = w
		}
	}
	return best
}

// nextInTurn is the smooth weighted round-robin that nginx made known, between
// classes: each is owed its share every time, the most indebted pays with its
// next member. So two heavy workers and a light one alternate and do not burst.
func (t *Table) nextInTurn() *worker {
	var best *class
	total := 0
	for _, c := range t.classes {
		if len(c.members) == 0 {
			continue
		}
		c.credit += c.share()
		total += c.share()
		if best == nil || c.credit > best.credit {
			best = c
		}
	}
	best.credit -= total
	if best.turn >= len(best.members) {
		best.turn = 0
	}
	w := best.members[best.turn]
	best.turn++
	return w
}

// draw picks a worker at random by weight: a class by its share, then anyone.
func (t *Table) draw() *worker {
	n := t.random.IntN(t.share)
	for _, c := range t.classes {
		if n < c.share() {
			return c.members[n/c.weight]
		}
		n -= c.share()
	}
	panic("pairing: the shares of the classes do not add up")
}
