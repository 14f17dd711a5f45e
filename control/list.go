package control

import (
	"strconv"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// Bounds of a page.
const (
	defaultPage = 100
	maxPage     = 1000
)

func listVerbs() []Verb {
	return []Verb{
		{"VERSION", "", Operator, "what is running", version},
		{"HELP", "[VERB]", Operator, "this table", help},
		{"STATUS", "", Operator, "the whole at a glance", status},
		{"POOLS", "", Operator, "the pools and their endpoints", pools},
		{"WORKERS", "[worker=NAME] [state=STATE] [pool=NAME] " + paging, Operator, "the workers with state, load and weight", workers},
		{"CLIENTS", "[worker=NAME] [client=WHO] [state=STATE] [pool=NAME] " + paging, Operator, "the clients; WHO is an identity, an IP:PORT or an address", clients},
		{"PAIRS", "[worker=NAME] [client=WHO] [state=STATE] [pool=NAME] " + paging, Operator, "the pairs", pairs},
		{"HINTS", "[identity=NAME] [pool=NAME] " + paging, Operator, "what is held of identities: preferences, pins, hints for connections to come", hints},
		{"EXPLAIN", "IDENTITY|IP:PORT [pool=NAME]", Operator, "which rule gave it its worker, who was passed over and why", explain},
		{"EVENTS", "", Operator, "where to subscribe to events: [topic, json] on a PUB socket", events},
	}
}

func version(c *call) (Reply, error) { return reply(OK, c.server.proxy.Version) }

func help(c *call) (Reply, error) {
	if c.arg(0) == "" {
		return reply(OK, map[string]any{"verbs": Verbs()})
	}
	v := c.server.verbs[c.arg(0)]
	if v == nil {
		return Reply{}, refuse(NotFound, "no verb %q", c.arg(0))
	}
	return reply(OK, v)
}

func statusOf(s *stream.Snapshot) PoolStatus {
	t := &s.Stats
	p := PoolStatus{
		Pool: s.Pool, Waiting: t.Waiting, Pairs: t.Handshaking + t.Open + t.Draining, Slots: t.Slots, Workers: len(s.Workers),
		Identities: t.Identities, Hints: t.Hints, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Connections: s.Connections, Usable: s.Usable, Draining: s.Draining, Paused: s.Paused,
	}
	for _, n := range t.Clients {
		p.Clients += n
	}
	return p
}

func status(c *call) (Reply, error) {
	all := Status{Uptime: seconds(time.Since(c.server.started)), EventsLost: c.server.feed.Lost()}
	for _, p := range c.server.proxy.Pools {
		s, err := p.Snapshot(c.ctx)
		if err != nil {
			return Reply{}, err
		}
		one := statusOf(&s)
		all.Clients += one.Clients
		all.Waiting += one.Waiting
		all.Pairs += one.Pairs
		all.Slots += one.Slots
		all.Workers += one.Workers
		all.Pools = append(all.Pools, one)
	}
	return reply(OK, all)
}

func pools(c *call) (Reply, error) {
	var all []PoolInfo
	for _, p := range c.server.proxy.Pools {
		frontend, backend := p.Bound()
		all = append(all, PoolInfo{p.Name(), array(frontend), array(backend), p.Paused()})
	}
	return reply(OK, map[string]any{"pools": all})
}

// array is [] in JSON, not null, when it is empty.
func array(of []string) []string { return append([]string{}, of...) }

// limit is how many a page may have.
func (c *call) limit() (int, error) { return c.number("limit", defaultPage, 1, maxPage) }

func workers(c *call) (Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return Reply{}, err
	}
	limit, err := c.limit()
	if err != nil {
		return Reply{}, err
	}
	if _, err := c.state(pairing.StateNames()); err != nil {
		return Reply{}, err
	}
	s, err := pool.Snapshot(c.ctx)
	if err != nil {
		return Reply{}, err
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
	body := pageOf("workers", fit, workerInfo, next)
	if s.Paused { // seldom, and then nothing else matters
		body["paused"] = true
	}
	return reply(OK, body)
}

// page replies with a page.
func page[Item, Row any](list string, items []Item, row func(Item) Row, next string) (Reply, error) {
	return reply(OK, pageOf(list, items, row, next))
}

// pageOf is one page of a list, each item as row writes it. next is what after= has
// to be for the one that follows, "" when there is none.
func pageOf[Item, Row any](list string, items []Item, row func(Item) Row, next string) map[string]any {
	rows := make([]Row, 0, len(items)) // [] in JSON, not null
	for _, item := range items {
		rows = append(rows, row(item))
	}
	body := map[string]any{list: rows}
	if next != "" {
		body["next"] = next
	}
	return body
}

func matches(options map[string]string, key, is string) bool {
	want, said := options[key]
	return !said || want == is
}

// word is one of those that are known.
func word(what, s string, known ...string) (string, error) {
	for _, k := range known {
		if s == k {
			return s, nil
		}
	}
	return "", refuse(Malformed, "%s: %q is none of %s", what, s, strings.Join(known, ", "))
}

// state is the option that selects one of these, "" when it was left out.
func (c *call) state(known []string) (string, error) {
	s, said := c.options["state"]
	if !said {
		return "", nil
	}
	return word("state", s, known...)
}

// selection reads the filters of CLIENTS and PAIRS.
func (c *call) selection() (s pairing.Selection, err error) {
	s.Worker, s.Who = c.options["worker"], c.options["client"]
	if s.State, err = c.state(pairing.PeerStateNames()); err != nil {
		return s, err
	}
	if e, err := endpoint(s.Who); err == nil {
		s.Who = e
	}
	if s.Max, err = c.limit(); err != nil {
		return s, err
	}
	if after, said := c.options["after"]; said {
		n, err := strconv.ParseUint(after, 10, 64)
		if err != nil {
			return s, refuse(Malformed, "after: %q is not what next was", after)
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
func listPeers[Row any](c *call, list string, paired bool, row func(pairing.PeerInfo) Row) (Reply, error) {
	s, err := c.selection()
	if err != nil {
		return Reply{}, err
	}
	s.Paired = paired
	peers, next, err := c.peers(s)
	if err != nil {
		return Reply{}, err
	}
	return page(list, peers, row, next)
}

func clients(c *call) (Reply, error) { return listPeers(c, "clients", false, clientInfo) }

func pairs(c *call) (Reply, error) { return listPeers(c, "pairs", true, pairInfo) }

func hints(c *call) (Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return Reply{}, err
	}
	limit, err := c.limit()
	if err != nil {
		return Reply{}, err
	}
	skip, err := c.number("after", 0, 0, 1<<30)
	if err != nil {
		return Reply{}, err
	}
	found, err := pool.Hints(c.ctx, c.options["identity"], skip, limit)
	if err != nil {
		return Reply{}, err
	}
	next := ""
	if found.More {
		next = strconv.Itoa(skip + len(found.Hints))
	}
	return page("hints", found.Hints, hintInfo, next)
}

func explain(c *call) (Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return Reply{}, err
	}
	who := c.arg(0)
	if e, err := endpoint(who); err == nil {
		who = e
	}
	e, err := pool.Explain(c.ctx, who)
	if err != nil {
		return Reply{}, err
	}
	if e == nil {
		return Reply{}, refuse(NotFound, "%q is no identity that is known and no far end of a connection", who)
	}
	return reply(OK, explained(e))
}

func explained(e *pairing.Explanation) Explanation {
	x := Explanation{
		Identity: e.Identity, Rule: e.Rule.String(), Passed: []Passed{}, Prefer: array(e.Prefer),
		Pinned: e.Pinned, Last: e.Last, Policy: e.Policy.String(), Clients: []ClientInfo{}, Candidates: []Candidate{},
	}
	for _, p := range e.Peers {
		x.Worker = p.Worker // of the newest
		x.Clients = append(x.Clients, clientInfo(p))
	}
	for _, p := range e.Passed {
		x.Passed = append(x.Passed, Passed{p.Worker, p.Unfit.String()})
	}
	for _, p := range e.Candidates {
		x.Candidates = append(x.Candidates, Candidate{p.Worker, p.Unfit.String(), p.Load, p.Weight})
	}
	return x
}

func events(c *call) (Reply, error) {
	at := c.server.eventsAt[c.caller.domain]
	if at == "" {
		return Reply{}, refuse(NotFound, "there are no events on this endpoint: they need one of operators")
	}
	return reply(OK, struct {
		Endpoint string   `json:"endpoint"`
		Topics   []string `json:"topics"`
	}{at, stream.Topics()})
}
