package pairing

import (
	"fmt"
	"slices"
)

// pinOf is the last word about an identity.
func (m *twin) pinOf(name string) Steering {
	for _, words := range []*twinMemory[string, Steering]{&m.pinned, &m.unpinned} {
		if s, known := words.get(name, m.now); known {
			return s
		}
	}
	return Steering{Identity: name, Register: RegisterPin}
}

// pin is said here, and says whether it may be.
func (m *twin) pin(s Steering) bool {
	s.At = max(s.At, m.pinOf(s.Identity).At+1)
	_, pinned := m.pinned.get(s.Identity, m.now)
	switch {
	case s.Workers == "" && !s.Everywhere && !pinned:
		return false
	case s.Workers == "" && (m.cfg.SharedWait == 0 || m.cfg.HintMax == 0):
		m.pinned.remove(s.Identity, m.now)
		return true
	case s.Workers != "":
		here := m.pinned.of(func(source string) bool { return source == "" })
		again := slices.ContainsFunc(here, func(i int) bool { return m.pinned.items[i].key == s.Identity })
		if !again && len(here) >= m.cfg.HintMax {
			return false
		}
	}
	m.setPin(s, "")
	return true
}

// heedPin is said elsewhere, and says whether it counts.
func (m *twin) heedPin(s Steering) bool {
	if m.cfg.SharedWait == 0 || m.cfg.HintMax == 0 || s.Identity == "" || s.By == "" || !s.After(m.pinOf(s.Identity).Stamp) {
		return false
	}
	m.setPin(s, s.By)
	return true
}

func (m *twin) setPin(s Steering, source string) {
	m.pinned.remove(s.Identity, m.now)
	m.unpinned.remove(s.Identity, m.now)
	words := &m.pinned
	if s.Workers == "" {
		words, source = &m.unpinned, "ended"
	}
	words.put(twinItem[string, Steering]{key: s.Identity, value: s, source: source, since: m.now})
}

// comparePins tells how what a table says of identities differs from the twin: words of pins, those that were said here first, then
// of pins that were ended, and whose clients wait beside.
func (m *twin) comparePins(t *Table) error {
	var want, got, wait, waits []string
	for _, words := range []*twinMemory[string, Steering]{&m.pinned, &m.unpinned} {
		words.expire(t.now)
		for _, here := range []bool{true, false} {
			for _, at := range words.of(func(source string) bool { return (source == "") == here }) {
				want = append(want, fmt.Sprintf("%+v", words.items[at].value))
			}
		}
	}
	for _, p := range m.peers {
		known := m.pinOf(p.identity).At > 0
		if p.state == PeerWaiting && p.identity != "" && !known && m.cfg.SharedWait > 0 && m.cfg.HintMax > 0 {
			wait = append(wait, p.identity)
		}
	}
	for more := true; more; {
		var page []Steering
		page, more = t.SaidOfIdentities(t.now, len(got)+len(waits), 3)
		for _, s := range page {
			if s.At > 0 {
				got = append(got, fmt.Sprintf("%+v", s))
			} else {
				waits = append(waits, s.Identity)
			}
		}
	}
	slices.Sort(wait)
	slices.Sort(waits)
	if !slices.Equal(got, want) || !slices.Equal(waits, wait) {
		return fmt.Errorf("of identities is said %q, and %q wait, not %q and %q", got, waits, want, wait)
	}
	return nil
}
