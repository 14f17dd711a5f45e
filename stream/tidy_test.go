package stream

import (
	"testing"
)

// When a crowd has come and nobody comes any more, memory is given back, once.
func TestTidyAfterACrowd(t *testing.T) {
	r := newRig(t)
	for range crowd {
		r.client()
	}
	eventually(t, "all are there", func() bool { return r.snapshot().Connections == crowd })
	eventually(t, "it was tidied", func() (done bool) {
		r.onLoop(func(l *loop) { done = l.arrivals == 0 })
		return done
	})
	eventually(t, "the tidying is over", func() bool { return !r.ctx.tidying.Load() })
}
