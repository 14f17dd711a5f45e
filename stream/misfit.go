package stream

import (
	"errors"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/zmtp"
)

// misfit is a client that was refused by what it said before it had a worker.
type misfit struct{ mechanism, fault string }

// misfits refuses a client whose pair would end by what it has said so far, before
// that costs a worker a slot, or a dial.
func (l *loop) misfits(c *conn) bool {
	if !c.client() || l.cfg.ExpectAny {
		return false
	}
	var h zmtp.Handshake
	if l.table.OnlySlots() { // else it may come to a worker that need not be guarded
		h.Guard(l.mechanism)
	}
	_, err := h.Client(c.said())
	why, fault := l.judge(&h, zmtp.Client, err)
	if why == 0 {
		return false
	}
	c.early.misfit = &misfit{h.Mechanism(), fault}
	l.act(l.table.End(l.clock, c.id, why))
	return true
}

// judge says why a handshake ends of which the last that a side has said came to err, and
// what is wrong, for a person; zero if it goes on.
func (l *loop) judge(h *zmtp.Handshake, side zmtp.Side, err error) (pairing.Reason, string) {
	switch {
	case errors.Is(err, zmtp.ErrProtocol):
		return pairing.ProtocolError, fault(side, err)
	case errors.Is(err, zmtp.ErrClientGaveUp):
		return pairing.ClientGaveUp, fault(side, err)
	case err != nil:
		return pairing.NotZMTP, fault(side, err)
	case !l.allows(h.Mechanism()), !l.allows(h.WorkerMechanism()):
		return pairing.MechanismRefused, l.notAllowed(h)
	}
	return 0, ""
}
