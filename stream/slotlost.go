package stream

import (
	"fmt"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

const (
	// slotsLostPause is how long at least it is until slots that were lost are logged again.
	slotsLostPause = 10 * time.Second
	// slotsLostNamed is how many addresses are named at once.
	slotsLostNamed = 8
)

// lostSlots are slots that were lost and are not logged yet.
type lostSlots struct {
	last   []lostTo // by address, in the order in which they came
	others int      // of further addresses
	next   time.Duration
}

// lostTo are the slots that an address cost a worker.
type lostTo struct {
	pairing.LostSlot // the last of them
	slots            int
}

// tellLostSlots tells of slots that did not come back, and logs for each address how many.
func (l *loop) tellLostSlots() {
	k := &l.slotsLost
	for _, lost := range l.table.LostSlots() {
		l.tell(Event{
			Topic: TopicSlotLost, ID: lost.Client, Client: lost.Origin.Whence(), Identity: lost.Identity,
			Worker: lost.Worker, Reason: lost.Reason.String(),
		})
		k.add(lost)
	}
	if len(k.last) == 0 || l.clock < k.next {
		return
	}
	for _, lost := range k.last {
		l.cfg.Log.Warn("a client cost a worker slots for good: it does not dial them again (docs/slots.md)",
			"pool", l.cfg.Name, "address", lost.Origin.Address, "client", lost.Origin.Whence(), "identity", lost.Identity, "worker", lost.Worker,
			"slots", lost.slots, "reason", lost.Reason.String(), "opened", lost.Opened)
	}
	if k.others > 0 {
		l.cfg.Log.Warn(fmt.Sprintf("%d more slots were lost to clients of other addresses", k.others), "pool", l.cfg.Name)
	}
	*k = lostSlots{next: l.clock + slotsLostPause}
}

func (k *lostSlots) add(lost pairing.LostSlot) {
	for i := range k.last {
		if to := &k.last[i]; to.Origin.Address == lost.Origin.Address && to.Worker == lost.Worker {
			to.LostSlot = lost
			to.slots++
			return
		}
	}
	if len(k.last) == slotsLostNamed {
		k.others++
		return
	}
	k.last = append(k.last, lostTo{lost, 1})
}
