package pairing

import (
	"testing"
	"time"
)

// A worker with max-handshakes has so many clients that are not open yet, and no more;
// the next comes when one of them is open, has ended, or the maximum is changed.
func TestMaxHandshakes(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w", MaxHandshakes: 2})
	dialled := func() int { return r.Workers()[0].Dialling + r.Workers()[0].Pairs }
	a, _, _ := r.pairUp()
	b, _ := r.connect() // its dial counts, too
	for range 4 {
		r.connect()
	}
	for _, step := range []struct {
		what string
		do   func()
		want int
	}{
		{"full", func() {}, 2},
		{"one is open", func() { r.Opened(r.now, a) }, 3},
		{"one has ended", func() { r.End(r.now, b, Kicked) }, 3},
		{"a dial fails", func() { _, _ = r.SetMaxHandshakes(r.now, "w", 3) }, 4},
		{"no limit", func() { _, _ = r.SetMaxHandshakes(r.now, "w", 0) }, 5},
	} {
		if step.do(); dialled() != step.want {
			t.Errorf("%s: %d clients have it, want %d", step.what, dialled(), step.want)
		}
	}
}

// While others wait, a client whose turn it is ends after silentFor to twice that; not
// when nobody waits, not when the worker has to speak, and not after its pair has opened.
func TestSilenceInTheHandshake(t *testing.T) {
	for name, tc := range map[string]struct {
		waits, clients, open bool
		silent               time.Duration // at the look
		want                 bool
	}{
		"silent":            {true, true, false, silentFor, true},
		"nobody waits":      {false, true, false, silentFor, false},
		"the worker's turn": {true, false, false, silentFor, false},
		"spoke a while ago": {true, true, false, silentFor - 1, false},
		"open":              {true, true, true, silentFor, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.add(WorkerConfig{Name: "w", MaxPairs: 1})
			r.AskTurn(func(any) (time.Duration, bool) { return r.now - tc.silent, tc.clients })
			c, _, _ := r.pairUp()
			if tc.waits {
				r.connect()
			}
			if tc.open {
				r.Opened(r.now, c)
			}
			r.now += silentFor
			ended := false
			for _, a := range r.Tick(r.now) {
				ended = ended || a.Op == Ended && a.Peer == c && a.Reason == HandshakeTimeout
			}
			if err := r.check(); err != nil {
				t.Error(err)
			}
			if ended != tc.want {
				t.Errorf("it ended: %v", ended)
			}
		})
	}
}
