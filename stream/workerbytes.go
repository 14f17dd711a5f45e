package stream

import (
	"slices"

	"github.com/streamq/streamq-proxy/pairing"
	"github.com/streamq/streamq-proxy/stream/splice"
)

// counters are where what passes on a pair is counted: its worker's, and by them the pool's. Of a
// pair of which the table does not know yet, since it comes late from another process, the pool's alone.
func (l *loop) counters(f *flow) *[2]splice.Counters {
	if f.counted != nil {
		return f.counted
	}
	peer := l.table.Peer(f.worker.id)
	if peer == nil {
		return &l.figures.passed
	}
	f.counted = l.figures.of(peer.Worker())
	return f.counted
}

// of are a worker's counters, which stay as long as a pair has them, also when they are forgotten.
func (f *figures) of(worker string) *[2]splice.Counters {
	if f.workers[worker] == nil {
		if f.workers == nil {
			f.workers = map[string]*[2]splice.Counters{}
		}
		f.workers[worker] = &[2]splice.Counters{{Sum: &f.passed[0]}, {Sum: &f.passed[1]}}
	}
	return f.workers[worker]
}

// workerBytes are what went to each of these workers, and back. Others are forgotten: they are no more.
func (l *loop) workerBytes(known ...[]pairing.WorkerInfo) map[string][2]uint64 {
	kept := make(map[string]*[2]splice.Counters, len(l.figures.workers))
	all := make(map[string][2]uint64, len(l.figures.workers))
	for _, w := range slices.Concat(known...) {
		if c := l.figures.workers[w.Name]; c != nil {
			kept[w.Name], all[w.Name] = c, [2]uint64{c[0].Bytes.Load(), c[1].Bytes.Load()}
		}
	}
	l.figures.workers = kept
	return all
}
