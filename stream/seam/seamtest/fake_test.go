package seamtest_test

import (
	"testing"

	"github.com/streamq/streamq-proxy/stream/seam/seamtest"
)

func TestFake(t *testing.T) {
	seamtest.Contract(t, func(_ *testing.T, take bool, reads uint64) seamtest.Door {
		return seamtest.NewFake(take, reads)
	})
}
