package pairing

import "fmt"

// Policy chooses among the workers that can take a client. It is the policy's name;
// "" is the first of [Policies].
type Policy string

// The policies. "Load" is a worker's pairs, draining ones included, and the dials
// that are under way to it. A worker of weight 2 gets twice what one of weight 1 gets.
const (
	// LeastConnections takes the least (load+1)/weight; among equals the one
	// that has been at its load for longest.
	LeastConnections Policy = "least-connections"
	// RoundRobin takes each in turn, weights interleaved.
	RoundRobin Policy = "round-robin"
	// Random takes any, by weight.
	Random Policy = "random"
	// PowerOfTwo draws two at random, by weight, and takes the one with the
	// lesser (load+1)/weight.
	PowerOfTwo Policy = "power-of-two"
	// Rendezvous takes the one that the client's identity, or else its address,
	// gives it, by weight, and no other as long as that can take it: every proxy
	// with the same workers takes the same. [Config.AffinityMaxLoad] bounds it.
	Rendezvous Policy = "rendezvous"
)

// policy is what a table does by a [Policy].
type policy struct {
	name Policy
	// choose picks a worker. Somebody must be choosable. It costs no more than a
	// look at each distinct weight, and allocates nothing.
	choose func(*Table, *Peer) *worker
	// seated says that it needs the workers to have seats, and that it gives a
	// client the same worker by itself: what it had last does not matter.
	seated bool
	// byLoad says that who has got more than its share gets less from then on.
	byLoad bool
}

// policies are all there are. A new one is a line here, and what it names:
// whatever lists or reads policies does so by [Policies] and [ParsePolicy].
func policies() []policy {
	return []policy{
		{name: LeastConnections, choose: leastConnections, byLoad: true},
		{name: RoundRobin, choose: func(t *Table, _ *Peer) *worker { return t.nextInTurn() }},
		{name: Random, choose: func(t *Table, _ *Peer) *worker { return t.draw() }},
		{name: PowerOfTwo, choose: func(t *Table, _ *Peer) *worker { return t.lighterOfTwo() }, byLoad: true},
		{name: Rendezvous, choose: (*Table).rendezvous, seated: true, byLoad: true},
	}
}

// setPolicy puts a policy in force.
func (t *Table) setPolicy(p Policy) {
	was := t.policy.seated
	if t.policy, _ = p.find(); t.policy.seated == was {
		return
	}
	t.seats = seats{}
	for _, c := range t.classes {
		for _, w := range c.members {
			if t.policy.seated {
				t.seats.sit(w)
			}
		}
	}
}

// Policies are all policies; the first is the default.
func Policies() (all []Policy) {
	for _, p := range policies() {
		all = append(all, p.name)
	}
	return all
}

func (p Policy) find() (policy, bool) {
	all := policies()
	for _, one := range all {
		if one.name == p {
			return one, true
		}
	}
	return all[0], p == ""
}

// String is the policy as it is configured: "least-connections".
func (p Policy) String() string {
	if one, ok := p.find(); ok {
		return string(one.name)
	}
	return string(p) // which there is not
}

// ParsePolicy is the inverse of [Policy.String].
func ParsePolicy(s string) (Policy, error) {
	if p, ok := Policy(s).find(); ok && s != "" {
		return p.name, nil
	}
	return "", fmt.Errorf("policy %q is unknown", s)
}

func leastConnections(t *Table, _ *Peer) *worker { return t.leastLoaded() }

func (t *Table) leastLoaded() *worker {
	var best *worker
	for _, c := range t.classes {
		if w := c.loads.least(); w != nil && (best == nil || lighter(w, best)) {
			best = w
		}
	}
	return best
}

func (t *Table) lighterOfTwo() *worker {
	a, b := t.draw(), t.draw()
	if lighter(b, a) {
		return b
	}
	return a
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
