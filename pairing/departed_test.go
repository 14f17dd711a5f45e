package pairing

import (
	"fmt"
	"testing"
	"time"
)

func TestDepartedWorkerKeepsItsCounts(t *testing.T) {
	r := newRig(t, nil)
	departed := func() (names []string) {
		for _, w := range r.Departed(r.now) {
			names = append(names, fmt.Sprint(w.Name, w.Served))
		}
		return names
	}
	visit := func(worker string) {
		t.Helper()
		s := r.dialIn(worker, "")
		c, _ := r.connect()
		if got := r.Peer(c).Worker(); got != worker {
			t.Fatalf("the client got %q", got)
		}
		r.Opened(r.now, c)
		r.leave(c, s)
	}
	visit("a")
	r.now += time.Minute
	visit("b")
	visit("a")
	if got := fmt.Sprint(departed()); got != "[b1 a2]" {
		t.Errorf("gone are %s", got)
	}
	id := r.dialIn("a", "")
	if got, served := fmt.Sprint(departed()), r.worker("a").Served; got != "[b1]" || served != 2 {
		t.Errorf("gone are %s; a, which is back, has served %d", got, served)
	}
	r.leave(id)
	if r.now += departedFor - 1; len(departed()) != 2 {
		t.Errorf("gone are %v", departed())
	}
	if r.now++; len(departed()) != 0 {
		t.Errorf("gone for long are %v", departed())
	}
	visit("a")
	if got := fmt.Sprint(departed()); got != "[a1]" {
		t.Errorf("gone are %s", got)
	}
}

func TestDepartedWorkersAreFew(t *testing.T) {
	r := newRig(t, nil)
	for i := range 3 * departedMax {
		r.leave(r.dialIn(fmt.Sprint("w", i), ""))
	}
	if n := len(r.Departed(r.now)); n != departedMax {
		t.Errorf("%d are remembered", n)
	}
	r.add(WorkerConfig{Name: "listed"})
	if _, err := r.RemoveWorker(r.now, "listed"); err != nil {
		t.Error(err)
	}
	for _, w := range r.Departed(r.now) {
		if w.Name == "listed" {
			t.Error("a worker that was taken out is missed")
		}
	}
}

func TestEndsAndDialsAreCounted(t *testing.T) {
	r := newRig(t, nil)
	r.add(WorkerConfig{Name: "w"})
	dial := func() PeerID {
		id, name := r.connect()
		if name != "w" {
			t.Fatalf("the client got %q", name)
		}
		return id
	}
	c := dial()
	r.now += 30 * time.Millisecond
	r.next++
	r.Dialled(r.now, c, r.next, nil)
	r.leave(c, r.next) // the pair drains, then it is over
	kicked, _, _ := r.pairUp()
	r.End(r.now, kicked, Kicked)
	gone := dial()
	r.leave(gone) // while it is dialled for
	failed := dial()
	r.now += 2 * time.Second
	r.DialFailed(r.now, failed, "w")
	s := r.Stats(r.now)
	if s.PairsEnded[ClientGaveUp] != 1 || s.PairsEnded[Kicked] != 1 || s.Ended[ClientGaveUp] != 1 || s.Ended[ClientClosed] != 1 {
		t.Errorf("pairs ended %v, clients %v", s.PairsEnded, s.Ended)
	}
	if got := r.Workers()[0].DialTime; got != 30*time.Millisecond*7/8 { // of 30 ms, and then of none
		t.Errorf("dials take %v", got)
	}
	if s.DialsDone.Count != 2 || s.DialsDone.Sum != 30*time.Millisecond || s.DialsFailed.Count != 1 || s.DialsFailed.Sum != 2*time.Second {
		t.Errorf("dials: %+v and failed ones %+v", s.DialsDone, s.DialsFailed)
	}
}

// A worker that redials is away for a moment, and for no longer than ten seconds;
// what never greeted, was taken out of service or listens does not come back by itself.
func TestReturning(t *testing.T) {
	r := newRig(t, nil)
	want := func(want bool, when string) {
		t.Helper()
		if r.Returning(r.now) != want {
			t.Errorf("%s: returning is %v", when, !want)
		}
	}
	want(false, "nobody was ever here")
	id := r.dialIn("a", "10.0.0.1")
	want(false, "it is here")
	r.leave(id)
	want(true, "it has just gone")
	r.now += redialFor - 1
	want(true, "it may still come")
	r.now++
	want(false, "it has not come")

	r.WorkerConnected(r.now, 77, "scan", Origin{Address: "10.0.0.7"}, nil)
	r.leave(77)
	want(false, "a connection that never greeted has gone")

	r.dialIn("a", "10.0.0.1")
	r.dialIn("b", "10.0.0.2")
	r.set("a", Draining)
	r.set("b", Maintenance)
	for range 2 {
		r.EachPeer(func(p *Peer) bool { id = p.ID; return false })
		r.leave(id)
	}
	want(false, "those that have gone would take no clients")
	r.set("a", Ready)
	want(true, "one of them would")
	r.StopWaiting(r.now, Shutdown)
	want(false, "stopping")
}

// A worker that failed and is probed is expected back, and one that dials in and was here a
// moment ago; one that an operator has taken out, or of which nothing is known, is not.
func TestExpected(t *testing.T) {
	r := newRig(t, nil)
	want := func(want bool, when string) {
		t.Helper()
		if r.Expected(r.now) != want {
			t.Errorf("%s: expected is %v", when, !want)
		}
	}
	want(false, "nobody")
	r.add(WorkerConfig{Name: "w", MaxPairs: 1})
	id, _ := r.connect()
	r.DialFailed(r.now, id, "w")
	want(true, "set aside")
	r.set("w", Draining)
	want(false, "set aside and draining")
	ended := 0
	for _, a := range r.EndWaiting(r.now, NoWorker) {
		if a.Op == Ended && a.Peer == id && a.Reason == NoWorker {
			ended++
		}
	}
	if ended != 1 || r.Stats(r.now).Waiting != 0 {
		t.Errorf("%d ended", ended)
	}
	r.WorkerConnected(r.now, 7, "d", Origin{Address: "10.0.0.9"}, nil)
	r.WorkerReady(r.now, 7)
	r.Gone(r.now, 7, Closed)
	want(true, "away for a moment")
	r.now += redialFor
	want(false, "away for longer")
}
