package api

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/semaphore"

	"github.com/streamq/streamq-proxy/control/wire"
	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream"
)

// Filter says which clients are listed, and in which order. The zero value of a field
// selects all.
type Filter struct {
	Pool, Worker, State string
	// Client is an identity, an IP:PORT or an address, whole.
	Client string
	// Search is a part, in whatever case, of an identity, an address, or a worker's name or
	// address.
	Search string
	// Paired: only those that have a worker.
	Paired bool
	// Sort is one of [Sorts], of workers of [WorkerSorts]; "" is the order in which they came.
	Sort string
	// Descending turns the order round.
	Descending bool
}

// sorts compare clients by a column. Those that are equal stay as they came.
var sorts = map[string]func(a, b *peer) int{
	"id":       func(a, b *peer) int { return cmp.Or(cmp.Compare(a.pool, b.pool), cmp.Compare(a.ID, b.ID)) },
	"pool":     func(a, b *peer) int { return cmp.Compare(a.pool, b.pool) },
	"client":   func(a, b *peer) int { return cmp.Compare(a.Origin.Whence(), b.Origin.Whence()) },
	"identity": func(a, b *peer) int { return cmp.Compare(a.Identity, b.Identity) },
	"state":    func(a, b *peer) int { return cmp.Compare(a.State.String(), b.State.String()) },
	"worker":   func(a, b *peer) int { return cmp.Compare(a.Worker, b.Worker) },
	"age":      func(a, b *peer) int { return cmp.Compare(a.Age, b.Age) },
	"paired":   func(a, b *peer) int { return cmp.Compare(a.Paired, b.Paired) },
}

// Sorts are the columns that clients can be sorted by.
func Sorts() []string { return columns(sorts) }

func columns[Row any](of map[string]func(a, b *Row) int) []string {
	return slices.Sorted(maps.Keys(of))
}

// checkSort refuses a column that is none of these; "" is none that was asked for.
func checkSort[Row any](name string, of map[string]func(a, b *Row) int) error {
	if name != "" && of[name] == nil {
		return wire.Errorf(wire.Malformed, "sort: %q is none of %s", name, strings.Join(columns(of), ", "))
	}
	return nil
}

// check refuses what no list can be sorted or selected by.
func (f *Filter) check() error {
	if err := checkSort(f.Sort, sorts); err != nil {
		return err
	}
	if f.State != "" && !slices.Contains(pairing.PeerStateNames(), f.State) {
		return wire.Errorf(wire.Malformed, "state: %q is none of %s", f.State, strings.Join(pairing.PeerStateNames(), ", "))
	}
	if len(f.Search) > maxSearch {
		return wire.Errorf(wire.Malformed, "q: at most %d bytes", maxSearch)
	}
	return nil
}

// maxSearch bounds what is searched for, in bytes.
const maxSearch = 256

func (f *Filter) has(p *peer, search string) bool {
	return (f.Pool == "" || p.pool == f.Pool) &&
		(!f.Paired || p.Partner != 0) &&
		(f.Worker == "" || p.Worker == f.Worker) &&
		(f.State == "" || p.State.String() == f.State) &&
		(f.Client == "" || p.Identity == f.Client || p.Origin.Endpoint == f.Client || p.Origin.Address == f.Client) &&
		(search == "" || contains(p.Identity, search) || contains(p.Origin.Whence(), search) ||
			contains(p.Worker, search) || contains(p.Other.Whence(), search))
}

// contains says whether s has part in it, which is in lower case.
func contains(s, part string) bool { return strings.Contains(strings.ToLower(s), part) }

// orders remembers which clients of a list were asked for, in which order, so that turning
// pages costs nothing.
type orders struct {
	mutex *semaphore.Weighted // as that of moments
	known *simplelru.LRU[Filter, []int32]
	due   time.Time
}

const (
	// ordersKept bounds them; each takes four bytes a client.
	ordersKept = 16
	// orderShare: selecting and sorting take at most a third of a processor.
	orderShare = 3
)

func newOrders() *orders {
	known, err := simplelru.NewLRU[Filter, []int32](ordersKept, nil)
	if err != nil {
		panic("api: " + err.Error()) // the size is above 0
	}
	return &orders{mutex: semaphore.NewWeighted(1), known: known}
}

// of are the places of those clients in the list that a filter selects, in its order.
func (l *list) of(ctx context.Context, f Filter) ([]int32, error) {
	if err := l.orders.mutex.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer l.orders.mutex.Release(1)
	if places, known := l.orders.known.Get(f); known {
		return places, nil
	}
	select {
	case <-time.After(time.Until(l.orders.due)):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	begun := time.Now()
	places := l.sorted(f)
	l.orders.due = begun.Add(orderShare * time.Since(begun))
	l.orders.known.Add(f, places)
	return places, nil
}

func (l *list) sorted(f Filter) []int32 {
	search := strings.ToLower(f.Search)
	places := []int32{}
	for i := range l.peers {
		if f.has(&l.peers[i], search) {
			places = append(places, int32(i))
		}
	}
	if by := sorts[f.Sort]; by != nil {
		slices.SortStableFunc(places, func(a, b int32) int { return by(&l.peers[a], &l.peers[b]) })
	}
	if f.Descending {
		slices.Reverse(places)
	}
	return places
}

var _ Pool = (*stream.Pool)(nil)
