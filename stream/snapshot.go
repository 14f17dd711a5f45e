package stream

import (
	"context"
	"time"

	"github.com/streamq/streamq-proxy/pairing"
)

// Snapshot is a pool at one moment. It is a copy and stays as it is.
type Snapshot struct {
	Pool    string
	Stats   pairing.Stats
	Workers []pairing.WorkerInfo
	// BytesIn went from clients to workers, BytesOut came back, since the start.
	BytesIn, BytesOut uint64
	// Backlog is what waits in the loop for peers that read too slowly, in bytes.
	Backlog int64
	// Connections are open, on either side, paired or not.
	Connections int
	// LostNotices counts disconnects that libzmq did not announce.
	LostNotices uint64
	// Descriptors are used by the connections of all pools; DescriptorLimit is
	// how many may be.
	Descriptors, DescriptorLimit int64
	// Turn is how long the loop's longest turn took since the last snapshot.
	Turn time.Duration
	// Usable: a worker could take a client, now or when one of its pairs ends.
	Usable bool
	// Draining: who connects now is refused.
	Draining bool
}

// Snapshot asks the loop for one; it is answered between two turns.
func (p *Pool) Snapshot(ctx context.Context) (Snapshot, error) {
	var s Snapshot
	result := make(chan Snapshot, 1)
	if err := p.ask(ctx, func() { result <- p.loop.snapshot() }); err != nil {
		return s, err
	}
	return <-result, nil
}

func (l *loop) snapshot() Snapshot {
	used, limit := l.ctx.Descriptors()
	s := Snapshot{
		Pool:            l.cfg.Name,
		Stats:           l.table.Stats(),
		Workers:         l.table.Workers(),
		BytesIn:         l.passed[0].Bytes.Load(),
		BytesOut:        l.passed[1].Bytes.Load(),
		Backlog:         l.backlogged,
		Connections:     l.connections,
		LostNotices:     l.lostNotices,
		Descriptors:     used,
		DescriptorLimit: limit,
		Turn:            l.longestTurn,
		Usable:          l.table.Usable(),
		Draining:        l.draining,
	}
	l.longestTurn = 0
	return s
}
