package pairing

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// slotRig is a rig in which slots are missed after 10 s.
func slotRig(t *testing.T) *rig {
	return newRig(t, func(c *Config) {
		c.SlotLostAfter, c.QueueTimeout, c.SlotMaxAge, c.HandshakeTimeout = 10*time.Second, 25*time.Second, 0, 0
	})
}

// slots has a worker dial in n times.
func (r *rig) slots(name string, n int) {
	for range n {
		r.next++
		r.dialIn(name, fmt.Sprint(name, ":", r.next))
	}
}

// client has one come from an address and be ready; ok says whether it got a slot.
func (r *rig) client(address string) (id, worker PeerID, ok bool) {
	r.t.Helper()
	r.next++
	id = r.next
	r.ClientConnected(r.now, id, Origin{Address: address, Endpoint: fmt.Sprint(address, ":", id)}, nil)
	r.ClientReady(r.now, id)
	if p := r.Peer(id); p != nil && p.Partner() != nil {
		return id, p.Partner().ID, true
	}
	return id, 0, false
}

// fails has a client come, get a slot, and its worker close it in the handshake.
func (r *rig) fails(address string) {
	r.t.Helper()
	c, w, ok := r.client(address)
	if !ok {
		r.t.Fatalf("%s got no slot", address)
	}
	r.leave(w, c)
}

// serves has a client come, be served and leave, and its worker dial in anew.
func (r *rig) serves(address, worker string) {
	r.t.Helper()
	c, w, ok := r.client(address)
	if !ok {
		r.t.Fatalf("%s got no slot", address)
	}
	r.Opened(r.now, c)
	r.leave(c, w)
	r.slots(worker, 1)
}

// lost moves the time on and counts the slots that were lost meanwhile.
func (r *rig) lost(after time.Duration) (all []LostSlot) {
	r.t.Helper()
	r.now += after
	r.Tick(r.now)
	r.sound()
	return r.LostSlots()
}

// A slot that does not come back after a handshake that failed is lost, and who had
// it is named; what comes back is not, be there good clients in between or none.
func TestSlotIsLost(t *testing.T) {
	r := slotRig(t)
	r.slots("w", 3)
	r.fails("10.0.0.9")
	r.serves("10.0.0.1", "w")
	r.fails("10.0.0.8") // which comes back
	r.slots("w", 1)
	for range 9 {
		r.now += time.Second
		r.serves("10.0.0.1", "w")
	}
	if all := r.lost(0); len(all) != 0 {
		t.Fatalf("before its time: %+v", all)
	}
	all := r.lost(time.Second)
	if len(all) != 1 || all[0].Worker != "w" || all[0].Reason != RefusedByWorker || all[0].Opened {
		t.Fatalf("%+v", all)
	}
	if got := r.worker("w"); got.SlotsLost != 1 || got.Slots != 2 || r.Stats(r.now).SlotsLost != 1 {
		t.Errorf("%+v", got)
	}
	if all := r.lost(time.Minute); len(all) != 0 {
		t.Errorf("again: %+v", all)
	}
}

// The address is told that has cost a slot before, if it may be either of two.
func TestWhoCostTheSlot(t *testing.T) {
	r := slotRig(t)
	r.slots("w", 4)
	r.fails("10.0.0.9")
	r.lost(11 * time.Second)
	r.now += time.Minute // nobody else wants one
	r.fails("10.0.0.9")
	r.fails("10.0.0.8")
	r.slots("w", 1)
	if all := r.lost(11 * time.Second); len(all) != 1 || all[0].Origin.Address != "10.0.0.9" {
		t.Errorf("%+v", all)
	}
}

// A worker of which all slots are lost stays known for a while, to be seen.
func TestAllSlotsLost(t *testing.T) {
	r := slotRig(t)
	r.slots("w", 1)
	r.fails("10.0.0.9")
	if all := r.lost(10 * time.Second); len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	if got := r.worker("w"); got.SlotsLost != 1 || got.Slots != 0 || r.Usable() {
		t.Errorf("%+v", got)
	}
	r.lost(departedFor)
	if n := len(r.Workers()); n != 0 {
		t.Errorf("%d workers are still known", n)
	}
	r.slots("w", 1)
	if got := r.worker("w"); got.SlotsLost != 1 {
		t.Errorf("back it has %+v", got)
	}
}

// A worker that goes, or does with fewer slots, has lost none.
func TestWorkerGoes(t *testing.T) {
	t.Run("ends", func(t *testing.T) {
		r := slotRig(t)
		r.slots("w", 4)
		c, w, _ := r.client("10.0.0.1")
		r.Opened(r.now, c)
		d, v, _ := r.client("10.0.0.2")
		r.leave(w, c, v, d)
		r.EachPeer(func(p *Peer) bool { r.next++; defer r.leave(p.ID); return true })
		if all := r.lost(11 * time.Second); len(all) != 0 {
			t.Errorf("%+v", all)
		}
	})
	t.Run("in an open pair", func(t *testing.T) {
		r := slotRig(t)
		r.slots("w", 1)
		c, w, _ := r.client("10.0.0.1")
		r.Opened(r.now, c)
		r.leave(w, c)
		if all := r.lost(11 * time.Second); len(all) != 0 {
			t.Errorf("%+v", all)
		}
	})
	t.Run("kicked", func(t *testing.T) {
		r := slotRig(t)
		r.slots("w", 2)
		c, _, _ := r.client("10.0.0.1")
		r.End(r.now, c, Kicked)
		if all := r.lost(11 * time.Second); len(all) != 0 {
			t.Errorf("%+v", all)
		}
	})
}

// A message that the worker refuses costs a slot of an open pair; that is told while
// the worker has others.
func TestSlotLostWhenOpen(t *testing.T) {
	r := slotRig(t)
	r.slots("w", 2)
	c, w, _ := r.client("10.0.0.1")
	r.Opened(r.now, c)
	r.leave(w, c)
	if all := r.lost(10 * time.Second); len(all) != 1 || !all[0].Opened {
		t.Errorf("%+v", all)
	}
}

// That is also told when such messages have cost it all, one after the other.
func TestAllSlotsLostWhenOpen(t *testing.T) {
	r := slotRig(t)
	r.slots("w", 3)
	for range 3 {
		c, w, _ := r.client("10.0.0.1")
		r.Opened(r.now, c)
		r.leave(w, c)
		r.now += 100 * time.Millisecond
	}
	if all := r.lost(10 * time.Second); len(all) != 2 { // the last may be the worker's end
		t.Errorf("%+v", all)
	}
}

// An agent dials another as soon as one is in use, and not when the pair has ended.
func TestAgentLosesNone(t *testing.T) {
	r := slotRig(t)
	r.slots("w", 4)
	for range 100 {
		c, w, _ := r.client("10.0.0.9")
		r.slots("w", 1)
		r.leave(w, c)
		r.now += 100 * time.Millisecond
	}
	if all := r.lost(11 * time.Second); len(all) != 0 || r.Stats(r.now).Slots != 4 {
		t.Errorf("%d slots, lost %+v", r.Stats(r.now).Slots, all)
	}
}

// Who has cost slots gets no more of them for a growing while, as long as somebody else
// wants them; workers that listen serve it all the same.
func TestBarredFromSlots(t *testing.T) {
	r := slotRig(t)
	r.slots("w", 6)
	r.fails("10.0.0.9")
	r.lost(10 * time.Second)
	if _, _, ok := r.client("10.0.0.9"); !ok {
		t.Error("it gets no slot although nobody else wants one")
	}
	for _, pause := range []time.Duration{barMin, 2 * barMin} {
		r.serves("10.0.0.1", "w")
		r.cost("10.0.0.9")
		if pause == barMin {
			r.costly.Remove("10.0.0.9")
			r.cost("10.0.0.9")
		}
		bad, _, ok := r.client("10.0.0.9")
		if ok || r.Stats(r.now).Waiting != 1 {
			t.Error("it got a slot")
		}
		r.serves("10.0.0.1", "w")
		r.lost(pause - time.Second)
		r.serves("10.0.0.1", "w")
		if r.Peer(bad).Partner() != nil {
			t.Errorf("it got a slot before %v", pause)
		}
		if r.lost(time.Second); r.Peer(bad) == nil || r.Peer(bad).Partner() == nil {
			t.Errorf("it got none after %v", pause)
		}
	}
	r.serves("10.0.0.1", "w")
	r.cost("10.0.0.9")
	bad, _, _ := r.client("10.0.0.9")
	if r.lost(25 * time.Second); r.Peer(bad) != nil {
		t.Error("it waits longer than queue-timeout")
	}
	r.add(WorkerConfig{Name: "listens"})
	r.next++
	r.ClientConnected(r.now, r.next, Origin{Address: "10.0.0.9"}, nil)
	if a := r.ClientReady(r.now, r.next); len(a) != 1 || a[0].Op != Dial || a[0].Worker != "listens" {
		t.Errorf("by a worker that listens: %v", a)
	}
	r.sound()
}

// Whatever happens, the books are right, and nothing is kept of what is over.
func TestSlotBooks(t *testing.T) {
	r := slotRig(t)
	random := rand.New(rand.NewPCG(1, 2))
	var known []PeerID
	for i := range 20_000 {
		r.now += time.Duration(random.IntN(300)) * time.Millisecond
		if random.IntN(50) == 0 {
			r.now += 5 * time.Second
		}
		switch random.IntN(6) {
		case 0, 1:
			if r.Stats(r.now).Slots < 6 {
				r.slots(fmt.Sprint("w", random.IntN(3)), 1)
			}
		case 2:
			if c, w, ok := r.client(fmt.Sprint("10.0.0.", random.IntN(4))); ok {
				known = append(known, c, w)
			}
		default:
			if len(known) > 0 {
				k := random.IntN(len(known))
				if random.IntN(3) == 0 {
					r.Opened(r.now, known[k])
				} else {
					r.Gone(r.now, known[k], Closed)
					known = append(known[:k], known[k+1:]...)
				}
			}
		}
		r.Tick(r.now)
		if i%100 == 0 {
			r.sound()
			r.LostSlots()
		}
		n := 0
		for _, of := range r.owing {
			n += of.n
		}
		if n != r.awaited.n {
			t.Fatalf("%d are owed and %d awaited", n, r.awaited.n)
		}
	}
	if r.Stats(r.now).SlotsLost == 0 {
		t.Error("nothing was lost")
	}
	r.EndAll(r.now, Kicked)
	r.lost(time.Hour)
	if r.awaited.n != 0 || len(r.owing) != 0 || r.apart.n != 0 {
		t.Errorf("%d are awaited, %d owe, %d wait apart", r.awaited.n, len(r.owing), r.apart.n)
	}
}
