package pairing

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// moving is a rebalance among an old worker with pairs and a new one, to be looked at step by step: whoever is
// moved comes again at once.
type moving struct {
	*rig
	workers map[PeerID]PeerID // the worker's connection of each client
	moved   int               // who has to come again
}

func newMoving(t *testing.T, pairs int, old, added WorkerConfig, change func(*Config)) *moving {
	t.Helper()
	m := &moving{rig: newRig(t, change), workers: map[PeerID]PeerID{}}
	old.Name, added.Name = "old", "new"
	m.add(old)
	for range pairs {
		m.Opened(m.now, m.come())
	}
	m.add(added)
	return m
}

// do carries actions out.
func (m *moving) do(all []Action) (dialled string) {
	for _, a := range slices.Clone(all) { // which the next call takes back
		switch {
		case a.Op == Dial:
			dialled = a.Worker
		case a.Op == Ended && a.Reason == Moved:
			m.moved++
			m.do(m.Gone(m.now, m.workers[a.Peer], Closed))
		}
	}
	return dialled
}

// knock has a client come, and tells who is dialled for it.
func (m *moving) knock() (id PeerID, worker string) {
	m.next++
	id = m.next
	m.do(m.ClientConnected(m.now, id, Origin{Address: "10.0.0.1"}, id))
	return id, m.do(m.ClientReady(m.now, id))
}

// come has a client come and shake hands.
func (m *moving) come() PeerID {
	m.t.Helper()
	id, name := m.knock()
	if name == "" {
		m.t.Fatal("nobody takes a client")
	}
	m.next++
	m.workers[id] = m.next
	m.do(m.Dialled(m.now, id, m.next, nil))
	return id
}

// bad has clients come that never finish their handshake, and tells how to have them leave.
func (m *moving) bad(n int) (leave func()) {
	var all []PeerID
	for range n {
		all = append(all, m.come())
	}
	return func() {
		for _, id := range all {
			m.do(m.Gone(m.now, id, Closed))
			m.do(m.Gone(m.now, m.workers[id], Closed))
		}
	}
}

// steps lets time pass.
func (m *moving) steps(d time.Duration) {
	for end := m.now + d; m.now < end; {
		m.now += moveEvery
		m.do(m.Tick(m.now))
		for ; m.moved > 0; m.moved-- {
			m.do(m.Opened(m.now, m.come()))
		}
	}
}

func (m *moving) begin(rate float64) {
	m.t.Helper()
	plan, a, err := m.Rebalance(m.now, Rebalance{Rate: rate})
	if err != nil || plan.State != RebalanceRunning {
		m.t.Fatalf("%+v, %v", plan, err)
	}
	m.do(a)
}

func (m *moving) expect(state RebalanceState, old, added int) {
	m.t.Helper()
	is, _ := m.Rebalancing(m.now)
	if a, b := m.worker("old").Pairs, m.worker("new").Pairs; is.State != state || a != old || b != added {
		m.t.Errorf("%v with %d and %d pairs, not %v with %d and %d", is.State, a, b, state, old, added)
	}
}

// TestRebalanceAmongBadClients: those who shake hands at the new worker, and come to nothing, have their part of
// it look taken; when they have gone the shares are what they should be.
func TestRebalanceAmongBadClients(t *testing.T) {
	for _, slow := range []time.Duration{0, 4 * time.Second} {
		t.Run(fmt.Sprint("slow start ", slow), func(t *testing.T) {
			m := newMoving(t, 100, WorkerConfig{}, WorkerConfig{}, func(c *Config) { c.SlowStart, c.HandshakeTimeout = slow, time.Hour })
			m.begin(50)
			m.steps(slow) // by then its weight counts in full
			if slow == 0 {
				m.steps(100 * time.Millisecond)
			}
			leave := m.bad(80)
			m.steps(5 * time.Second)
			leave()
			m.steps(5 * time.Second)
			// One that was moved may have come back, while there were more at the new worker.
			is, _ := m.Rebalancing(m.now)
			if old := m.worker("old").Pairs; is.State != RebalanceDone || old < 50 || old > 52 {
				t.Errorf("%v with %d of 100 pairs", is.State, old)
			}
		})
	}
}

// TestRebalanceWaitsForAWorker that is set aside for a moment, as bad clients and a lost dial can have it.
func TestRebalanceWaitsForAWorker(t *testing.T) {
	m := newMoving(t, 100, WorkerConfig{}, WorkerConfig{}, func(c *Config) { c.RetryMin, c.RetryMax = time.Hour, time.Hour })
	m.begin(10)
	m.steps(time.Second)
	id, name := m.knock()
	if name != "new" {
		t.Fatalf("%s is dialled", name)
	}
	m.do(m.DialFailed(m.now, id, "new"))
	m.do(m.Gone(m.now, id, Closed))
	before := m.worker("new").Pairs
	m.steps(10 * time.Second)
	m.expect(RebalanceRunning, 100-before, before)
	a, err := m.SetWorkerState(m.now, "new", Ready)
	if err != nil {
		t.Fatal(err)
	}
	m.do(a)
	m.steps(10 * time.Second)
	m.expect(RebalanceDone, 50, 50)
}

// TestRebalanceWaitsForRoom: for a moment nobody can take those who would be moved.
func TestRebalanceWaitsForRoom(t *testing.T) {
	m := newMoving(t, 100, WorkerConfig{MaxPairs: 100}, WorkerConfig{MaxHandshakes: 1}, func(c *Config) { c.HandshakeTimeout = time.Hour })
	m.begin(10)
	leave := m.bad(1)
	m.steps(time.Second)
	m.expect(RebalanceRunning, 100, 1)
	leave()
	m.steps(10 * time.Second)
	m.expect(RebalanceDone, 50, 50)
}

// TestRebalanceThatGetsNowhere is interrupted, and not done.
func TestRebalanceThatGetsNowhere(t *testing.T) {
	m := newMoving(t, 100, WorkerConfig{}, WorkerConfig{}, func(c *Config) { c.RetryMin, c.RetryMax = time.Hour, time.Hour })
	m.begin(10)
	id, _ := m.knock()
	m.do(m.DialFailed(m.now, id, "new"))
	m.do(m.Gone(m.now, id, Closed))
	before := m.worker("new").Pairs
	m.steps(stuckAfter - time.Second)
	m.expect(RebalanceRunning, 100-before, before)
	m.steps(3 * time.Second)
	m.expect(RebalanceInterrupted, 100-before, before)
}
