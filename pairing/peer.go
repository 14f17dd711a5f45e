package pairing

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// PeerID names a connection. The caller chooses it; no two live peers share one.
// 0 is not used. Look-up is fastest for ids of the form side<<32 | number with
// side below 4 and connections numbered one after the other.
type PeerID uint64

// Origin is where a connection comes from.
type Origin struct {
	// Address is the source for limits, hints and affinity: an IP (of IPv6 the
	// caller may have kept the network only), or localhost:uid:gid:pid for ipc.
	Address string
	// Endpoint is IP:PORT of the connection's far end, "" when it has none.
	Endpoint string
}

// known: it is not the zero value.
func (o Origin) known() bool { return o != Origin{} }

// Whence is where the connection comes from, as exactly as it is known: a peer over ipc has no
// endpoint, but an address of uid, gid and pid.
func (o Origin) Whence() string { return cmp.Or(o.Endpoint, o.Address) }

// PeerState is where a peer is in its life.
type PeerState uint8

// The states of a peer. See the package documentation for the ways between them.
const (
	PeerConnected PeerState = iota // nothing that looks like ZMTP has come yet
	PeerWaiting                    // client: ready, in the queue
	PeerDialling                   // client: ready, a worker is being dialled for it
	PeerSlot                       // worker's connection: greeted, waits for a client
	PeerPaired                     // both: in a pair that shakes hands
	PeerOpen                       // both: in a pair that is open
	PeerDraining                   // both: the partner has gone, what it sent is being delivered
	peerStates
)

var peerStateNames = [peerStates]string{"connected", "waiting", "dialling", "slot", "paired", "open", "draining"}

// PeerStateNames are all states, in their words.
func PeerStateNames() []string { return slices.Clone(peerStateNames[:]) }

// String is the state in lower case.
func (s PeerState) String() string {
	if s < peerStates {
		return peerStateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Peer is one connection. The table owns it; the caller reads it, on the
// goroutine that calls the table, and not after it has ended.
type Peer struct {
	ID PeerID
	// Conn is the caller's handle, as given when the peer connected.
	Conn any

	partner    *Peer
	worker     *worker // whose connection it is; of a client: who is dialled for it or serves it
	identity   *identity
	origin     *Origin // is not changed, and may be others', too
	*visit             // a client's; nil for a worker's connection
	*coming            // nil for a worker's connection in a pair, and for a client whose pair has opened
	connected  time.Duration
	state      PeerState
	client     bool
	named      bool   // a worker's connection: a hint has said whose it is
	greeted    bool   // a worker's connection: its greeting is there, and it waits for being named
	replaced   bool   // a worker's connection: another has come for it already, see slotlost.go
	gone       bool   // no longer known: its connection is gone or aborted
	reason     Reason // of the pair's end, once it has begun
	identityAt int32  // its place among the identity's peers
	addressAt  int32  // a worker's connection: its place among those of its address

	span  node[*Peer] // client: lease of the pair; worker's connection: age of the slot; finishing
	among node[*Peer] // client without an identity: of its address; worker's connection: in one of its worker's lists
}

// visit is what only a client has, for as long as it stays.
type visit struct {
	ready, paired, opened, over time.Duration
	passed                      *[]passed // see passedOver
	dials                       int32
	rule                        Rule // by which it got its worker
	asked                       bool // others, which worker it had
	wasOpen                     bool
}

// coming is what a peer has until its pair has opened, which may then live for months, or
// of a worker's connection until it has a pair.
type coming struct {
	phase   node[*Peer]   // handshake, or being held
	turn    node[*Peer]   // client: in the queue, or watched for silence in the handshake
	heapAt  int           // client: place among those back in the queue, -1 when not there
	dialled time.Duration // client: when the last dial for it began
	place   uint64        // client: order of readiness, from 1; 0 before
	claimed *worker       // client: that its group was told of

	failedDials int32
	held        bool // client: ready, and waits for its identity
	asking      bool // client: ready, and others are asked which worker it had
	hinted      bool // client: by a hint for the next one from its address
	portless    bool // client: there was no port for a dial
}

// newClient makes the peer of a client's connection.
func newClient(id PeerID, origin Origin, conn any) *Peer {
	c := &struct {
		Peer
		visit visit
	}{Peer: Peer{ID: id, Conn: conn, client: true, origin: &origin}}
	p := &c.Peer
	p.visit = &c.visit
	return p.comes()
}

// newDialIn makes the peer of a connection that a worker has dialled in.
func newDialIn(id PeerID, origin Origin, conn any) *Peer {
	p := &Peer{ID: id, Conn: conn, origin: &origin}
	return p.comes()
}

// comes sets up what is there of a peer from its coming on.
func (p *Peer) comes() *Peer {
	p.coming = &coming{heapAt: -1}
	p.phase.owner, p.turn.owner = p, p
	return p
}

// stopTimes takes the peer out of the queues of what falls due.
func (p *Peer) stopTimes() {
	if p.coming != nil {
		p.phase.leave()
	}
	p.span.leave()
}

// hasCome ends its being in the queues that are for those who come.
func (p *Peer) hasCome() {
	if p.coming != nil {
		p.phase.leave()
		p.turn.leave()
		p.coming = nil
	}
}

// Partner is the other peer of the pair, nil while there is none. It stays while
// the pair drains, although that partner may itself not be known any more.
func (p *Peer) Partner() *Peer { return p.partner }

// Client says whether it is a client's connection, or else a worker's.
func (p *Peer) Client() bool { return p.client }

// State says where the peer is in its life.
func (p *Peer) State() PeerState { return p.state }

// Origin is where the connection comes from.
func (p *Peer) Origin() Origin { return *p.origin }

// From is Origin for a caller that keeps it. It must not be changed.
func (p *Peer) From() *Origin { return p.origin }

// Connected is when the peer connected, in the caller's monotonic time.
func (p *Peer) Connected() time.Duration { return p.connected }

// Identity is the name that a hint gave it, "" when none did.
func (p *Peer) Identity() string {
	if p.identity == nil {
		return ""
	}
	return p.identity.name
}

// Worker is the name of the worker whose connection this is or, of a client, of
// the worker that it is paired with; "" for a client that is not paired.
func (p *Peer) Worker() string {
	if p.worker == nil || p.client && p.partner == nil {
		return ""
	}
	return p.worker.name
}

// isAsking: it is a client of which others are asked.
func (p *Peer) isAsking() bool { return p.coming != nil && p.asking }

// isHeld: it is a client that waits for its identity.
func (p *Peer) isHeld() bool { return p.coming != nil && p.held }

// inPair says whether p is half of a pair, draining included.
func (p *Peer) inPair() bool { return p.partner != nil }
