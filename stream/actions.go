package stream

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/streamq/streamq-proxy/pairing"
)

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
	l.acting = false
}

func (l *loop) perform(a pairing.Action) {
	switch a.Op {
	case pairing.Join:
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
		if early := way.from.early; len(early) > 0 {
			way.from.early = nil
			l.forward(way.from, way.to, early)
		}
	}
}

// report tells of a client that has ended.
func (l *loop) report(r *pairing.Record) {
	if l.cfg.Access == nil {
		return
	}
	a := &Access{Pool: l.cfg.Name, Record: *r}
	if c, ok := r.ClientConn.(*conn); ok && c.flow != nil {
		a.Mechanism = c.flow.handshake.Mechanism()
		a.BytesIn, a.BytesOut = c.flow.in, c.flow.out
	}
	l.cfg.Access(a)
}

// reloadable names what differs between the running configuration and cfg that
// only a restart can change. It may be called from any goroutine.
func (l *loop) reloadable(cfg Config) error {
	var errs []error
	differ := func(what string, same bool) {
		if !same {
			errs = append(errs, fmt.Errorf("pool %s: %s cannot change while it runs, restart for that", l.fixed.Name, what))
		}
	}
	differ("name", cfg.Name == l.fixed.Name)
	differ("frontend", slices.Equal(cfg.Frontend, l.fixed.Frontend))
	differ("backend", slices.Equal(cfg.Backend, l.fixed.Backend))
	differ("pair-buffer", cfg.PairBuffer == l.fixed.PairBuffer)
	return errors.Join(errs...)
}

func (l *loop) reload(cfg Config) error {
	if err := l.reloadable(cfg); err != nil {
		return err
	}
	old := l.cfg.Workers
	cfg.Log, cfg.Access = l.cfg.Log, l.cfg.Access
	l.cfg = cfg
	l.allowed = mechanismSet(cfg.Mechanisms)
	now := l.now()
	l.act(l.table.Reconfigure(now, cfg.Pairing))
	for _, w := range old {
		if i := indexWorker(cfg.Workers, w.Name); i < 0 || cfg.Workers[i].Endpoint != w.Endpoint {
			l.actOr(l.table.RemoveWorker(now, w.Name))
		}
	}
	for _, w := range cfg.Workers {
		i := indexWorker(old, w.Name)
		switch {
		case i < 0 || old[i].Endpoint != w.Endpoint:
			l.actOr(l.table.AddWorker(now, w))
		case old[i] != w:
			l.actOr(l.table.SetWeight(now, w.Name, w.Weight))
			l.actOr(l.table.SetMaxPairs(now, w.Name, w.MaxPairs))
		}
	}
	return nil
}

// actOr is act for what may already have been done by another way, such as
// removing a worker that an operator has removed.
func (l *loop) actOr(actions []pairing.Action, err error) {
	if err != nil {
		l.cfg.Log.Warn("reload", "pool", l.cfg.Name, "error", err)
	}
	l.act(actions)
}

func indexWorker(workers []pairing.WorkerConfig, name string) int {
	return slices.IndexFunc(workers, func(w pairing.WorkerConfig) bool { return w.Name == name })
}

func hostOf(endpoint string) string {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return endpoint
	}
	return host
}
