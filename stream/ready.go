package stream

// Readiness says whether new clients should be sent to a pool, and why.
type Readiness uint8

// The ways to be ready, and not to be.
const (
	// ReadyNow: a worker takes clients, now or when one of its pairs ends.
	ReadyNow Readiness = iota
	// ReadySoon: a worker that dials in is away for a moment, see [pairing.Table.Returning].
	ReadySoon
	NotReadyDraining // the pool refuses who connects
	NotReadyPaused   // nothing is read, see [Pool.Pause]
	NotReadyLameDuck // an operator wants no new clients to be sent, see [Pool.SetLameDuck]
	NotReadyWorker   // no worker takes clients
	NotReadyPort     // a worker does, and a port of the pool is another process's
	readinesses
)

var readinessWords = [readinesses]string{
	"ready", "ready, a worker is expected back", "draining", "paused", "lame duck", "no usable worker", "another process has its port",
}

// String is the readiness in words for a person, which hold for scripts, too.
func (r Readiness) String() string {
	if r < readinesses {
		return readinessWords[r]
	}
	return "unknown"
}

// Ready says whether new clients should be sent.
func (r Readiness) Ready() bool { return r <= ReadySoon }

// Readiness of the pool at the moment of the snapshot.
func (s *Snapshot) Readiness() Readiness {
	switch {
	case s.Draining:
		return NotReadyDraining
	case s.Paused:
		return NotReadyPaused
	case s.LameDuck:
		return NotReadyLameDuck
	case s.PortTaken:
		return NotReadyPort
	case s.Usable:
		return ReadyNow
	case s.Returning:
		return ReadySoon
	}
	return NotReadyWorker
}

// SetLameDuck makes the pool a lame duck, or ends that: it serves on, new clients
// included, and is not ready, so that a balancer sends clients elsewhere. It does
// not wait for the loop.
func (p *Pool) SetLameDuck(on bool) { p.lameDuck.Store(on) }

// LameDuck says whether the pool is one.
func (p *Pool) LameDuck() bool { return p.lameDuck.Load() }
