package pairing

// A client that nobody has named yet may be held for a moment before it gets a
// worker, so that a hint which is on its way can still decide which.

// holdUnnamed says whether a client that is ready waits for its identity, and has it do so.
func (t *Table) holdUnnamed(p *Peer) bool {
	if p.identity != nil || t.cfg.HintWait == 0 && !t.cfg.RequireHello {
		return false
	}
	p.held = true
	t.holds.start(&p.phase, t.now)
	return true
}

// release lets a client that was held go on: it has an identity, or none is
// going to come.
func (t *Table) release(p *Peer) {
	if !p.held {
		return
	}
	p.held = false
	p.phase.leave()
	t.enter(p)
}

// expireHold has a client go on that was held for long enough, or ends it if an
// identity is required.
func (t *Table) expireHold(p *Peer) {
	if t.cfg.RequireHello {
		t.stats.leases[LeaseHeartbeat]++
		t.end(p, HeartbeatExpired)
	} else {
		t.release(p)
	}
}
