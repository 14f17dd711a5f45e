package pairing

import "testing"

// A pair ends for the reason of whichever side ended its sending first, however
// the other then goes.
func TestReasonOfGone(t *testing.T) {
	for client, want := range map[bool]map[Gone]Reason{
		true:  {Closed: ClientClosed, Reset: ClientReset, Followed: WorkerClosed, Followed | Reset: WorkerReset},
		false: {Closed: WorkerClosed, Reset: WorkerReset, Followed: ClientClosed, Followed | Reset: ClientReset},
	} {
		for how, reason := range want {
			if got := how.Reason(client); got != reason {
				t.Errorf("client %t, gone %d: %v, want %v", client, how, got, reason)
			}
		}
	}
}

// Before a pair has opened its end is the handshake's failure, of whoever ended it.
func TestReasonOfGoneInTheHandshake(t *testing.T) {
	for client, want := range map[bool]map[Gone]Reason{
		true:  {Closed: ClientGaveUp, Reset: ClientGaveUp, Followed: RefusedByWorker, Followed | Reset: RefusedByWorker},
		false: {Closed: RefusedByWorker, Reset: RefusedByWorker, Followed: ClientGaveUp, Followed | Reset: ClientGaveUp},
	} {
		for how, reason := range want {
			r := newRig(t, nil)
			r.add(WorkerConfig{Name: "w"})
			c, s, _ := r.come("10.0.0.1")
			first, second := c, s
			if !client {
				first, second = s, c
			}
			r.Gone(r.now, first, how)
			acts := r.Gone(r.now, second, Closed)
			if got := acts[len(acts)-1].Record; got.Reason != reason || got.Opened {
				t.Errorf("client %t, gone %d: %+v, want %v", client, how, got, reason)
			}
		}
	}
}
