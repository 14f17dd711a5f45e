package agent

import "time"

// fill dials what slots are missing, and notes when to look again.
func (a *Agent) fill(now time.Time) {
	a.fillAt = time.Time{}
	if a.shown == nil || a.over {
		return
	}
	if a.target > a.cfg.Slots && now.Sub(a.wanted) > calm {
		a.target, a.wanted = max(a.cfg.Slots, a.target/2), now
	}
	// The proxy counts what comes back, and would take one that does not for lost: what is
	// renewed may be left out to have fewer, but not what was used.
	missing := max(a.target-a.idle-a.dialled, min(a.inPlace, a.cfg.SlotsMax-a.idle-a.dialled))
	if missing <= 0 {
		return
	}
	if wait := a.proxyIs.wait(now); wait > 0 {
		a.fillAt = now.Add(wait)
		return
	}
	if a.proxyIs.failing() { // one tries for all
		missing = min(missing, max(0, 1-a.dialled))
	}
	if missing > fillShare {
		missing, a.fillAt = fillShare, now
	}
	for range missing {
		a.inPlace = max(0, a.inPlace-1)
		a.newSlot().offer()
	}
	if wait := a.proxyIs.wait(now); wait > 0 { // one has failed at once
		a.fillAt = now.Add(wait)
	}
}

// used notes that a slot has got a client. When the last idle ones have, more
// are kept from now on.
func (a *Agent) used(now time.Time) {
	a.inPlace++
	if a.idle > a.target/4 {
		return
	}
	a.wanted = now
	a.target = min(a.cfg.SlotsMax, a.target*2)
}

// withdraw closes every slot that has no client.
func (a *Agent) withdraw() {
	a.inPlace = 0
	for _, s := range a.slots {
		if s.phase <= idle {
			s.close()
		}
	}
}

// proxyGood notes that a slot has been of use.
func (a *Agent) proxyGood() {
	if a.proxyIs.good() {
		a.cfg.Log.Info("the proxy takes slots again", "proxy", a.cfg.Proxy)
	}
}

// proxyBad notes a slot that came to nothing. Of failures in a row the first is logged.
func (a *Agent) proxyBad(what string, err error) {
	a.figures.proxyFailed.Add(1)
	if a.proxyIs.fail(time.Now()) {
		a.cfg.Log.Warn(what, "proxy", a.cfg.Proxy, "error", err)
	}
}
