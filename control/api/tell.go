package api

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/streamq/streamq-proxy/control"
	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// What is told, as values. Errors are [*wire.Error], or say that a loop does not answer.

// Together says whether this proxy shares anything with others.
func (s *Server) Together() bool { return s.cfg.Shared != nil && s.cfg.Shared() != nil }

// Status is the whole at a glance.
func (s *Server) Status(ctx context.Context) (Status, error) {
	m, err := s.moments.now(ctx)
	if err != nil {
		return Status{}, err
	}
	all := Status{Time: m.at, Version: s.cfg.Version}
	all.Uptime, all.Pools = wire.InSeconds(time.Since(s.started)), []wire.PoolStatus{}
	all.EventsLost = s.events.lost.Load()
	if s.cfg.Shared != nil {
		all.Shared = s.cfg.Shared()
	}
	for i := range m.pools {
		if m.pools[i].err != nil {
			continue
		}
		one := control.StatusOf(&m.pools[i].Snapshot)
		all.Clients += one.Clients
		all.Waiting += one.Waiting
		all.Pairs += one.Pairs
		all.Slots += one.Slots
		all.Workers += one.Workers
		all.Pools = append(all.Pools, one)
	}
	return all, nil
}

// Pools are all pools.
func (s *Server) Pools(ctx context.Context) (Pools, error) {
	m, err := s.moments.now(ctx)
	if err != nil {
		return Pools{}, err
	}
	all := Pools{Pools: []PoolRow{}}
	for i := range m.pools {
		p := &m.pools[i]
		frontend, backend := p.pool.Bound()
		one := PoolRow{Up: p.err == nil, Group: p.pool.Group(), Frontend: array(frontend), Backend: array(backend), State: "no answer"}
		if one.Up {
			one.PoolStatus, one.State = control.StatusOf(&p.Snapshot), p.Readiness().String()
		}
		one.Pool = p.pool.Name()
		all.Pools = append(all.Pools, one)
	}
	return all, nil
}

// array is [] in JSON, not null, when it is empty.
func array(of []string) []string { return append([]string{}, of...) }

// known refuses the name of a pool that there is not; "" is all.
func (s *Server) known(pool string) error {
	if pool == "" || slices.ContainsFunc(s.cfg.Pools, func(p Pool) bool { return p.Name() == pool }) {
		return nil
	}
	return wire.Errorf(wire.NotFound, "no pool %q", pool)
}

// Workers are those after the first so many that a filter selects, by pool and name
// unless it sorts them by one of [WorkerSorts]. Of its other fields only Pool, Worker, State and Search count.
func (s *Server) Workers(ctx context.Context, f Filter, after, limit int) (Workers, error) {
	m, err := s.moments.now(ctx)
	if err = cmp.Or(err, s.known(f.Pool)); err != nil {
		return Workers{}, err
	}
	if f.State != "" && !slices.Contains(pairing.StateNames(), f.State) {
		return Workers{}, wire.Errorf(wire.Malformed, "state: %q is none of %s", f.State, strings.Join(pairing.StateNames(), ", "))
	}
	search := strings.ToLower(f.Search)
	rows := []WorkerRow{}
	for i := range m.pools {
		p := &m.pools[i]
		if f.Pool != "" && p.pool.Name() != f.Pool {
			continue
		}
		pairs := p.Stats.Handshaking + p.Stats.Open + p.Stats.Draining
		for _, w := range p.Workers {
			rows = append(rows, workerRow(&p.Snapshot, p.pool.Name(), w, pairs))
		}
		for _, w := range p.Departed {
			row := workerRow(&p.Snapshot, p.pool.Name(), w, pairs)
			row.Away = true
			rows = append(rows, row)
		}
	}
	rows = slices.DeleteFunc(rows, func(w WorkerRow) bool {
		return f.Worker != "" && w.Worker != f.Worker || f.State != "" && w.State != f.State ||
			search != "" && !contains(w.Worker, search) && !contains(w.Endpoint, search)
	})
	if err := sortWorkers(rows, f); err != nil {
		return Workers{}, err
	}
	page, from, to := pageOf(len(rows), after, limit)
	return Workers{Page: page, Workers: rows[from:to]}, nil
}

func workerRow(s *stream.Snapshot, pool string, w pairing.WorkerInfo, pairs int) WorkerRow {
	bytes := s.WorkerBytes[w.Name]
	row := WorkerRow{
		Pool: pool, WorkerInfo: control.WorkerOf(w), MaxHandshakes: w.MaxHandshakes, Outlier: w.Outlier,
		DialTime: wire.InSeconds(w.DialTime), BytesIn: bytes[0], BytesOut: bytes[1],
	}
	if pairs > 0 {
		row.Share = float64(w.Pairs) / float64(pairs)
	}
	return row
}

// pageOf is a page of so many rows, and which these are.
func pageOf(total, after, limit int) (p Page, from, to int) {
	from = min(after, total)
	to = min(from+limit, total)
	p = Page{Total: total, After: from}
	if to < total {
		p.Next = &to
	}
	return p, from, to
}

// selected are a page of what a filter selects of the newest list.
func (s *Server) selected(ctx context.Context, f Filter, after, limit int) (page Page, listed Listed, peers []peer, err error) {
	if err = cmp.Or(f.check(), s.known(f.Pool)); err != nil {
		return
	}
	l, err := s.directory.now(ctx)
	if err != nil {
		return
	}
	places, err := l.of(ctx, f)
	if err != nil {
		return
	}
	page, from, to := pageOf(len(places), after, limit)
	for _, i := range places[from:to] {
		peers = append(peers, l.peers[i])
	}
	return page, Listed{wire.InSeconds(time.Since(l.at)), l.complete}, peers, nil
}

// Clients are at most limit of those that a filter selects, after the first so many.
func (s *Server) Clients(ctx context.Context, f Filter, after, limit int) (Clients, error) {
	page, listed, peers, err := s.selected(ctx, f, after, limit)
	all := Clients{page, listed, make([]ClientRow, 0, len(peers))}
	for _, p := range peers {
		all.Clients = append(all.Clients, ClientRow{p.pool, control.ClientOf(p.PeerInfo)})
	}
	return all, err
}

// Pairs are as Clients, of those that have a worker.
func (s *Server) Pairs(ctx context.Context, f Filter, after, limit int) (Pairs, error) {
	f.Paired = true
	page, listed, peers, err := s.selected(ctx, f, after, limit)
	all := Pairs{page, listed, make([]PairRow, 0, len(peers))}
	for _, p := range peers {
		all.Pairs = append(all.Pairs, PairRow{p.pool, control.PairOf(p.PeerInfo)})
	}
	return all, err
}

// Explain says why a client has its worker. pool may be "" where there is one only.
func (s *Server) Explain(ctx context.Context, pool, who string) (wire.Explanation, error) {
	none := wire.Explanation{}
	if pool == "" && len(s.cfg.Pools) == 1 {
		pool = s.cfg.Pools[0].Name()
	}
	if err := s.known(pool); err != nil {
		return none, err
	}
	if pool == "" || who == "" || len(who) > wire.MaxFrame {
		return none, wire.Errorf(wire.Malformed, "pool= and who= say which pool, and which identity, IP:PORT or IP")
	}
	if !s.explains.admit(time.Now()) {
		return none, wire.Errorf(wire.SlowDown, "more than %d explanations a second", explainRate)
	}
	i := slices.IndexFunc(s.cfg.Pools, func(p Pool) bool { return p.Name() == pool })
	ctx, cancel := context.WithTimeout(ctx, loopTimeout)
	defer cancel()
	e, err := s.cfg.Pools[i].Explain(ctx, who)
	switch {
	case err != nil:
		return none, err
	case e == nil:
		return none, wire.Errorf(wire.NotFound, "%q is no identity that is known, no far end of a connection, and no address whose clients were not served", who)
	}
	return control.ExplanationOf(e), nil
}

// Failing are the worst addresses of each pool.
func (s *Server) Failing(ctx context.Context, limit int) (Failing, error) {
	all := Failing{Pools: []FailingPool{}}
	if !s.explains.admit(time.Now()) {
		return all, wire.Errorf(wire.SlowDown, "more than %d such questions a second", explainRate)
	}
	ctx, cancel := context.WithTimeout(ctx, loopTimeout)
	defer cancel()
	for _, p := range s.cfg.Pools {
		list, err := p.Failing(ctx, limit)
		if err != nil {
			return all, err
		}
		one := FailingPool{p.Name(), wire.Failing{Addresses: list.All, Failing: []wire.FailingInfo{}}}
		for _, f := range list.Worst {
			one.Failing.Failing = append(one.Failing.Failing, control.FailingOf(f))
		}
		all.Pools = append(all.Pools, one)
	}
	return all, nil
}

// Ends are why clients have ended.
func (s *Server) Ends(ctx context.Context) (Ends, error) {
	m, err := s.moments.now(ctx)
	if err != nil {
		return Ends{}, err
	}
	all := Ends{Pools: []EndsPool{}}
	for i := range m.pools {
		p := &m.pools[i]
		one := EndsPool{Pool: p.pool.Name(), Ends: []EndsInfo{}}
		for _, r := range pairing.Reasons() {
			one.Ends = append(one.Ends, EndsInfo{r.String(), p.Stats.Ended[r], p.Stats.PairsEnded[r]})
		}
		all.Pools = append(all.Pools, one)
	}
	return all, nil
}

// Handshakes are those since the start.
func (s *Server) Handshakes(ctx context.Context) (Handshakes, error) {
	m, err := s.moments.now(ctx)
	if err != nil {
		return Handshakes{}, err
	}
	all := Handshakes{Pools: []HandshakesPool{}}
	for i := range m.pools {
		all.Pools = append(all.Pools, handshakesOf(m.pools[i].pool.Name(), &m.pools[i].Handshakes))
	}
	return all, nil
}

func handshakesOf(pool string, h *stream.Handshakes) HandshakesPool {
	one := HandshakesPool{Pool: pool, Mechanisms: []MechanismTimes{}, Stages: []StageTimes{}, Failed: []FailedCount{}, Errors: []ErrorCount{}}
	stages := stream.Stages()
	for i := range h.Times {
		one.Mechanisms = append(one.Mechanisms, MechanismTimes{stream.Mechanism(i).String(), timesOf(&h.Times[i])})
	}
	for i := range h.Steps {
		one.Stages = append(one.Stages, StageTimes{stages[i], timesOf(&h.Steps[i])})
	}
	for _, r := range pairing.Reasons() {
		for i, n := range h.Failed[r] {
			if n > 0 {
				one.Failed = append(one.Failed, FailedCount{r.String(), stages[i], n})
			}
		}
	}
	for i, status := range stream.Statuses() {
		one.Errors = append(one.Errors, ErrorCount{status, h.Errors[i]})
	}
	return one
}

func timesOf(h *pairing.Histogram) Times {
	c := counts(h.Fine)
	return c.times()
}

// History is the last hour of a pool, "" for the whole. In a proxy with one pool the
// whole is that pool.
func (s *Server) History(pool string) (History, error) {
	if err := s.known(pool); err != nil {
		return History{}, err
	}
	h := History{Pool: pool, Step: wire.InSeconds(step)}
	if len(s.cfg.Pools) == 1 {
		pool = ""
	}
	h.Points = s.hour.of(pool)
	return h, nil
}
