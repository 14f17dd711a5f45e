package stream

import (
	"github.com/streamq/streamq-proxy/pairing"
)

// keepTodo is the capacity that an empty list of actions may keep.
const keepTodo = 4096

// act carries out what the table has decided. Carrying out one action may bring
// the table to decide on more; they queue behind.
func (l *loop) act(actions []pairing.Action) {
	l.todo = append(l.todo, actions...)
	if l.acting || l.closed {
		return
	}
	l.acting = true
	for i := 0; i < len(l.todo); i++ {
		l.perform(l.todo[i])
	}
	clear(l.todo)
	l.todo = l.todo[:0]
	if cap(l.todo) > keepTodo {
		l.todo = nil // ending everyone at once took much
	}
	l.acting = false
	l.tellChanges()
}

func (l *loop) perform(a pairing.Action) {
	switch a.Op {
	case pairing.Join:
		l.tellOf(TopicPairMade, a.Conn.(*conn))
		l.join(a.Conn.(*conn), a.PartnerConn.(*conn))
	case pairing.Dial:
		l.dial(a)
	case pairing.Probe:
		l.probe(a)
	case pairing.Close:
		l.finishGently(a.Conn.(*conn))
	case pairing.Abort:
		l.abort(a.Conn.(*conn))
	case pairing.Ended:
		l.cancelDial(a.Record.Client)
		l.report(a.Record)
	}
}

// join makes a pair: its connections are adopted, and what each has sent before
// goes to the other, the worker's greeting first.
func (l *loop) join(client, worker *conn) {
	f := &flow{client: client, worker: worker}
	client.flow, worker.flow = f, f
	l.adopt(client)
	l.adopt(worker)
	l.begin(f)
}

// begin forwards what came before, once both connections are settled.
func (l *loop) begin(f *flow) {
	client, worker := f.client, f.worker
	if f.begun || client.phase != live || worker.phase != live {
		return
	}
	f.begun = true
	for _, way := range [...]struct{ from, to *conn }{{worker, client}, {client, worker}} {
		if l.table.Peer(client.id) == nil {
			return // the first was enough to end the pair
		}
		if early := way.from.early; len(early) > 0 {
			way.from.early = nil
			l.forward(way.from, way.to, early)
		}
	}
}

// report tells of a client that has ended.
func (l *loop) report(r *pairing.Record) {
	l.tellEnded(r)
	if l.cfg.Access == nil {
		return
	}
	a := &Access{Pool: l.cfg.Name, Record: *r}
	if c, ok := r.ClientConn.(*conn); ok && c.flow != nil {
		a.Mechanism = c.flow.handshake.Mechanism()
		a.BytesIn, a.BytesOut = c.flow.passed[0], c.flow.passed[1]
	}
	l.cfg.Access(a)
}
