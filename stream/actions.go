package stream

import (
	"github.com/streamq/streamq-proxy/pairing"
)

// keepTodo is the capacity that an empty list of actions may keep.
const keepTodo = 4096

// act notes what the table has decided. It is carried out by settle, which the
// loop calls behind each event, when nobody is in the middle of anything: a
// connection does not change under the hands of the function that called act.
func (l *loop) act(actions []pairing.Action) { l.todo = append(l.todo, actions...) }

// settle carries out what was noted. Carrying out one action may bring the table
// to decide on more; they queue behind. What has become of workers is told even when
// there is nothing to carry out: to add one may take no action.
func (l *loop) settle() {
	if len(l.todo) > 0 {
		l.carryOut()
	}
	l.tellChanges()
}

func (l *loop) carryOut() {
	for i := 0; i < len(l.todo); i++ {
		l.perform(l.todo[i])
	}
	clear(l.todo)
	l.todo = l.todo[:0]
	if cap(l.todo) > keepTodo {
		l.todo = nil // ending everyone at once took much
	}
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
	case pairing.Recall:
		l.askOthers(a.Peer, a.Who)
	case pairing.Remember:
		l.tellOthers(a.Who, a.Worker)
	case pairing.Identify:
		l.identify(a.Peer, a.Who, a.Again)
	case pairing.Say:
		l.say(a.Saying)
	case pairing.Close:
		l.finishGently(a.Conn.(*conn))
	case pairing.Abort:
		l.abort(a.Conn.(*conn), a.Reason)
	case pairing.Ended:
		l.cancelDial(a.Record.Client)
		l.report(a.Record)
	}
}

// join makes a pair: what each side has sent before goes to the other, the
// worker's greeting first.
func (l *loop) join(client, worker *conn) {
	f := &flow{pool: l.pool, client: client, worker: worker, shaking: &shaking{begun: l.clock, late: l.clock}}
	client.flow, worker.flow = f, f
	unwatched := l.cfg.ExpectAny
	if !unwatched {
		l.protect(f)
	}
	for _, from := range [...]*conn{worker, client} {
		if s, ok := from.link.(*streamLink); ok {
			s.paired()
		}
		said := from.said()
		from.early = nil
		switch {
		case len(said) == 0:
		case unwatched:
			l.pass(from, f.partner(from), said)
		case !l.forward(from, said):
			return // the first was enough to end the pair
		}
	}
	if unwatched {
		l.opened(f)
		l.through(f)
	}
	for _, c := range f.sides() {
		c.paused = !f.partner(c).out.empty()
		l.updateInterest(c)
	}
	for _, c := range f.sides() {
		l.passEndOn(c)
	}
}

// report tells of a client that has ended.
func (l *loop) report(r *pairing.Record) {
	l.countUnopened(r)
	l.tellEnded(r)
	l.someFailed = l.someFailed || !r.Opened
	quiet := refuses(r.Reason) && l.refused(r.Reason)
	if l.cfg.Access == nil {
		return
	}
	c := r.ClientConn.(*conn)
	a := &Access{Pool: l.cfg.Name, Record: *r, Summed: quiet, Hint: l.hint(c, r.Reason)}
	if c.via != nil {
		a.Balancer = &c.via.Balancer
	}
	if m := c.misfit(); m != nil {
		a.Mechanism = m.mechanism
	}
	if f := c.flow; f != nil {
		s := f.speaks()
		a.Mechanism, a.Version = s.mechanism, s.version
		a.BytesIn, a.BytesOut = f.passed[0], f.passed[1]
		if !f.open {
			a.Unopened = f.told()
		}
		if o := f.worker.own(); o != nil {
			a.Shown = o.shown.seen()
		}
	}
	l.cfg.Access(a)
}
