package pairing

// class holds the choosable workers of one weight. Within it weights do not
// matter any more, which is what makes each policy O(1) there; between classes
// (there are at most 256, one or two as a rule) a policy compares them all.
type class struct {
	weight  int       // in sixteenths, see slowstart.go
	members []*worker // in no order
	seats   []uint32  // of the members, where there are seats
	loads   loads
	load    int // of all members
	turn    int // round-robin: the member whose turn it is
	credit  int // round-robin: what is owed to this class
}

func (c *class) share() int { return c.weight * len(c.members) }

func (c *class) add(w *worker, load int) {
	w.at = len(c.members)
	c.members, c.seats = append(c.members, w), append(c.seats, 0)
	w.filed = load
	c.load += load
	c.loads.put(w, load)
}

func (c *class) remove(w *worker) {
	c.loads.remove(w, w.filed)
	c.load -= w.filed
	last := len(c.members) - 1
	c.members[w.at], c.seats[w.at] = c.members[last], c.seats[last]
	c.members[w.at].at = w.at
	c.members[last] = nil
	c.members, c.seats = c.members[:last], c.seats[:last]
	w.at = -1
	if last == 0 {
		c.credit = 0
	}
}

// move files a member under its new load.
func (c *class) move(w *worker, load int) {
	if w.filed != load {
		c.loads.remove(w, w.filed)
		c.load += load - w.filed
		w.filed = load
		c.loads.put(w, load)
	}
}

// lighter says whether a would be less loaded than b with one client more.
func lighter(a, b *worker) bool {
	return (a.filed+1)*b.class.weight < (b.filed+1)*a.class.weight
}

// choose picks a worker for a client by the policy. Somebody must be choosable. It
// costs one look at each distinct weight and allocates nothing. While the pairs of
// the chosen worker fail the client may be given another one, see explores.
func (t *Table) choose(p *Peer) *worker {
	choose := t.policy.choose
	if t.rehouses() {
		choose = leastConnections
	}
	w := choose(t, p)
	if t.choosable > 1 && t.explores(p, w) {
		t.unplace(w)
		other := choose(t, p)
		t.place(w)
		w = other
	}
	return w
}
