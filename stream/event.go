package stream

import (
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Topics of events.
const (
	TopicClientConnected = "client.connected" // and has sent a byte, or was refused
	TopicClientEnded     = "client.ended"     // once for each of these
	TopicPairMade        = "pair.made"        // a client has its worker
	TopicPairOpened      = "pair.opened"      // their handshake is through
	TopicPairEnded       = "pair.ended"       // before client.ended of its client
	TopicWorkerUp        = "worker.up"
	TopicWorkerDown      = "worker.down"
	TopicSlotLost        = "slot.lost"    // of the client's worker; see pairing.LostSlot
	TopicWorkerEmpty     = "worker.empty" // draining, in maintenance or removed, and its last pair has ended

	TopicRebalanceBegun = "rebalance.begun"
	TopicRebalanceEnded = "rebalance.ended"

	TopicDoorOpened = "door.opened" // for an identity
	TopicDoorShut   = "door.shut"   // for whoever would come
)

// Event is something that happened in a pool.
type Event struct {
	Topic string    `json:"-"`
	Time  time.Time `json:"time"`
	Pool  string    `json:"pool"`
	// ID, Client (IP:PORT, or the address of one over ipc) and Identity are a client's.
	ID       pairing.PeerID `json:"id,omitempty"`
	Client   string         `json:"client,omitempty"`
	Identity string         `json:"identity,omitempty"`
	Worker   string         `json:"worker,omitempty"`
	State    string         `json:"state,omitempty"`  // of the worker, or of the rebalance
	Reason   string         `json:"reason,omitempty"` // of an end
	// Mechanism and Version of ZMTP are a pair's that has opened, or has ended. Handshake is
	// that of one that ended before it opened, Hint what such an end usually means.
	Mechanism string     `json:"mechanism,omitempty"`
	Version   string     `json:"zmtp,omitempty"`
	Handshake *Handshake `json:"handshake,omitempty"`
	Hint      string     `json:"hint,omitempty"`
	Pairs     int        `json:"pairs,omitempty"` // that a rebalance is to end, or has ended
}

// Topics are all topics, in a fixed order.
func Topics() []string {
	return []string{
		TopicClientConnected, TopicClientEnded, TopicPairMade, TopicPairOpened, TopicPairEnded,
		TopicWorkerUp, TopicWorkerDown, TopicWorkerEmpty, TopicSlotLost,
		TopicRebalanceBegun, TopicRebalanceEnded,
		TopicDoorOpened, TopicDoorShut,
	}
}

// tell passes an event on to whoever is interested.
func (l *loop) tell(e Event) {
	if l.cfg.Events != nil {
		e.Time, e.Pool = time.Now(), l.cfg.Name
		l.cfg.Events(e)
	}
}

// tellConnected tells of a client's connection, once.
func (l *loop) tellConnected(c *conn) {
	if c.client() && !c.told {
		c.told = true
		l.tellOf(TopicClientConnected, c)
	}
}

// tellOf is tell about a client's connection.
func (l *loop) tellOf(topic string, c *conn) {
	if l.cfg.Events == nil {
		return
	}
	e := Event{Topic: topic, ID: c.id, Client: c.origin.Whence()}
	if p := l.table.Peer(c.id); p != nil {
		e.Identity, e.Worker = p.Identity(), p.Worker()
	}
	if c.flow != nil && c.flow.open {
		s := c.flow.speaks()
		e.Mechanism, e.Version = s.mechanism, s.version
	}
	l.tell(e)
}

func (l *loop) tellEnded(r *pairing.Record) {
	if r.Reason == pairing.ProbeOnly { // which is no news
		return
	}
	if l.cfg.Events == nil {
		return
	}
	c := r.ClientConn.(*conn)
	l.tellConnected(c)
	e := Event{
		Topic: TopicPairEnded, ID: r.Client, Client: r.Origin.Whence(),
		Identity: r.Identity, Worker: r.Worker, Reason: r.Reason.String(),
		Hint: l.hint(c, r.Reason),
	}
	if f := c.flow; f != nil {
		s := f.speaks()
		e.Mechanism, e.Version = s.mechanism, s.version
		if !f.open {
			e.Handshake = f.told()
		}
	}
	if r.Paired {
		l.tell(e)
	}
	e.Topic = TopicClientEnded
	l.tell(e)
}

// tellChanges tells what has become of workers since it was last called.
func (l *loop) tellChanges() {
	if l.cfg.Events == nil {
		return
	}
	topics := [...]string{pairing.WorkerUp: TopicWorkerUp, pairing.WorkerDown: TopicWorkerDown, pairing.WorkerEmpty: TopicWorkerEmpty}
	for _, c := range l.table.Changes() {
		l.tell(Event{Topic: topics[c.Change], Worker: c.Worker, State: c.State.String()})
	}
}
