package api

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

const (
	// mostListed bounds the copy of the clients; a row takes some 200 bytes.
	mostListed = 250_000
	// piece is how many clients a loop copies in one turn.
	piece = 512
	// listAge is how old the copy may be at least, and scanShare how many times as long
	// as copying takes: loops copy for at most a twentieth of the time.
	listAge   = time.Second
	scanShare = 20
	// listKept is for how long the copy is kept when nobody asks for it.
	listKept = 30 * time.Second
)

// peer is a client, and its pool.
type peer struct {
	pool string
	pairing.PeerInfo
}

// list is a copy of the clients of all pools, which is never changed.
type list struct {
	at       time.Time
	peers    []peer // by pool, and in it as they came
	complete bool   // there are no more than mostListed
	orders   *orders
}

// directory keeps the newest list while anybody asks for it.
type directory struct {
	pools []Pool
	most  int                 // clients that are copied
	mutex *semaphore.Weighted // as that of moments
	last  *list
	due   time.Time // when it may be made anew
	used  time.Time
}

func newDirectory(pools []Pool) *directory {
	return &directory{pools: pools, most: mostListed, mutex: semaphore.NewWeighted(1)}
}

// now is a list that is not older than it has to be.
func (d *directory) now(ctx context.Context) (*list, error) {
	if err := d.mutex.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer d.mutex.Release(1)
	now := time.Now()
	d.used = now
	if d.last != nil && now.Before(d.due) {
		return d.last, nil
	}
	all, err := d.copy()
	if err != nil {
		return nil, err
	}
	took := time.Since(now)
	d.last, d.due = all, now.Add(max(listAge, scanShare*took))
	return all, nil
}

// copy asks the pools, one after the other and piece by piece, so that no loop is held up.
func (d *directory) copy() (*list, error) {
	all := &list{at: time.Now(), complete: true, orders: newOrders()}
	if d.last != nil {
		all.peers = make([]peer, 0, len(d.last.peers)+piece)
	}
	for _, p := range d.pools {
		name := p.Name()
		s := pairing.Selection{Max: piece}
		for more := true; more; {
			if len(all.peers) >= d.most {
				all.complete = false
				return all, nil
			}
			page, err := ask(p, s)
			if err != nil {
				return nil, err
			}
			for _, i := range page.Peers {
				all.peers = append(all.peers, peer{name, i})
			}
			s.After, more = page.Last, page.More
		}
	}
	return all, nil
}

// ask asks for a piece. It is for all who wait, so that no request's end ends it.
func ask(p Pool, s pairing.Selection) (stream.Listing, error) {
	ctx, cancel := context.WithTimeout(context.Background(), loopTimeout)
	defer cancel()
	return p.Page(ctx, s)
}

// forget drops a list that nobody asks for any more.
func (d *directory) forget(now time.Time) {
	if !d.mutex.TryAcquire(1) { // somebody asks for it
		return
	}
	defer d.mutex.Release(1)
	if now.Sub(d.used) > listKept {
		d.last = nil
	}
}
