package pairing

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestIndex compares the index with a map, over ids of every form.
func TestIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var x index
	naive := map[PeerID]*Peer{}
	id := func() PeerID {
		switch random.IntN(4) {
		case 0:
			return PeerID(random.Uint64()) // any
		case 1:
			return PeerID(random.IntN(5)<<32 | random.IntN(1<<32)) // far apart
		default:
			return PeerID(random.IntN(3)<<32 | random.IntN(2000)) // numbered
		}
	}
	for range 50_000 {
		id := id()
		if p := naive[id]; x.get(id) != p {
			t.Fatalf("%d is %v", id, x.get(id))
		} else if p != nil {
			x.remove(id)
			delete(naive, id)
		} else {
			p = &Peer{ID: id}
			x.put(p)
			naive[id] = p
		}
	}
	var got, want []PeerID
	x.each(func(p *Peer) bool { got = append(got, p.ID); return true })
	for id := range naive {
		want = append(want, id)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) || x.n != len(want) {
		t.Errorf("walked along %d of %d", len(got), len(want))
	}
	for _, id := range want {
		x.remove(id)
	}
	for side, r := range x.roots {
		if r != nil && (r.used != 0 || slices.ContainsFunc(r.mids, func(m *mid) bool { return m != nil })) {
			t.Errorf("side %d keeps pages of nobody", side)
		}
	}
}
