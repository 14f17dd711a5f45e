// Package apitest has a pool for tests of what package api tells: it is no pool, and has as
// many clients as a test wants.
package apitest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// Pool is an api.Pool whose answers a test sets.
type Pool struct {
	Called string // its name
	// Asked count the questions of each kind; Largest is the largest page.
	Snapshots, Pages, Largest atomic.Int64

	mutex   sync.Mutex
	now     stream.Snapshot
	peers   []pairing.PeerInfo // by ID
	failing stream.FailingList
	err     error
}

// New is a pool without clients.
func New(name string) *Pool {
	p := &Pool{Called: name}
	p.now.Pool = name
	p.now.Usable = true
	return p
}

// Change changes what the next snapshots say.
func (p *Pool) Change(f func(*stream.Snapshot)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	f(&p.now)
}

// Fail has every question fail, until it is called with nil.
func (p *Pool) Fail(err error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.err = err
}

// SetFailing sets the addresses that fail.
func (p *Pool) SetFailing(l stream.FailingList) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.failing = l
}

// Crowd gives it so many pairs on so many workers, w0 and so on; every tenth client has an identity.
func (p *Pool) Crowd(clients, workers int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.peers, p.now.Workers = nil, nil
	for i := range workers {
		p.now.Workers = append(p.now.Workers, pairing.WorkerInfo{
			Name: fmt.Sprintf("w%d", i), Endpoint: fmt.Sprintf("10.0.0.%d:6000", i+1), State: pairing.Ready,
			Weight: 1 + i%3, Pairs: (clients + workers - 1 - i) / workers, Served: uint64(clients),
		})
	}
	for i := range clients {
		id := pairing.PeerID(2*i + 1)
		one := pairing.PeerInfo{
			ID: id, Client: true, State: pairing.PeerOpen, Partner: id + 1,
			Origin: origin(fmt.Sprintf("10.%d.%d.%d", 1+i>>16, i>>8&255, i&255), 40000+i%20000),
			Other:  origin("10.0.0.1", 6000), Worker: fmt.Sprintf("w%d", i%max(workers, 1)),
			Age: time.Duration(clients-i) * time.Millisecond, Paired: time.Duration(clients-i) * time.Millisecond,
			Rule: pairing.ByPolicy,
		}
		if i%10 == 0 {
			one.Identity = fmt.Sprintf("user-%06d", i)
		}
		p.peers = append(p.peers, one)
	}
	p.now.Stats.Open, p.now.Stats.OpenedTotal = clients, uint64(clients)
	p.now.Stats.ClientsTotal, p.now.Stats.PairsTotal = uint64(clients), uint64(clients)
	p.now.Stats.Clients[pairing.PeerOpen] = clients
}

func origin(address string, port int) pairing.Origin {
	return pairing.Origin{Address: address, Endpoint: fmt.Sprintf("%s:%d", address, port)}
}

// Rename gives a client an identity and a worker.
func (p *Pool) Rename(i int, identity, worker string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.peers[i].Identity, p.peers[i].Worker = identity, worker
}

// Name implements api.Pool.
func (p *Pool) Name() string { return p.Called }

// Group implements api.Pool.
func (p *Pool) Group() string { return "" }

// Bound implements api.Pool.
func (p *Pool) Bound() (frontend, backend []string) { return []string{"127.0.0.1:5555"}, nil }

// Snapshot implements api.Pool.
func (p *Pool) Snapshot(context.Context) (stream.Snapshot, error) {
	p.Snapshots.Add(1)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	now := p.now
	now.Workers = slices.Clone(p.now.Workers)
	return now, p.err
}

// Page implements api.Pool. It selects nothing: nobody asks for that.
func (p *Pool) Page(_ context.Context, s pairing.Selection) (stream.Listing, error) {
	p.Pages.Add(1)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.err != nil {
		return stream.Listing{}, p.err
	}
	from, _ := slices.BinarySearchFunc(p.peers, s.After+1, func(i pairing.PeerInfo, id pairing.PeerID) int { return int(i.ID) - int(id) })
	to := min(from+s.Max, len(p.peers))
	page := stream.Listing{Peers: slices.Clone(p.peers[from:to]), More: to < len(p.peers)}
	if to > from {
		page.Last = p.peers[to-1].ID
	}
	p.Largest.Store(max(p.Largest.Load(), int64(to-from)))
	return page, nil
}

// Explain implements api.Pool.
func (p *Pool) Explain(_ context.Context, who string) (*stream.Explanation, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	i := slices.IndexFunc(p.peers, func(i pairing.PeerInfo) bool { return who == i.Identity || who == i.Origin.Endpoint })
	if i < 0 || p.err != nil {
		return nil, p.err
	}
	one := p.peers[i]
	return &stream.Explanation{
		Explanation: pairing.Explanation{
			Identity: one.Identity, Peers: []pairing.PeerInfo{one}, Rule: one.Rule, Prefer: []string{"w9", one.Worker},
			Passed:     []pairing.Candidate{{Worker: "w9", Unfit: pairing.UnfitUnknown}},
			Candidates: []pairing.Candidate{{Worker: one.Worker, Load: 3, Weight: 1}},
		},
		Handshake: &stream.Handshake{
			Mechanism: "CURVE", Version: "3.1",
			Steps: []stream.Step{{Side: 0, Stage: 1}, {Side: 1, Stage: 1, After: 300 * time.Microsecond}, {Side: 0, Stage: 2, After: time.Millisecond}},
		},
		BytesIn: 12345, BytesOut: 1 << 30,
	}, nil
}

// Failing implements api.Pool.
func (p *Pool) Failing(context.Context, int) (stream.FailingList, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.failing, p.err
}
