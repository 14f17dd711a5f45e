package agent

import "time"

// fill dials what slots are missing, and notes when to look again: if not at once, and not after a pause, then when
// something has happened.
func (a *Agent) fill(now time.Time) {
	a.fillAt = time.Time{}
	if a.shown == nil || a.over {
		return
	}
	if a.target > a.cfg.Slots && now.Sub(a.wanted) > calm {
		a.target, a.wanted = max(a.cfg.Slots, a.target/2), now
	}
	missing := a.missing(now)
	for range min(missing, a.mostNow(now)) {
		a.inPlace = max(0, a.inPlace-1)
		a.newSlot().offer()
	}
	switch pause := a.proxyIs.wait(now); {
	case missing > 0 && pause > 0: // perhaps one has failed at once
		a.fillAt = now.Add(pause)
	case missing > fillShare && !a.proxyIs.failing():
		a.fillAt = now
	}
}

// missing is how many slots there are too few, as far as there are descriptors for them. The proxy counts what comes
// back, and would take one that does not for lost: what is renewed may be left out to have fewer, but not what was used.
func (a *Agent) missing(now time.Time) int {
	there := a.idle + a.dialled
	missing := max(a.target-there, min(a.inPlace, a.cfg.SlotsMax-there))
	if room := a.cfg.room() - len(a.slots); missing > room {
		a.noRoom(now)
		return room
	}
	return missing
}

// mostNow is how many slots may be dialled in this turn. At a proxy that could not be reached one tries for all.
func (a *Agent) mostNow(now time.Time) int {
	switch {
	case !a.proxyIs.failing():
		return fillShare
	case a.proxyIs.wait(now) > 0, a.dialled > 0, a.probing != nil:
		return 0
	}
	return 1
}

// noRoom notes that there are no descriptors for a slot that is missing, which is logged now and then.
func (a *Agent) noRoom(now time.Time) {
	if a.cramped.IsZero() || now.Sub(a.cramped) > calm {
		a.cramped = now
		a.cfg.Log.Warn("no descriptors (ulimit -n) for as many slots as are wanted", "slots-and-pairs", a.cfg.room(), "worker", a.cfg.Worker)
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

// forgiven says whether a new slot's end says nothing of the proxy: it may have been a stranger's, whom the proxy
// has refused before a byte was passed on. So may be as many within a second as there may be slots.
func (a *Agent) forgiven(now time.Time) bool {
	if a.proxyIs.failing() {
		return false
	}
	if now.Sub(a.endsSince) >= time.Second {
		a.endsSince, a.ends = now, 0
	}
	a.ends++
	return a.ends <= a.cfg.SlotsMax
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
