package control

import (
	"strconv"
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

// poolStatus is what STATUS tells of a pool.
type poolStatus struct {
	Pool        string `json:"pool"`
	Clients     int    `json:"clients"`
	Waiting     int    `json:"waiting"`
	Pairs       int    `json:"pairs"`
	Slots       int    `json:"slots"`
	Workers     int    `json:"workers"`
	Identities  int    `json:"identities"`
	Hints       int    `json:"hints"`
	BytesIn     uint64 `json:"bytes_in"`
	BytesOut    uint64 `json:"bytes_out"`
	Connections int    `json:"connections"`
	Usable      bool   `json:"usable"`
	Draining    bool   `json:"draining"`
}

func statusOf(s *stream.Snapshot) poolStatus {
	t := &s.Stats
	p := poolStatus{
		Pool: s.Pool, Waiting: t.Waiting, Pairs: t.Handshaking + t.Open + t.Draining, Slots: t.Slots, Workers: len(s.Workers),
		Identities: t.Identities, Hints: t.Hints, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Connections: s.Connections, Usable: s.Usable, Draining: s.Draining,
	}
	for _, n := range t.Clients {
		p.Clients += n
	}
	return p
}

func status(c *call) (Reply, error) {
	all := struct {
		Uptime  float64      `json:"uptime"`
		Clients int          `json:"clients"`
		Waiting int          `json:"waiting"`
		Pairs   int          `json:"pairs"`
		Slots   int          `json:"slots"`
		Workers int          `json:"workers"`
		Lost    uint64       `json:"events_lost"`
		Pools   []poolStatus `json:"pools"`
	}{Uptime: seconds(time.Since(c.server.started)), Lost: c.server.feed.Lost()}
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
	type pool struct {
		Pool     string   `json:"pool"`
		Frontend []string `json:"frontend"`
		Backend  []string `json:"backend"`
	}
	var all []pool
	for _, p := range c.server.proxy.Pools {
		frontend, backend := p.Bound()
		all = append(all, pool{p.Name(), frontend, backend})
	}
	return reply(OK, map[string]any{"pools": all})
}

// limit is how many a page may have.
func (c *call) limit() (int, error) { return c.number("limit", defaultPage, 1, maxPage) }

// workerRow is a worker in a list.
type workerRow struct {
	Worker   string `json:"worker"`
	State    string `json:"state"`
	Pairs    int    `json:"pairs"`
	Max      int    `json:"max"`
	Weight   int    `json:"weight"`
	Slots    int    `json:"slots"`
	Dialling int    `json:"dialling"`
	Served   uint64 `json:"served"`
	Failures uint64 `json:"failures"`
	Endpoint string `json:"endpoint"`
	Removed  bool   `json:"removed,omitempty"`
}

func workers(c *call) (Reply, error) {
	pool, err := c.pool()
	if err != nil {
		return Reply{}, err
	}
	limit, err := c.limit()
	if err != nil {
		return Reply{}, err
	}
	if _, err := word("state", c.options["state"], "", "ready", "draining", "maintenance", "set-aside"); err != nil {
		return Reply{}, err
	}
	s, err := pool.Snapshot(c.ctx)
	if err != nil {
		return Reply{}, err
	}
	page := struct {
		Workers []workerRow `json:"workers"`
		Next    string      `json:"next,omitempty"`
	}{Workers: []workerRow{}}
	for _, w := range s.Workers { // in the order of their names
		if w.Name <= c.options["after"] && c.options["after"] != "" ||
			!matches(c.options, "worker", w.Name) || !matches(c.options, "state", w.State.String()) {
			continue
		}
		if len(page.Workers) == limit {
			page.Next = page.Workers[limit-1].Worker
			break
		}
		page.Workers = append(page.Workers, workerRow{
			Worker: w.Name, State: w.State.String(), Pairs: w.Pairs, Max: w.MaxPairs, Weight: w.Weight, Slots: w.Slots,
			Dialling: w.Dialling, Served: w.Served, Failures: w.Failures, Endpoint: w.Endpoint, Removed: w.Removed,
		})
	}
	return reply(OK, page)
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
	return "", refuse(Malformed, "%s: %q is none of %q", what, s, known)
}

// selection reads the filters of CLIENTS and PAIRS.
func (c *call) selection() (s pairing.Selection, err error) {
	s.Worker, s.Who, s.State = c.options["worker"], c.options["client"], c.options["state"]
	known := []string{""}
	for i := range pairing.NumPeerStates {
		known = append(known, pairing.PeerState(i).String())
	}
	if _, err = word("state", s.State, known...); err != nil {
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

// clientRow is a client in a list.
type clientRow struct {
	ID       pairing.PeerID `json:"id"`
	Client   string         `json:"client"`
	Identity string         `json:"identity"`
	State    string         `json:"state"`
	Worker   string         `json:"worker"`
	Age      float64        `json:"age"`
}

// pairRow is a pair in a list.
type pairRow struct {
	ID       pairing.PeerID `json:"id"`
	Client   string         `json:"client"`
	Identity string         `json:"identity"`
	State    string         `json:"state"`
	Worker   string         `json:"worker"`
	Endpoint string         `json:"endpoint"`
	Rule     string         `json:"rule"`
	Age      float64        `json:"age"`
}

// list asks for a page of connections. A page of which the table has seen only
// a part because nobody matched is asked for again, within bounds.
func (c *call) list(s pairing.Selection) (peers []pairing.PeerInfo, next string, err error) {
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

func whence(o pairing.Origin) string {
	if o.Endpoint != "" {
		return o.Endpoint
	}
	return o.Address
}

func clients(c *call) (Reply, error) {
	s, err := c.selection()
	if err != nil {
		return Reply{}, err
	}
	page := struct {
		Clients []clientRow `json:"clients"`
		Next    string      `json:"next,omitempty"`
	}{Clients: []clientRow{}}
	peers, next, err := c.list(s)
	if err != nil {
		return Reply{}, err
	}
	page.Next = next
	for _, p := range peers {
		page.Clients = append(page.Clients, clientRow{p.ID, whence(p.Origin), p.Identity, p.State.String(), p.Worker, seconds(p.Age)})
	}
	return reply(OK, page)
}

func pairs(c *call) (Reply, error) {
	s, err := c.selection()
	if err != nil {
		return Reply{}, err
	}
	s.Paired = true
	page := struct {
		Pairs []pairRow `json:"pairs"`
		Next  string    `json:"next,omitempty"`
	}{Pairs: []pairRow{}}
	peers, next, err := c.list(s)
	if err != nil {
		return Reply{}, err
	}
	page.Next = next
	for _, p := range peers {
		page.Pairs = append(page.Pairs, pairRow{
			p.ID, whence(p.Origin), p.Identity, p.State.String(), p.Worker, whence(p.Other), p.Rule.String(), seconds(p.Paired),
		})
	}
	return reply(OK, page)
}

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
	type row struct {
		Identity string   `json:"identity"`
		Endpoint string   `json:"endpoint"`
		Address  string   `json:"address"`
		Prefer   []string `json:"prefer"`
		Pinned   bool     `json:"pinned"`
		Left     float64  `json:"left"`
	}
	page := struct {
		Hints []row  `json:"hints"`
		Next  string `json:"next,omitempty"`
	}{Hints: []row{}}
	for _, h := range found.Hints {
		page.Hints = append(page.Hints, row{h.Identity, h.Endpoint, h.Address, h.Prefer, h.Pinned, seconds(h.Left)})
	}
	if found.More {
		page.Next = strconv.Itoa(skip + len(page.Hints))
	}
	return reply(OK, page)
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

// candidate is a worker in an explanation.
type candidate struct {
	Worker string `json:"worker"`
	Why    string `json:"why"`
	Load   int    `json:"load"`
	Weight int    `json:"weight"`
}

// explanation is what EXPLAIN tells.
type explanation struct {
	Identity   string      `json:"identity,omitempty"`
	Worker     string      `json:"worker"`
	Rule       string      `json:"rule"`
	Passed     []passed    `json:"passed"`
	Prefer     []string    `json:"prefer"`
	Pinned     bool        `json:"pinned"`
	Last       string      `json:"last"`
	Policy     string      `json:"policy"`
	Clients    []clientRow `json:"clients"`
	Candidates []candidate `json:"candidates"`
}

// passed is a worker that was passed over.
type passed struct {
	Worker string `json:"worker"`
	Why    string `json:"why"`
}

func explained(e *pairing.Explanation) explanation {
	x := explanation{
		Identity: e.Identity, Rule: e.Rule.String(), Passed: []passed{}, Prefer: e.Prefer,
		Pinned: e.Pinned, Last: e.Last, Policy: e.Policy.String(), Clients: []clientRow{}, Candidates: []candidate{},
	}
	for _, p := range e.Peers {
		x.Worker = p.Worker // of the newest
		x.Clients = append(x.Clients, clientRow{p.ID, whence(p.Origin), p.Identity, p.State.String(), p.Worker, seconds(p.Age)})
	}
	for _, p := range e.Passed {
		x.Passed = append(x.Passed, passed{p.Worker, p.Unfit.String()})
	}
	for _, p := range e.Candidates {
		x.Candidates = append(x.Candidates, candidate{p.Worker, p.Unfit.String(), p.Load, p.Weight})
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
