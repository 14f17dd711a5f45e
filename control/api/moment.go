package api

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/streamq/streamq-proxy/stream"
)

// moment is what all pools were like at one time.
type moment struct {
	at    time.Time
	pools []poolMoment // in the order of the configuration
}

// poolMoment is a pool's part of a moment.
type poolMoment struct {
	pool Pool
	stream.Snapshot
	err error // it has not answered; the snapshot is empty
}

// moments remembers the newest moment, so that however many ask, the loops are asked
// once in a while.
type moments struct {
	pools []Pool
	mutex *semaphore.Weighted // for whose turn a request may cease to wait
	last  *moment
}

// momentAge is how old a moment may be that is told.
const momentAge = tick - 50*time.Millisecond // each tick sees a new one

func newMoments(pools []Pool) *moments {
	return &moments{pools: pools, mutex: semaphore.NewWeighted(1)}
}

// now is a moment that is less than a second old.
func (m *moments) now(ctx context.Context) (*moment, error) {
	if err := m.mutex.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer m.mutex.Release(1)
	if m.last == nil || time.Since(m.last.at) >= momentAge {
		m.last = m.ask()
	}
	return m.last, nil
}

// ask asks all pools at once. It is for all who wait, so that no request's end ends it.
func (m *moments) ask() *moment {
	ctx, cancel := context.WithTimeout(context.Background(), loopTimeout)
	defer cancel()
	now := &moment{at: time.Now(), pools: make([]poolMoment, len(m.pools))}
	var all sync.WaitGroup
	for i, p := range m.pools {
		all.Go(func() {
			one := &now.pools[i]
			one.pool = p
			one.Snapshot, one.err = p.Snapshot(ctx)
		})
	}
	all.Wait()
	return now
}
