package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPair: a slot shows the worker's signature, the worker is dialled when a client
// has come and not before, and hears all that the client says; its own signature is swallowed once.
func TestPair(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	a, _ := start(t, proxy.endpoint(), worker.endpoint(), 1, 1)
	expectEnd(t, worker.next(t)) // by which it was learnt
	slot := proxy.nextSlot(t, s)
	eventually(t, "idle", func() bool { return a.State().Ready() })
	if len(worker.conns) != 0 {
		t.Error("the worker was dialled for an idle slot")
	}
	say(t, slot, string(s[:]))
	served := worker.next(t)
	proxy.nextSlot(t, s) // in its place
	expect(t, served, string(s[:]))
	long := strings.Repeat("from the client ", 10_000)
	go say(t, slot, long)
	expect(t, served, long)
	say(t, served, "rest")
	expect(t, slot, "rest")
	// One half ends, and the other goes on.
	must(t, slot.(*net.TCPConn).CloseWrite())
	expectEnd(t, served)
	say(t, served, "last")
	served.Close()
	expect(t, slot, "last")
	expectEnd(t, slot)
	eventually(t, "no pair is left", func() bool { return a.State().Pairs == 0 })
}

// TestReset: a reset is passed on as one, behind what was sent before.
func TestReset(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	start(t, proxy.endpoint(), worker.endpoint(), 1, 1)
	worker.next(t)
	slot := proxy.nextSlot(t, s)
	say(t, slot, hello)
	served := worker.next(t)
	expect(t, served, hello)
	say(t, served, "bye")
	expect(t, slot, "bye")
	must(t, served.(*net.TCPConn).SetLinger(0))
	served.Close()
	if _, err := slot.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client saw %v", err)
	}
}

// TestOtherSignature: a worker that is another by now gets no client of a slot that
// showed the former's signature.
func TestOtherSignature(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", nil)
	start(t, proxy.endpoint(), worker.endpoint(), 1, 1)
	say(t, worker.next(t), string(s[:]))
	slot := proxy.nextSlot(t, s)
	say(t, slot, hello)
	other := s
	other[8] = 5
	say(t, worker.next(t), string(other[:]))
	expectEnd(t, slot)
	say(t, worker.next(t), string(other[:])) // learnt anew
	for {                                    // perhaps one more that was under way
		c := proxy.next(t)
		b := make([]byte, len(other))
		if n, _ := c.Read(b); string(b[:n]) == string(other[:]) {
			return
		}
	}
}

// TestWorkerRestarts: slots are withdrawn when the worker has gone, without a
// client having met it, and there again with it.
func TestWorkerRestarts(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, free(t), &s)
	a, _ := start(t, proxy.endpoint(), worker.endpoint(), 3, 3)
	eventually(t, "slots", func() bool { return a.State().Idle == 3 })
	worker.stop()
	for range 3 {
		expectEnd(t, proxy.nextSlot(t, s))
	}
	if state := a.State(); state.Ready() || state.Idle != 0 {
		t.Errorf("without a worker it has %+v", state)
	}
	other := s
	other[8] = 9
	listen(t, worker.Addr().String(), &other)
	for range 3 {
		proxy.nextSlot(t, other)
	}
}

// TestProxyRestarts: the slots are back within two seconds, in the least of a few tries on a busy machine, and meanwhile
// few are tried.
func TestProxyRestarts(t *testing.T) {
	const within = 2 * time.Second
	s := sign()
	proxy, worker := listen(t, free(t), nil), listen(t, "127.0.0.1:0", &s)
	a, _ := start(t, proxy.endpoint(), worker.endpoint(), 50, 50)
	eventually(t, "slots", func() bool { return a.State().Idle == 50 })
	at, least := proxy.Addr().String(), time.Hour
	for try := 0; try < 3 && least > within; try++ {
		time.Sleep(settled) // as slots of a proxy that has run are
		proxy.stop()
		eventually(t, "the slots are lost", func() bool { return a.State().Idle == 0 })
		failed := a.figures.proxyFailed.Load()
		eventually(t, "failures", func() bool { return a.figures.proxyFailed.Load() > failed+2 })
		proxy = listen(t, at, nil)
		back := time.Now()
		eventually(t, "the slots are back", func() bool { return a.State().Idle == 50 })
		least = min(least, time.Since(back))
	}
	if least > within {
		t.Errorf("that took %v", least)
	}
}

// TestDemand: more slots are kept when the last ones are used before they are replaced, up to the bound.
func TestDemand(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	a, _ := start(t, proxy.endpoint(), worker.endpoint(), 2, 5)
	for _, there := range []int{2, 4} {
		var all []net.Conn
		for range there {
			all = append(all, proxy.nextSlot(t, s))
		}
		eventually(t, "idle", func() bool { return a.State().Idle == there })
		a.do(func() { // which hears of them together, then
			for _, slot := range all {
				say(t, slot, hello)
			}
		})
	}
	eventually(t, "five", func() bool { return a.State().Idle == 5 })
	eventually(t, "pairs", func() bool { return a.State().Pairs == 6 })
}

// TestRefusingProxy: what closes whatever comes, or answers something else than a client's greeting, is not
// flooded, nor is the worker for it.
func TestRefusingProxy(t *testing.T) {
	for _, banner := range []string{"", "SSH-2.0-OpenSSH_9.2p1\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n"} {
		t.Run(banner, func(t *testing.T) {
			t.Parallel()
			testRefusingProxy(t, banner)
		})
	}
}

func testRefusingProxy(t *testing.T, banner string) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	const slots = 4
	a, _ := start(t, proxy.endpoint(), worker.endpoint(), slots, slots)
	begun := time.Now()
	for time.Since(begun) < 2*time.Second {
		c := proxy.next(t)
		_, _ = io.WriteString(c, banner) // it may be gone
		c.Close()
	}
	took := time.Since(begun)
	most := int64(slots) // those at the beginning, and then one after each pause, the shortest there can be
	for at, pause := time.Duration(0), retryMin; at < took; pause = min(2*pause, retryMax) {
		at += pause / 2
		most++
	}
	// A slot that the proxy has not closed within the probation, since the machine is busy, has the others follow.
	most += int64(took/(probation+retryMin/2)) * slots
	if n := a.figures.proxyFailed.Load(); n == 0 || n > most {
		t.Errorf("%d slots were offered in %v to what refuses them, at most %d were to be", n, took, most)
	}
	if n := len(worker.conns); n != 1 {
		t.Errorf("the worker was dialled %d times, want only the once that it was learnt by", n)
	}
}

// TestSomeEndsAreForgiven: slots that end as soon as they have been offered, as when the proxy refuses strangers who
// came by them, are replaced at once and blame nobody, as long as they are no more than there may be.
func TestSomeEndsAreForgiven(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	const most = 8
	a, _ := start(t, proxy.endpoint(), worker.endpoint(), 2, most)
	for range most {
		proxy.next(t).Close()
	}
	proxy.nextSlot(t, s)
	proxy.nextSlot(t, s)
	a.do(func() {
		if n := a.figures.proxyFailed.Load(); n != 0 || a.proxyIs.failing() {
			t.Errorf("the proxy is blamed %d times", n)
		}
		now := time.Now()
		if a.ends, a.endsSince = most, now; a.forgiven(now) {
			t.Error("one more is forgiven")
		}
		if !a.forgiven(now.Add(time.Second)) {
			t.Error("a second later none is forgiven")
		}
	})
}

// TestOneProvesForAll: after the proxy could not be reached one slot has to last before the others follow.
func TestOneProvesForAll(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	const slots = 4
	a, _ := start(t, proxy.endpoint(), worker.endpoint(), slots, slots)
	for range 2 * slots { // the first are forgiven
		proxy.next(t).Close()
	}
	eventually(t, "one is on probation", func() (probing bool) {
		a.do(func() {
			if probing = a.probing != nil; probing {
				a.probeAt = time.Now().Add(time.Hour)
			}
		})
		return probing
	})
	a.do(func() {
		a.fill(time.Now())
		if a.dialled != 0 || a.idle != 1 {
			t.Errorf("%d slots are dialled and %d idle beside the one on probation", a.dialled, a.idle-1)
		}
		a.probeAt = time.Now()
	})
	eventually(t, "all", func() bool { return a.State().Idle == slots })
}

// TestUsedIsReplaced: a slot that is used is replaced also when fewer are wanted than
// there are, so that the proxy does not miss it; what is renewed is not.
func TestUsedIsReplaced(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	a, _ := start(t, proxy.endpoint(), worker.endpoint(), 4, 4)
	var all []net.Conn
	for range 4 {
		all = append(all, proxy.nextSlot(t, s))
	}
	eventually(t, "idle", func() bool { return a.State().Idle == 4 })
	a.do(func() { a.target = 2 }) // as when it has been calm
	say(t, all[0], hello)
	proxy.nextSlot(t, s)
	eventually(t, "a pair", func() bool { state := a.State(); return state.Pairs == 1 && state.Idle == 4 })
}

// TestDrain: idle slots are closed, and a pair goes on until it ends, or is ended.
func TestDrain(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	a, stop := start(t, proxy.endpoint(), worker.endpoint(), 1, 1)
	worker.next(t)
	slot := proxy.nextSlot(t, s)
	say(t, slot, hello)
	served := worker.next(t)
	expect(t, served, hello)
	idle := proxy.nextSlot(t, s)
	stop()
	expectEnd(t, idle)
	say(t, served, "still here")
	expect(t, slot, "still here")
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if a.Drain(short) {
		t.Error("it has drained over an open pair")
	}
	slot.Close()
	served.Close()
	if !a.Drain(t.Context()) {
		t.Error("it has not drained")
	}
}

// TestComeAndGo: a thousand clients leave no descriptor behind.
func TestComeAndGo(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	a, _ := start(t, proxy.endpoint(), worker.endpoint(), 8, 8)
	worker.next(t)
	descriptors := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(all)
	}
	first := 0
	for i := range 1000 {
		slot := proxy.nextSlot(t, s)
		say(t, slot, hello)
		served := worker.next(t)
		expect(t, served, hello)
		slot.Close()
		expectEnd(t, served)
		served.Close()
		if i == 100 {
			eventually(t, "settled", func() bool { return a.State().Pairs == 0 && a.State().Idle == a.State().Wanted })
			first = descriptors()
		}
	}
	eventually(t, "descriptors are given back", func() bool { return descriptors() <= first+2 })
}

// TestTurnedAway: a worker that closes on a client before it has said its signature is met
// again, and the slots of the others stay as long as it is what they have shown.
func TestTurnedAway(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", nil)
	start(t, proxy.endpoint(), worker.endpoint(), 2, 2)
	say(t, worker.next(t), string(s[:]))
	turnAway := func(slot net.Conn) {
		t.Helper()
		say(t, slot, "\x01\x00")
		refused := worker.next(t)
		expect(t, refused, "\x01\x00")
		refused.Close()
		expectEnd(t, slot)
	}
	first, second := proxy.nextSlot(t, s), proxy.nextSlot(t, s)
	turnAway(first)
	first = proxy.nextSlot(t, s) // in its place
	say(t, worker.next(t), string(s[:]))
	say(t, second, hello)
	served := worker.next(t)
	say(t, served, string(s[:])+"welcome")
	expect(t, served, hello)
	expect(t, second, "welcome")
	second = proxy.nextSlot(t, s)
	turnAway(first)
	worker.next(t).Close() // as a forwarder does without a worker behind it
	expectEnd(t, second)
}

// TestDescriptors: whoever has come by a slot is served, and there are no slots that could not be.
func TestDescriptors(t *testing.T) {
	s := sign()
	proxy, worker := listen(t, "127.0.0.1:0", nil), listen(t, "127.0.0.1:0", &s)
	a, err := New(Config{
		Proxy: proxy.endpoint(), Worker: worker.endpoint(), Slots: 2, SlotsMax: 2, Descriptors: 6, Threads: 1, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	must(t, err)
	run(t, a)
	worker.next(t)
	var slot, served net.Conn
	for range 3 {
		slot = proxy.nextSlot(t, s)
		say(t, slot, hello)
		served = worker.next(t)
		expect(t, served, hello)
	}
	eventually(t, "no slot is left", func() bool { state := a.State(); return state.Pairs == 3 && state.Idle == 0 })
	slot.Close()
	served.Close()
	proxy.nextSlot(t, s)
	if state := a.State(); !state.Worker || a.figures.workerFailed.Load() != 0 {
		t.Errorf("the worker is held to account: %+v", state)
	}
}
