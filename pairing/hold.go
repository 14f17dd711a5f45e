package pairing

// A client that nobody has named yet may be held for a moment before it gets a
// worker, so that a hint which is on its way can still decide which.

// await says whether a client that is ready waits for its identity, and has it do so.
func (t *Table) await(p *Peer) bool {
	if p.identity != nil || t.cfg.HintWait == 0 && !t.cfg.RequireHello {
		return false
	}
	p.held = true
	p.phase.start(&t.holds, t.now)
	return true
}

// release lets a client that was held go on: it has an identity, or none is
// going to come.
func (t *Table) release(p *Peer) {
	if !p.held {
		return
	}
	p.held = false
	p.phase.stop()
	t.enter(p)
}

// expireHolds lets go on who was held for long enough, or ends them if an
// identity is required.
func (t *Table) expireHolds() {
	for x := t.holds.due(t.now); x != nil; x = t.holds.due(t.now) {
		if t.cfg.RequireHello {
			t.stats.leases[LeaseHeartbeat]++
			t.end(x.owner, HeartbeatExpired)
		} else {
			t.release(x.owner)
		}
	}
}
