package pairing

import (
	"fmt"
	"runtime"
	"testing"
)

// What an open pair without a lease costs in memory, for however long it lives: its two peers, where the
// client comes from, and its places in the index and by the endpoint.
func TestOpenPairIsSmall(t *testing.T) {
	const n, most = 10_000, 520 // bytes
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w", Endpoint: "tcp://10.0.0.9:1"})
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	origins := make([]Origin, n) // which are the caller's
	for i := range origins {
		origins[i] = Origin{Address: "10.0.0.1", Endpoint: fmt.Sprint("10.0.0.1:", i)}
	}
	before := held()
	for i := range n {
		r.ClientConnected(0, clientID(i), origins[i], nil)
		r.ClientReady(0, clientID(i))
		r.Dialled(0, clientID(i), workerID(i), nil)
		r.Opened(0, clientID(i))
	}
	each := (held() - before) / n
	t.Logf("%d bytes a pair", each)
	if s := r.Stats(0); s.Open != n || each > most {
		t.Errorf("%d bytes for each of %d pairs", each, s.Open)
	}
	runtime.KeepAlive(r)
	runtime.KeepAlive(origins)
}
