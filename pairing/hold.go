package pairing

// A client that nobody has named yet may be held for a moment before it gets a
// worker, so that a hint which is on its way can still decide which.

// holdUnnamed says whether a client that is ready waits for its identity, and has it do so.
func (t *Table) holdUnnamed(p *Peer) bool {
	asks := t.cfg.asksWho() && p.origin.known()
	if p.identity != nil || !t.cfg.waitsForName() && !asks {
		return false
	}
	p.held = true
	t.holds.start(&p.phase, t.now)
	if asks {
		t.askWho(p, false)
	}
	return true
}

// release lets a client that was held go on: it has an identity, or none is
// going to come.
func (t *Table) release(p *Peer) {
	if !p.isHeld() {
		return
	}
	since := t.now
	if !t.cfg.waitsForName() { // what others have been asked so far counts
		since = p.phase.since
	}
	p.held = false
	p.phase.leave()
	t.enter(p, since)
}

// expireHold has a client go on that was held for long enough, or ends it if an
// identity is required.
func (t *Table) expireHold(p *Peer) {
	if t.cfg.RequireHello {
		t.stats.leases[LeaseHeartbeat]++
		t.end(p, HeartbeatExpired)
		return
	}
	if t.cfg.asksWho() {
		t.claimByAddress(p)
	}
	t.release(p) // unless that has named it
}
