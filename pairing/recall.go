package pairing

import "time"

// Other tables, in other processes, may know better which worker somebody had last: he may
// have been there since. So they are asked, for a moment ([Config.SharedWait]), before a
// client gets its worker, and told when its pair is open. How, this package does not know.

// Who is somebody whose last worker is remembered: an identity, or by its address a client that has none.
type Who struct {
	ByAddress bool
	Name      string
}

// Recollection is what others say of somebody: which worker he had last. "" is for none, and
// he is to be sent to none because of what was; of somebody who is not Known nothing is said.
// Pin is what was said everywhere of an identity, if that is known.
type Recollection struct {
	Worker string
	Known  bool
	Pin    Steering
}

// Having is somebody who has a worker now.
type Having struct {
	Who    Who
	Worker string
}

func (k affinityKey) who() Who { return Who{k.source, k.name} }

// seatedAlone: what somebody had last does not matter, because the policy gives him the
// same worker anyway. It does where it is known of others, too: then who had to go
// elsewhere is sent there by all of them.
func (t *Table) seatedAlone() bool { return t.policy.seated && t.cfg.SharedWait == 0 }

// ask says whether a client that is ready waits for what others know of it, and has it do so
// as if it had begun to wait since.
func (t *Table) ask(p *Peer, since time.Duration) bool {
	key, ok := t.affinityKey(p)
	if !ok && p.identity != nil && t.cfg.asksWho() {
		key, ok = affinityKey{name: p.identity.name}, true
	}
	if !ok || t.now-since >= t.cfg.SharedWait || p.asked {
		return false
	}
	p.asking, p.asked = true, true
	t.recalls.resume(&p.phase, since)
	t.emit(Action{Op: Recall, Peer: p.ID, Conn: p.Conn, Who: key.who()})
	return true
}

// answer has a client go on that waited for what others know of it.
func (t *Table) answer(p *Peer) {
	p.asking = false
	p.phase.leave()
	t.seek(p)
}

// Recalled answers a [Recall] of that client: what is told of it takes the place of what
// the table remembers, unless that worker can take no client here and now. An answer for
// which the client does not wait any more is ignored, since it may have another worker by now; a pin
// counts for whoever has that identity next.
func (t *Table) Recalled(now time.Duration, id PeerID, is Recollection) []Action {
	t.begin(now)
	t.heedPin(&is.Pin)
	if p := t.index.get(id); p != nil && p.isAsking() {
		t.learn(p, is)
		t.answer(p)
	}
	return t.finish()
}

func (t *Table) learn(p *Peer, is Recollection) {
	key, ok := t.affinityKey(p)
	if !ok || !is.Known {
		return
	}
	had, known := t.habits.get(key, t.now)
	w := t.workers[is.Worker]
	switch {
	case known && had == is.Worker:
	case known && is.Worker == "":
		t.habits.forget(key, had, t.now)
	case w != nil && (w.at >= 0 || !known):
		t.habits.put(key, w.name, sourceOf(p), p.identity != nil, t.now)
	}
}

// pass tells others which worker somebody has.
func (t *Table) pass(key affinityKey, worker string) {
	if t.cfg.SharedWait > 0 {
		t.emit(Action{Op: Remember, Who: key.who(), Worker: worker})
	}
}

// Having lists who has a worker, by an open pair, in the order of the ids of their clients,
// for others to be told again: a page, as [Table.Page] has it.
func (t *Table) Having(after PeerID, most int) (page []Having, last PeerID, more bool) {
	looked := 0
	t.index.eachAfter(after, func(p *Peer) bool {
		if len(page) == most || looked == pageScan {
			more = true
			return false
		}
		looked++
		last = p.ID
		if key, ok := t.affinityKey(p); ok && p.client && p.state == PeerOpen {
			page = append(page, Having{key.who(), p.worker.name})
		}
		return true
	})
	return page, last, more
}
