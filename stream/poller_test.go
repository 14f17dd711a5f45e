package stream

import (
	"fmt"
	"testing"
	"time"
)

// However short the wait is, it is kept, ends by itself and brings what is ready,
// also where the kernel counts in milliseconds only.
func TestPollerWaits(t *testing.T) {
	for _, coarse := range []bool{false, true} {
		t.Run(fmt.Sprintf("coarse: %t", coarse), func(t *testing.T) { testPollerWaits(t, coarse) })
	}
}

func testPollerWaits(t *testing.T, coarse bool) {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.coarse = coarse
	w, err := newWaker()
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := p.add(w.fd, pollIn, wakeToken); err != nil {
		t.Fatal(err)
	}
	waits := []time.Duration{0, time.Nanosecond, 50 * time.Microsecond, time.Millisecond - 1, time.Millisecond, 2 * time.Millisecond}
	for _, d := range waits {
		began := time.Now()
		if events, err := p.wait(d); err != nil || len(events) != 0 {
			t.Errorf("waiting %v: %d events, %v", d, len(events), err)
		}
		if passed := time.Since(began); passed < d {
			t.Errorf("waiting %v took %v", d, passed)
		}
	}
	w.wake()
	for _, d := range append(waits, -1) {
		if events, err := p.wait(d); err != nil || len(events) != 1 || tokenOf(&events[0]) != wakeToken {
			t.Errorf("waiting %v for what is there: %d events, %v", d, len(events), err)
		}
	}
}
