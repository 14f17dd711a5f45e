package console

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/streamq/streamq-proxy/control/api"
	"github.com/streamq/streamq-proxy/control/wire"
)

// What each page shows.

// overviewPage is the first page.
type overviewPage struct {
	Status api.Status
	Pools  []api.PoolRow
	Flow   flow
	Charts []chart
	Pool   string
	Admin  bool // shows how to steer
}

func overview(ctx context.Context, c *Console, q asked) (any, error) {
	status, err := c.told.Status(ctx)
	if err != nil {
		return nil, err
	}
	pools, err := c.told.Pools(ctx)
	if err != nil {
		return nil, err
	}
	workers, err := c.told.Workers(ctx, api.Filter{}, 0, api.MaxPage)
	if err != nil {
		return nil, err
	}
	history, err := c.told.History(q.Get("pool"))
	if err != nil {
		return nil, err
	}
	return overviewPage{status, pools.Pools, newFlow(pools.Pools, workers.Workers, status.Clients), charts(history.Points), q.Get("pool"), q.admin}, nil
}

// list is what pages of lists have in common.
type list struct {
	Path   string
	Filter api.Filter
	api.Page
	Shown       int
	Prev, Next  string // links, "" for none
	First, Last int    // rows, from 1
	query       url.Values
}

func newList(path string, f api.Filter, p api.Page, shown, limit int, q url.Values) list {
	l := list{Path: path, Filter: f, Page: p, Shown: shown, First: min(p.After+1, p.Total), Last: p.After + shown, query: q}
	if p.After > 0 {
		l.Prev = l.link("after", strconv.Itoa(max(p.After-limit, 0)))
	}
	if p.Next != nil {
		l.Next = l.link("after", strconv.Itoa(*p.Next))
	}
	return l
}

// link is this page with another value of a parameter.
func (l list) link(key, value string) string {
	q := url.Values{}
	for k, v := range l.query {
		if len(v) > 0 && v[0] != "" {
			q.Set(k, v[0])
		}
	}
	q.Set(key, value)
	return l.Path + "?" + q.Encode()
}

// column is a head of a table that can be sorted by.
type column struct {
	Name, Link, Sorted string // Sorted as aria-sort has it
}

// Column is the head of a column: a click sorts by it, a second one the other way round.
func (l list) Column(name, key string) column {
	c := column{Name: name, Sorted: "none"}
	if l.Filter.Sort == key {
		c.Sorted = "ascending"
		if l.Filter.Descending {
			c.Sorted = "descending"
		}
	}
	if c.Sorted == "ascending" {
		key = "-" + key
	}
	l.query = without(l.query, "after")
	c.Link = l.link("sort", key)
	return c
}

// without is a copy that lacks a key.
func without(q url.Values, key string) url.Values {
	all := url.Values{}
	for k, v := range q {
		if k != key {
			all[k] = v
		}
	}
	return all
}

// selection reads what a list's form and links say; what was left empty says nothing.
func selection(q url.Values) (api.Filter, int, int, error) {
	said := url.Values{}
	for k, v := range q {
		if len(v) > 0 && v[0] != "" {
			said[k] = v
		}
	}
	f, after, limit, err := api.ReadFilter(said)
	return f, after, min(limit, api.DefaultPage), err
}

type workersPage struct {
	List    list
	Workers []workerRow
	Admin   bool // shows how to steer
}

type workerRow struct {
	api.WorkerRow
	Together bool // with workers of its name at other proxies it can be steered
}

func workers(ctx context.Context, c *Console, q asked) (any, error) {
	f, after, limit, err := selection(q.Values)
	if err != nil {
		return nil, err
	}
	all, err := c.told.Workers(ctx, f, after, limit)
	rows, together := make([]workerRow, len(all.Workers)), c.told.Together()
	for i := range rows {
		rows[i] = workerRow{all.Workers[i], together}
	}
	return workersPage{newList("workers", f, all.Page, len(rows), limit, q.Values), rows, q.admin}, err
}

type clientsPage struct {
	List    list
	Clients api.Clients
}

func clients(ctx context.Context, c *Console, q asked) (any, error) {
	f, after, limit, err := selection(q.Values)
	if err != nil {
		return nil, err
	}
	all, err := c.told.Clients(ctx, f, after, limit)
	return clientsPage{newList("clients", f, all.Page, len(all.Clients), limit, q.Values), all}, err
}

type pairsPage struct {
	List  list
	Pairs api.Pairs
}

func pairs(ctx context.Context, c *Console, q asked) (any, error) {
	f, after, limit, err := selection(q.Values)
	if err != nil {
		return nil, err
	}
	all, err := c.told.Pairs(ctx, f, after, limit)
	return pairsPage{newList("pairs", f, all.Page, len(all.Pairs), limit, q.Values), all}, err
}

type pairPage struct {
	Pool, Who string
	wire.Explanation
	Longest float64 // of the handshake's steps, in seconds
	Admin   bool    // shows how to steer
}

func pair(ctx context.Context, c *Console, q asked) (any, error) {
	p := pairPage{Pool: q.Get("pool"), Who: q.Get("who"), Admin: q.admin}
	var err error
	if p.Explanation, err = c.told.Explain(ctx, p.Pool, p.Who); err != nil {
		return nil, err
	}
	for _, s := range p.Steps {
		p.Longest = max(p.Longest, s.After)
	}
	return p, nil
}

// Bar is how long the bar of a step is, of 100.
func (p pairPage) Bar(after float64) float64 {
	if p.Longest == 0 {
		return 0
	}
	return after / p.Longest * 100
}

type endsPage struct {
	Ends    []api.EndsInfo // summed up over the pools, the most frequent first
	Charts  []chart
	Failing api.Failing
}

// reasonsDrawn over time.
const reasonsDrawn = 6

func ends(ctx context.Context, c *Console, _ asked) (any, error) {
	all, err := c.told.Ends(ctx)
	if err != nil {
		return nil, err
	}
	sums := map[string]api.EndsInfo{}
	for _, p := range all.Pools {
		for _, e := range p.Ends {
			s := sums[e.Reason]
			sums[e.Reason] = api.EndsInfo{Reason: e.Reason, Clients: s.Clients + e.Clients, Pairs: s.Pairs + e.Pairs}
		}
	}
	page := endsPage{Ends: []api.EndsInfo{}}
	for _, s := range sums {
		page.Ends = append(page.Ends, s)
	}
	slices.SortFunc(page.Ends, func(a, b api.EndsInfo) int {
		return cmp.Or(cmp.Compare(b.Clients, a.Clients), strings.Compare(a.Reason, b.Reason))
	})
	var drawn []string
	for _, e := range page.Ends {
		if e.Clients > 0 && len(drawn) < reasonsDrawn {
			drawn = append(drawn, e.Reason)
		}
	}
	history, err := c.told.History("")
	if err != nil {
		return nil, err
	}
	page.Charts = endsCharts(history.Points, drawn)
	page.Failing, err = c.told.Failing(ctx, api.DefaultPage)
	return page, err
}

func handshakes(ctx context.Context, c *Console, _ asked) (any, error) {
	return c.told.Handshakes(ctx)
}
