package stream

import (
	"errors"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/sockets"
)

// dial answers the table's wish for a connection to a worker, on behalf of a client.
func (l *loop) dial(a pairing.Action) {
	if used, limit := l.ctx.Descriptors(); used >= limit {
		l.act(l.table.End(l.clock, a.Peer, pairing.QueueFull))
		return
	}
	l.cancelDial(a.Peer) // to a worker that has been taken out meanwhile
	client, worker := a.Peer, a.Worker
	l.dialler.connect(client, a, func(id pairing.PeerID, to connection, err error) {
		switch {
		case err == nil:
		case l.unanswered(err):
			l.judgeSilence(a, err)
			return
		default:
			l.dialFailed(client, worker, err)
			return
		}
		l.dialled(client, id, to)
	})
}

// dialled makes a connection of the descriptor and offers it to the table.
func (l *loop) dialled(client, id pairing.PeerID, to connection) {
	c := &conn{
		id: id, origin: l.dialler.farEnd(to.Peer),
		link: &ownLink{fd: int32(to.FD), keepLater: to.Peer.IsValid()},
	}
	l.know(c, to)
	l.count(+1)
	l.act(l.table.Dialled(l.now(), client, c.id, c))
}

func (l *loop) dialFailed(client pairing.PeerID, worker string, err error) {
	if isWant(err) {
		l.act(l.table.End(l.now(), client, pairing.QueueFull))
		return
	}
	if errors.Is(err, errNoClientAddress) {
		l.refuseUnshown(client, worker, err)
		return
	}
	if noPort(err) {
		if l.portTold.due(l.clock) {
			l.cfg.Log.Warn("no port is left for connections to a worker: more source addresses, or a wider net.ipv4.ip_local_port_range",
				"pool", l.fixed.Name, "worker", worker, "error", err)
		}
		l.act(l.table.NoPort(l.now(), client, worker))
		return
	}
	l.cfg.Log.Warn("dial failed", "pool", l.fixed.Name, "worker", worker, "error", err)
	l.act(l.table.DialFailed(l.now(), client, worker))
}

// probe finds out whether a worker that failed can be reached again. It must hear nothing of that where it is over TCP: JeroMQ's
// PUSH and DEALER give a message to what they have accepted, also when it has said nothing yet.
func (l *loop) probe(a pairing.Action) {
	worker := a.Worker
	l.dialler.connect(0, a, func(_ pairing.PeerID, to connection, err error) {
		sockets.Close(to.FD)
		if err == nil {
			l.cfg.Log.Info("worker is back", "pool", l.fixed.Name, "worker", worker, "error", err)
		}
		l.act(l.table.Probed(l.now(), worker, err == nil))
	})
}

// cancelDial gives up on a client that has ended.
func (l *loop) cancelDial(client pairing.PeerID) {
	if x := l.dialler.clients[client]; x != nil {
		l.dialler.giveUp(x)
	}
}

// keepAlive gives a connection that was dialled TCP's options for a long life. An
// accepted one has those of its listener.
func (l *loop) keepAlive(c *conn) {
	o := c.own()
	if o == nil || !o.keepLater {
		return
	}
	o.keepLater = false
	if err := keep(o.descriptor(), l.fixed.KeepAlive, l.fixed.UserTimeout); err != nil {
		l.cfg.Log.Warn("a connection to a worker without keepalive", "pool", l.fixed.Name, "error", err)
	}
}
