package control

import (
	"strconv"
	"time"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// defaultPage is how many rows a page has unless limit= says otherwise.
const defaultPage = 100

func listVerbs() []Verb {
	return []Verb{
		{Name: "VERSION", Level: wire.Operator, Help: "what is running", run: version},
		{Name: "HELP", Args: "[VERB]", Level: wire.Operator, Help: "this table", run: help},
		{Name: "STATUS", Level: wire.Operator, Help: "the whole at a glance", run: status},
		{Name: "POOLS", Level: wire.Operator, Help: "the pools and their endpoints", run: pools},
		{
			Name: "WORKERS", Args: "[worker=NAME] [state=STATE] [pool=NAME] " + paging, Level: wire.Operator,
			Help: "the workers with state, load and weight", Completes: []Completion{{Arg: "state", Offer: OfferWorkerStates}}, run: workers,
		},
		{
			Name: "FINDERS", Args: "[pool=NAME]", Level: wire.Operator,
			Help: "what finds workers by name or by file: how old its last good answer is, and what is wrong", run: finders,
		},
		{
			Name: "PROXIES", Level: wire.Operator,
			Help: "the proxies that share the store: who has said within the last 10 s that it is there", run: proxies,
		},
		{
			Name: "CLIENTS", Args: "[worker=NAME] [client=WHO] [state=STATE] [pool=NAME] " + paging, Level: wire.Operator,
			Help: "the clients; WHO is an identity, an IP:PORT or an address", run: clients,
		},
		{
			Name: "PAIRS", Args: "[worker=NAME] [client=WHO] [state=STATE] [pool=NAME] " + paging, Level: wire.Operator,
			Help: "the pairs", run: pairs,
		},
		{
			Name: "HINTS", Args: "[identity=NAME] [pool=NAME] " + paging, Level: wire.Operator,
			Help: "what is held of identities: preferences, pins, hints for connections to come", run: hints,
		},
		{
			Name: "FAILING", Args: "[limit=N] [pool=NAME]", Level: wire.Operator,
			Help: "the addresses whose clients were not served within the last ten minutes: how often, why, since when; the worst first", run: failing,
		},
		{
			Name: "EXPLAIN", Args: "IDENTITY|IP:PORT [pool=NAME]", Level: wire.Operator,
			Help: "which rule gave it its worker, who was passed over and why, and its handshake; of an IP alone why its clients are not served", run: explain,
		},
		{Name: "EVENTS", Level: wire.Operator, Help: "where to subscribe to events: [topic, json] on a PUB socket", run: events},
	}
}

func version(c *call) (wire.Reply, error) { return wire.NewReply(wire.OK, c.desk.proxy.Version) }

func help(c *call) (wire.Reply, error) {
	if c.arg(0) == "" {
		var all wire.Verbs
		for _, v := range Verbs() {
			all.Verbs = append(all.Verbs, v.Described())
		}
		return wire.NewReply(wire.OK, all)
	}
	v := c.desk.verbs[c.arg(0)]
	if v == nil {
		return wire.Reply{}, wire.Errorf(wire.NotFound, "no verb %q", c.arg(0))
	}
	return wire.NewReply(wire.OK, v.Described())
}

// StatusOf is what STATUS tells of a pool.
func StatusOf(s *stream.Snapshot) wire.PoolStatus {
	t := &s.Stats
	p := wire.PoolStatus{
		Pool: s.Pool, Waiting: t.Waiting, Pairs: t.Handshaking + t.Open + t.Draining, Slots: t.Slots, Workers: len(s.Workers),
		Identities: t.Identities, Hints: t.Hints, HintsExpired: t.HintsExpired, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Connections: s.Connections, Usable: s.Usable,
		Ready: s.Readiness().Ready(), Draining: s.Draining, Paused: s.Paused, LameDuck: s.LameDuck, Refusing: s.Refusing,
		RebalanceLeft: t.RebalanceLeft, Doors: s.Doors, DoorClients: s.DoorClients,
	}
	for _, n := range t.Clients {
		p.Clients += n
	}
	return p
}

func status(c *call) (wire.Reply, error) {
	all := wire.Status{Uptime: wire.InSeconds(time.Since(c.server.started)), EventsLost: c.server.feed.Lost()}
	if c.desk.proxy.Shared != nil {
		all.Shared = c.desk.proxy.Shared()
	}
	for _, p := range c.desk.proxy.Pools {
		s, err := p.Snapshot(c.ctx)
		if err != nil {
			return wire.Reply{}, err
		}
		one := StatusOf(&s)
		all.Clients += one.Clients
		all.Waiting += one.Waiting
		all.Pairs += one.Pairs
		all.Slots += one.Slots
		all.Workers += one.Workers
		all.Pools = append(all.Pools, one)
	}
	return wire.NewReply(wire.OK, all)
}

func pools(c *call) (wire.Reply, error) {
	var all wire.Pools
	for _, p := range c.desk.proxy.Pools {
		frontend, backend := p.Bound()
		all.Pools = append(all.Pools, wire.PoolInfo{
			Pool: p.Name(), Frontend: array(frontend), Backend: array(backend),
			Paused: p.Paused(), LameDuck: p.LameDuck(), Doors: p.OpenDoors(), Group: p.Group(),
		})
	}
	return wire.NewReply(wire.OK, all)
}

// array is [] in JSON, not null, when it is empty.
func array(of []string) []string { return append([]string{}, of...) }

// limit is how many a page may have.
func (c *call) limit() (int, error) { return c.number("limit", defaultPage, 1, wire.MaxPage) }

func workers(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	limit, err := c.limit()
	if err != nil {
		return wire.Reply{}, err
	}
	if _, err := c.state(pairing.StateNames()); err != nil {
		return wire.Reply{}, err
	}
	s, err := pool.Snapshot(c.ctx)
	if err != nil {
		return wire.Reply{}, err
	}
	var fit []pairing.WorkerInfo
	next := ""
	for _, w := range s.Workers { // in the order of their names
		if w.Name <= c.options["after"] && c.options["after"] != "" ||
			!matches(c.options, "worker", w.Name) || !matches(c.options, "state", w.State.String()) {
			continue
		}
		if len(fit) == limit {
			next = fit[limit-1].Name
			break
		}
		fit = append(fit, w)
	}
	body := pageOf(c, fit, WorkerOf, next)
	if s.Paused { // seldom, and then nothing else matters
		body["paused"] = true
	}
	return wire.NewReply(wire.OK, body)
}

func finders(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	all := wire.Finders{Finders: []wire.FinderInfo{}} // [] in JSON, not null
	if c.desk.proxy.Finders != nil {
		all.Finders = append(all.Finders, c.desk.proxy.Finders(pool.Name())...)
	}
	return wire.NewReply(wire.OK, all)
}

func proxies(c *call) (wire.Reply, error) {
	if c.desk.proxy.Proxies == nil {
		return wire.Reply{}, ErrAlone
	}
	all, err := c.desk.proxy.Proxies(c.ctx)
	if err != nil {
		return wire.Reply{}, err
	}
	return wire.NewReply(wire.OK, wire.Proxies{Proxies: append([]wire.ProxyInfo{}, all...)}) // [] in JSON, not null
}

// ErrAlone is of what only proxies that remember together can do.
var ErrAlone = wire.Errorf(wire.Conflict, "this proxy shares nothing with others: shared (--shared URL) is not set")

// page replies with a page.
func page[Item, Row any](c *call, items []Item, row func(Item) Row, next string) (wire.Reply, error) {
	return wire.NewReply(wire.OK, pageOf(c, items, row, next))
}

// pageOf is one page of a list, each item as row writes it. next is what after= has
// to be for the one that follows, "" when there is none.
func pageOf[Item, Row any](c *call, items []Item, row func(Item) Row, next string) map[string]any {
	rows := make([]Row, 0, len(items)) // [] in JSON, not null
	for _, item := range items {
		rows = append(rows, row(item))
	}
	body := map[string]any{wire.RowsOf(c.verb.Name): rows}
	if next != "" {
		body["next"] = next
	}
	return body
}

func matches(options map[string]string, key, is string) bool {
	want, said := options[key]
	return !said || want == is
}

// state is the option that selects one of these, "" when it was left out.
func (c *call) state(known []string) (string, error) {
	s, said := c.options["state"]
	if !said {
		return "", nil
	}
	return s, word("state", s, known...)
}

// selection reads the filters of CLIENTS and PAIRS.
func (c *call) selection() (s pairing.Selection, err error) {
	s.Worker, s.Who = c.options["worker"], c.options["client"]
	if s.State, err = c.state(pairing.PeerStateNames()); err != nil {
		return s, err
	}
	if e, err := farEnd(s.Who); err == nil {
		s.Who = e
	}
	if s.Max, err = c.limit(); err != nil {
		return s, err
	}
	if after, said := c.options["after"]; said {
		n, err := strconv.ParseUint(after, 10, 64)
		if err != nil {
			return s, wire.Errorf(wire.Malformed, "after: %q is not what next was", after)
		}
		s.After = pairing.PeerID(n)
	}
	return s, nil
}

// peers are a page of connections. A page of which the table has seen only a
// part because nobody matched is asked for again, within bounds.
func (c *call) peers(s pairing.Selection) (peers []pairing.PeerInfo, next string, err error) {
	pool, err := c.pool()
	if err != nil {
		return nil, "", err
	}
	for range 64 {
		page, err := pool.Page(c.ctx, s)
		if err != nil {
			return nil, "", err
		}
		peers = append(peers, page.Peers...)
		if !page.More {
			return peers, "", nil
		}
		s.After, s.Max = page.Last, s.Max-len(page.Peers)
		next = strconv.FormatUint(uint64(page.Last), 10)
		if s.Max == 0 {
			break
		}
	}
	return peers, next, nil
}

// listPeers answers with a page of connections, each as row writes it.
func listPeers[Row any](c *call, paired bool, row func(pairing.PeerInfo) Row) (wire.Reply, error) {
	s, err := c.selection()
	if err != nil {
		return wire.Reply{}, err
	}
	s.Paired = paired
	peers, next, err := c.peers(s)
	if err != nil {
		return wire.Reply{}, err
	}
	return page(c, peers, row, next)
}

func clients(c *call) (wire.Reply, error) { return listPeers(c, false, ClientOf) }

func pairs(c *call) (wire.Reply, error) { return listPeers(c, true, PairOf) }

func hints(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	limit, err := c.limit()
	if err != nil {
		return wire.Reply{}, err
	}
	skip, err := c.number("after", 0, 0, 1<<30)
	if err != nil {
		return wire.Reply{}, err
	}
	found, err := pool.Hints(c.ctx, c.options["identity"], skip, limit)
	if err != nil {
		return wire.Reply{}, err
	}
	next := ""
	if found.More {
		next = strconv.Itoa(skip + len(found.Hints))
	}
	return page(c, found.Hints, hintInfo, next)
}

// worstShown is how many addresses FAILING lists unless limit= says otherwise.
const worstShown = 10

func failing(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	most, err := c.number("limit", worstShown, 1, wire.MaxPage)
	if err != nil {
		return wire.Reply{}, err
	}
	list, err := pool.Failing(c.ctx, most)
	if err != nil {
		return wire.Reply{}, err
	}
	all := wire.Failing{Addresses: list.All, Failing: []wire.FailingInfo{}} // [] in JSON, not null
	for _, f := range list.Worst {
		all.Failing = append(all.Failing, FailingOf(f))
	}
	return wire.NewReply(wire.OK, all)
}

func explain(c *call) (wire.Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return wire.Reply{}, err
	}
	who := c.arg(0)
	if e, err := farEnd(who); err == nil {
		who = e
	}
	e, err := pool.Explain(c.ctx, who)
	if err != nil {
		return wire.Reply{}, err
	}
	if e == nil {
		return wire.Reply{}, wire.Errorf(wire.NotFound, "%q is no identity that is known, no far end of a connection, and no address whose clients were not served", who)
	}
	return wire.NewReply(wire.OK, ExplanationOf(e))
}

// ExplanationOf is the reply to EXPLAIN.
func ExplanationOf(e *stream.Explanation) wire.Explanation {
	x := wire.Explanation{
		Identity: e.Identity, Rule: e.Rule.String(), Passed: []wire.Passed{}, Prefer: array(e.Prefer),
		Pinned: e.Pinned, Everywhere: wordsOf(e.Everywhere), Last: e.Last, Policy: e.Policy.String(), Clients: []wire.ClientInfo{}, Candidates: []wire.Candidate{},
	}
	x.Balancer, x.BytesIn, x.BytesOut = balancer(e.Balancer), e.BytesIn, e.BytesOut
	if x.Handshake = handshake(e.Handshake); x.Handshake != nil {
		x.Steps, x.Handshake.Steps = x.Handshake.Steps, nil // which a table shows better
	}
	if e.Failing != nil {
		x.Failing = []wire.FailingInfo{FailingOf(*e.Failing)}
	}
	for _, p := range e.Peers {
		x.Worker = p.Worker // of the newest
		x.Clients = append(x.Clients, ClientOf(p))
	}
	for _, p := range e.Passed {
		x.Passed = append(x.Passed, wire.Passed{Worker: p.Worker, Why: p.Unfit.String()})
	}
	for _, p := range e.Candidates {
		x.Candidates = append(x.Candidates, wire.Candidate{Worker: p.Worker, Why: p.Unfit.String(), Load: p.Load, Weight: p.Weight, Everywhere: wordsOf(p.Everywhere)})
	}
	return x
}

func events(c *call) (wire.Reply, error) {
	at := c.server.eventsAt[c.caller.domain]
	if at == "" {
		return wire.Reply{}, wire.Errorf(wire.NotFound, "there are no events on this endpoint: they need one of operators")
	}
	return wire.NewReply(wire.OK, wire.Subscription{Endpoint: at, Topics: stream.Topics()})
}
