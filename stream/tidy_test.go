package stream

import (
	"testing"
)

// When a crowded has come and nobody comes any more, memory is given back, once.
func TestTidyAfterACrowd(t *testing.T) {
	r := newRig(t)
	for range crowded {
		r.client()
	}
	eventually(t, "all are there", func() bool { return r.snapshot().Connections == crowded })
	eventually(t, "it was tidied", func() (done bool) {
		r.onLoop(func(l *loop) { done = l.crowd.arrivals == 0 })
		return done
	})
	eventually(t, "the tidying is over", func() bool { return !r.ctx.tidying.Load() })
}
