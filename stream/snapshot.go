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
	// Departed are workers that dialled in and are away, see [pairing.Table.Departed].
	Departed []pairing.WorkerInfo
	// BytesIn went from clients to workers, BytesOut came back, since the start.
	BytesIn, BytesOut uint64
	// WorkerBytes went from clients to each worker, by its name, and back, since the start.
	WorkerBytes map[string][2]uint64
	// Merged is how often figures of another process were added to these, whose time is not
	// that of this one: what has become more from one snapshot to the next says nothing then.
	Merged int
	// Backlog is what waits in the loop for peers that read too slowly, in bytes.
	Backlog int64
	// Connections are open, on either side, paired or not.
	Connections int
	// Held are clients that were refused and are not closed yet; they are no Connections.
	Held int
	// Doors are open, see [Pool.Door].
	Doors int
	// DoorClients are here and have come through a door, open or shut by now.
	DoorClients int
	// Descriptors are used by the connections of all pools; DescriptorLimit is
	// how many may be.
	Descriptors, DescriptorLimit int64
	// Turns are how long the turns of the loop took, waiting excluded.
	Turns pairing.Histogram
	// Handshakes since the start.
	Handshakes Handshakes
	// Stalls are how often a turn came much later than it had to, because the process was
	// stopped or had no processor, and Stalled how late they came in all.
	Stalls  uint64
	Stalled time.Duration
	// Lag is how long the snapshot itself waited for the loop, behind Commands others.
	Lag      time.Duration
	Commands int
	// SourceAddresses are what workers are dialled from in turn; 0 where the kernel chooses.
	SourceAddresses int
	// ClientAddresses are what clients have addresses of at the worker, 0 for none of a prefix;
	// ClientAddressesTaken of them are in use, or were within the last minute.
	ClientAddresses, ClientAddressesTaken int
	// Usable: a worker could take a client, now or when one of its pairs ends.
	Usable bool
	// Returning: a worker that dials in is away for a moment, see [pairing.Table.Returning].
	Returning bool
	// LameDuck: new clients are served, and should not be sent, see [Pool.SetLameDuck].
	LameDuck bool
	// Draining: who connects now is refused.
	Draining bool
	// Refusing: the frontend's ports are closed for want of a worker.
	Refusing bool
	// PortTaken: they cannot be opened again, because another process has one. It is tried each second.
	PortTaken bool
	// Paused: nothing is read, see [Pool.Pause].
	Paused bool
}

// Snapshot asks the loop for one; it is answered between two turns.
func (p *Pool) Snapshot(ctx context.Context) (Snapshot, error) {
	asked, commands := time.Now(), len(p.commands)
	return query(ctx, p, func(l *loop) Snapshot {
		lag := time.Since(asked)
		s := l.snapshot()
		s.Lag, s.Commands, s.LameDuck = lag, commands, p.LameDuck()
		return s
	})
}

func (l *loop) snapshot() Snapshot {
	used, limit := l.ctx.Descriptors()
	taken, all := l.shown.usage(l.now())
	workers, departed := l.table.Workers(), l.table.Departed(l.now())
	return Snapshot{
		Pool:            l.fixed.Name,
		Stats:           l.table.Stats(l.now()),
		Workers:         workers,
		Departed:        departed,
		BytesIn:         l.figures.passed[0].Bytes.Load(),
		BytesOut:        l.figures.passed[1].Bytes.Load(),
		WorkerBytes:     l.workerBytes(workers, departed),
		Merged:          l.figures.merged,
		Backlog:         l.figures.backlogged,
		Connections:     l.figures.connections,
		Held:            len(l.held.heap),
		Doors:           len(l.doors.open),
		DoorClients:     l.doors.inside,
		Descriptors:     used,
		DescriptorLimit: limit,
		Turns:           l.figures.turns,
		Handshakes:      l.handshakes,
		Stalls:          l.stalls.count,
		Stalled:         l.stalls.total,
		SourceAddresses: len(l.cfg.Sources),
		ClientAddresses: all, ClientAddressesTaken: taken,
		Usable:    l.table.Usable(),
		Returning: l.table.Returning(l.now()),
		Draining:  l.draining.on,
		Refusing:  l.refusing.on,
		PortTaken: l.refusing.told,
		Paused:    l.halt.on,
	}
}
